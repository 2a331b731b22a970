"""Statistics of a store, from its meta data alone: no token is read.

Letters: Q codebooks, K codebook size.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from codec_ssl.tokens import histogram
from codec_ssl.tokens.packing import bits
from codec_ssl.tokens.reader import TokenStore


@dataclass(frozen=True)
class CodebookStats:
    """One codebook.

    Attributes:
        size: K.
        bits: Bits a code takes in the store.
        usage: Share of the K tokens that occur.
        perplexity: ``2 ** entropy``.
        entropy: Bits a token, of the histogram.
        top_share: Share of the most frequent token.
    """

    size: int
    bits: int
    usage: float
    perplexity: float
    entropy: float
    top_share: float


@dataclass(frozen=True)
class StoreStats:
    """A store as a whole.

    Attributes:
        num_utterances: Utterances.
        num_skipped: Utterances left out.
        num_frames: Frames.
        hours: Duration of all utterances.
        mean_seconds, min_seconds, max_seconds: Durations of utterances.
        bitrate: kbit/s that the codes take packed: 6 for 12 codebooks of 1024 at 50 Hz.
        nominal_bitrate: kbit/s of log2 K bits a code: 6.38 for 8 codes of 1000 at 80 Hz, which
            take 6.40 packed into whole bits.
        entropy_bitrate: kbit/s that their zero-order entropy asks for.
        payload_bytes: Packed codes.
        total_bytes: Shards, index and meta data.
        codebooks: Q codebooks.
    """

    num_utterances: int
    num_skipped: int
    num_frames: int
    hours: float
    mean_seconds: float
    min_seconds: float
    max_seconds: float
    bitrate: float
    nominal_bitrate: float
    entropy_bitrate: float
    payload_bytes: int
    total_bytes: int
    codebooks: list[CodebookStats]

    def rows(self) -> list[dict[str, Any]]:
        """One row a codebook, ready for a table."""
        return [
            {
                "codebook": number,
                "size": codebook.size,
                "bits": codebook.bits,
                "usage": codebook.usage,
                "perplexity": codebook.perplexity,
                "entropy": codebook.entropy,
                "top_share": codebook.top_share,
            }
            for number, codebook in enumerate(self.codebooks)
        ]


def store_stats(store: TokenStore) -> StoreStats:
    """Statistics of a store."""
    meta, lengths = store.meta, store.lengths
    codebooks = [
        codebook_stats(size, counts) for size, counts in zip(meta.sizes, meta.counts(), strict=True)
    ]
    frame_bits = sum(codebook.bits for codebook in codebooks)
    meta_bytes = store.meta_path.stat().st_size + meta.index_bytes
    return StoreStats(
        num_utterances=meta.num_utterances,
        num_skipped=sum(meta.skipped.values()),
        num_frames=meta.num_frames,
        hours=meta.seconds / 3600,
        mean_seconds=float(lengths.mean() / meta.frame_rate),
        min_seconds=float(lengths.min() / meta.frame_rate),
        max_seconds=float(lengths.max() / meta.frame_rate),
        bitrate=frame_bits * meta.frame_rate / 1000,
        nominal_bitrate=sum(math.log2(size) for size in meta.sizes) * meta.frame_rate / 1000,
        entropy_bitrate=sum(book.entropy for book in codebooks) * meta.frame_rate / 1000,
        payload_bytes=int((-(-lengths * frame_bits // 8)).sum()),
        total_bytes=meta_bytes + sum(shard.num_bytes for shard in meta.shards),
        codebooks=codebooks,
    )


def codebook_stats(size: int, counts: np.ndarray) -> CodebookStats:
    """Statistics of one codebook of ``size`` entries from its histogram (K,)."""
    return CodebookStats(
        size=size,
        bits=bits(size),
        usage=histogram.usage(counts),
        perplexity=histogram.perplexity(counts),
        entropy=histogram.entropy(counts),
        top_share=histogram.top_share(counts),
    )
