"""Training labels: stream features through a fitted tokenizer into a token store."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import CheckpointError
from codec_ssl.features.base import Origin, SpeechEncoder, origin_of
from codec_ssl.features.factory import make_source
from codec_ssl.features.stream import BATCH_FRAMES, stream_features
from codec_ssl.features.utterances import Utterances
from codec_ssl.tokenizers.base import Tokenizer
from codec_ssl.tokens.store import TokenStoreWriter

logger = logging.getLogger(__name__)


def fit_tokenizer(
    tokenizer: Tokenizer,
    encoder: SpeechEncoder,
    utterances: Utterances,
    layer: int,
    *,
    portion: float = 1.0,
    max_utterances: int | None = None,
    seed: int = 0,
    data_dir: DataDir | None = None,
    batch_frames: int = BATCH_FRAMES,
) -> None:
    """Fit on the features of utterances, which stream by and are never dumped.

    Args:
        tokenizer: What to fit.
        encoder: Makes the features.
        utterances: Those of the training set, see ``open_utterances``.
        layer: Layer to take.
        portion: Share of the utterances to look at, drawn at random: HuBERT takes a tenth.
        max_utterances: Most utterances to look at: EnCodecMAE takes 10 000.
        seed: Seed of that draw.
        data_dir: For encoders of waveforms.
        batch_frames: Most padded frames in a batch.
    """
    utt_ids = sorted(utterances.utt_ids)
    count = max(1, round(portion * len(utt_ids)))
    if max_utterances is not None:
        count = min(count, max_utterances)
    chosen = np.random.default_rng(seed).permutation(len(utt_ids))[:count]
    picked = [utt_ids[i] for i in sorted(chosen)]
    logger.info("fitting on layer %d of %s, %d utterances", layer, encoder.name, len(picked))
    source = make_source(encoder, utterances, picked, data_dir)
    batches = stream_features(encoder, source, [layer], batch_frames=batch_frames)
    tokenizer.origin = origin_of(encoder, layer)
    tokenizer.fit(
        tokenizer.prepare(batch.features[layer], torch.as_tensor(batch.lengths))
        for batch in batches
    )


def extract_labels(
    tokenizer: Tokenizer,
    encoder: SpeechEncoder,
    utterances: Utterances,
    out_dir: str | Path,
    *,
    job: int = 1,
    num_jobs: int = 1,
    finalize: bool = False,
    name: str | None = None,
    data_dir: DataDir | None = None,
    batch_frames: int = BATCH_FRAMES,
) -> None:
    """Write the tokens of every utterance, as a token store.

    Shards are a plan of the utterance list and each is encoded by itself, so the result doesn't
    depend on the number of jobs, and a killed job goes on at its first missing shard.

    Codes longer than ``features.stream.CHUNK_FRAMES`` are encoded in pieces. A tokenizer that
    looks at neighbouring frames takes each piece for an utterance, as the encoder does.

    Args:
        tokenizer: Fitted on the training set; valid and test take the same.
        encoder: The one that it was fitted on.
        utterances: What to label, see ``open_utterances``.
        out_dir: The label store.
        job: Number of this job, from 1.
        num_jobs: Number of jobs that share the work.
        finalize: Whether to close the store when this job's shards are written.
        name: Name of the tokens in tables; the tokenizer's kind where None.
        data_dir: For encoders of waveforms.
        batch_frames: Most padded frames in a batch.

    Raises:
        CheckpointError: If the tokenizer was fitted on other features.
    """
    origin = check_origin(tokenizer, encoder)
    writer = TokenStoreWriter(
        out_dir,
        utt_ids=utterances.utt_ids,
        sizes=tokenizer.sizes,
        frame_rate=utterances.frame_rate,
        sample_rate=utterances.sample_rate,
        maker=label_maker(tokenizer, origin, name),
        shard_utterances=utterances.shard_utterances,
    )
    for shard in tqdm(writer.pending(job, num_jobs), desc="label shards", disable=None):
        utt_ids = list(writer.shard_utt_ids(shard))
        source = make_source(encoder, utterances, utt_ids, data_dir)
        batches = stream_features(encoder, source, [origin.layer], batch_frames=batch_frames)
        tokens = {
            utt: np.empty((count, len(tokenizer.sizes)), dtype=np.int64)
            for utt, count in zip(utt_ids, source.num_frames, strict=True)
        }
        for batch in batches:
            lens = torch.as_tensor(batch.lengths)
            codes = tokenizer.encode(batch.features[origin.layer], lens).cpu().numpy()
            pieces = np.split(codes, np.cumsum(batch.lengths)[:-1])
            for utt, start, piece in zip(batch.utt_ids, batch.starts, pieces, strict=True):
                tokens[utt][start : start + len(piece)] = piece
        writer.write_shard(shard, _items(utt_ids, tokens))
    if finalize:
        writer.finalize()


def label_maker(tokenizer: Tokenizer, origin: Origin, name: str | None = None) -> dict[str, Any]:
    """What a token store says about the tokenizer that made it, and about its features."""
    return {
        "kind": tokenizer.kind,
        "name": name or tokenizer.kind,
        "fingerprint": tokenizer.fingerprint,
        "layer": origin.layer,
        "encoder": origin.encoder,
        "encoder_fingerprint": origin.fingerprint,
    }


def check_origin(tokenizer: Tokenizer, encoder: SpeechEncoder) -> Origin:
    """Refuse features of another encoder than those that the tokenizer was fitted on.

    Raises:
        CheckpointError: Naming both encoders.
    """
    origin = tokenizer.origin
    if origin is None:
        raise CheckpointError(
            f"this {tokenizer.kind} doesn't say which encoder's features it takes: import it with"
            " --exp, --layer and --store, or fit it again",
            stage="labels",
        )
    if origin.fingerprint != encoder.fingerprint:
        raise CheckpointError(
            f"expected features of {origin.encoder} ({origin.fingerprint[:12]}), which the"
            f" {tokenizer.kind} was fitted on, found {encoder.name} ({encoder.fingerprint[:12]})",
            stage="labels",
        )
    return origin


def _items(utt_ids: list[str], tokens: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    return ((utt, tokens[utt]) for utt in utt_ids)
