"""Neighbouring frames as one: shorter sequences for models that read tokens, nothing lost."""

from pathlib import Path

import numpy as np

from codec_ssl.errors import TokenError
from codec_ssl.tokens.exchange import Source, import_tokens
from codec_ssl.tokens.files import canonical, text_digest
from codec_ssl.tokens.store import TokenStore


def stack_frames(source: TokenStore, count: int, path: str | Path) -> TokenStore:
    """Write a store whose frame t has the codes of frames ``count * t`` and the next ones.

    A last frame that isn't whole is filled with the last codes again. It goes on where a killed
    run stopped.

    Args:
        source: A store of Q codebooks.
        count: Frames to put together, n; the new store has n Q codebooks at an n-th of the rate.
        path: Folder of the new one.

    Raises:
        TokenError: The count is below 2.
    """
    if count < 2:
        raise TokenError(f"{source.path}: expected at least 2 frames to stack, found {count}")
    meta = source.meta
    told = canonical([meta.maker["fingerprint"], "stacked", count])
    return import_tokens(
        Source(
            source.utt_ids, lambda: ((utt, _stacked(codes, count)) for utt, codes in source.items())
        ),
        path,
        codebook_size=meta.sizes * count,
        frame_rate=meta.frame_rate / count,
        sample_rate=meta.sample_rate,
        maker={**meta.maker, "fingerprint": text_digest(told), "stacked": count},
        shard_utterances=meta.shard_utterances,
    )


def _stacked(codes: np.ndarray, count: int) -> np.ndarray:
    """Codes (T, Q) as (ceil(T / n), n Q)."""
    missing = -len(codes) % count
    return np.pad(codes, ((0, missing), (0, 0)), mode="edge").reshape(-1, count * codes.shape[1])
