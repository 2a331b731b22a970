"""Writing a feature cache: shard by shard, in any number of jobs, over any number of restarts.

Letters: U utterances, D width.
"""

import logging
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.features.base import SpeechEncoder, origin_of
from codec_ssl.features.cache import (
    INDEX_NAME,
    META_NAME,
    CacheMeta,
    digest_of,
    map_shard,
    read_meta,
    shard_path,
)
from codec_ssl.features.factory import make_source
from codec_ssl.features.stream import BATCH_FRAMES, FeatureBatch, stream_features
from codec_ssl.features.utterances import Utterances
from codec_ssl.tokens.files import replacing, write_file
from codec_ssl.tokens.index import write_index

DTYPES = ("float16", "float32")
SHARD_BYTES = 1 << 28

logger = logging.getLogger(__name__)


def write_cache(
    encoder: SpeechEncoder,
    utterances: Utterances,
    layer: int,
    path: str | Path,
    *,
    dtype: str = "float16",
    shard_bytes: int = SHARD_BYTES,
    job: int = 1,
    num_jobs: int = 1,
    data_dir: DataDir | None = None,
    batch_frames: int = BATCH_FRAMES,
) -> None:
    """Write the features of every utterance; shards that are there stay.

    Args:
        encoder: Makes the features.
        utterances: See ``open_utterances``.
        layer: Layer to take.
        path: Folder of the cache.
        dtype: ``float16``, or ``float32`` for twice the space.
        shard_bytes: About how large a shard is; a process holds one in memory.
        job: Number of this job, from 1.
        num_jobs: Number of jobs that share the work.
        data_dir: For encoders of waveforms.
        batch_frames: Most padded frames in a batch.

    Raises:
        ConfigError: If the type or the layer doesn't exist, or the encoder is not frozen.
        DataError: If the folder holds other features, the disk has too little room, or a feature
            isn't finite.
    """
    path = Path(path)
    meta = _plan(encoder, utterances, layer, dtype, shard_bytes)
    _begin(path, meta, utterances)
    pending = _pending(path, meta, job, num_jobs)
    _announce(path, meta, len(pending))
    for shard in tqdm(pending, desc="feature shards", disable=None):
        first = meta.shard_ends[shard - 1] if shard else 0
        utt_ids = utterances.utt_ids[first : meta.shard_ends[shard]]
        source = make_source(encoder, utterances, utt_ids, data_dir)
        batches = stream_features(encoder, source, [layer], batch_frames=batch_frames)
        frames = _fill(batches, utt_ids, source.num_frames, meta)
        with replacing(shard_path(path, shard)) as file:
            np.save(file, frames)


def plan_cache(
    encoder: SpeechEncoder,
    utterances: Utterances,
    layer: int,
    path: str | Path,
    *,
    dtype: str = "float16",
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Say how large a cache gets, and see that the disk has room for what all jobs will write.

    Each job of ``write_cache`` looks at its own shards only, when the others may already write.

    Args:
        encoder: Makes the features.
        utterances: See ``open_utterances``.
        layer: Layer to take.
        path: Folder of the cache, which gets the plan but no features.
        dtype: See ``write_cache``.
        shard_bytes: See ``write_cache``.

    Raises:
        ConfigError: If the type or the layer doesn't exist, or the encoder is not frozen.
        DataError: If the folder holds other features, or the disk has too little room.
    """
    path = Path(path)
    meta = _plan(encoder, utterances, layer, dtype, shard_bytes)
    _begin(path, meta, utterances)
    _announce(path, meta, len(_pending(path, meta, 1, 1)))


def _pending(path: Path, meta: CacheMeta, job: int, num_jobs: int) -> list[int]:
    """Shards of a job that are not there yet."""
    mine = range(job - 1, len(meta.shard_ends), num_jobs)
    return [shard for shard in mine if map_shard(shard_path(path, shard)) is None]


def _plan(
    encoder: SpeechEncoder, utterances: Utterances, layer: int, dtype: str, shard_bytes: int
) -> CacheMeta:
    """Cut the utterances into consecutive shards of about equal size."""
    if dtype not in DTYPES:
        raise ConfigError(f"dtype of features: expected one of {DTYPES}, found {dtype!r}")
    encoder.check_frozen()
    encoder.check_layers([layer])
    ends = np.cumsum(utterances.lengths)
    per_shard = max(1, shard_bytes // (encoder.width * np.dtype(dtype).itemsize))
    # An utterance belongs to the shard that its first frame falls into.
    owners = (ends - utterances.lengths) // per_shard
    borders = np.flatnonzero(np.diff(owners)) + 1
    return CacheMeta(
        origin=origin_of(encoder, layer),
        width=encoder.width,
        dtype=dtype,
        num_utterances=len(utterances),
        num_frames=int(ends[-1]),
        content=digest_of(utterances.utt_ids, utterances.lengths),
        shard_ends=[*borders.tolist(), len(utterances)],
    )


def _begin(path: Path, meta: CacheMeta, utterances: Utterances) -> None:
    """Write meta and index, or see that they are those of this plan."""
    path.mkdir(parents=True, exist_ok=True)
    if not (path / META_NAME).is_file():
        write_index(path / INDEX_NAME, utterances.utt_ids, utterances.lengths)
        write_file(path / META_NAME, meta.to_json().encode())
    found = asdict(read_meta(path))
    other = [name for name, value in asdict(meta).items() if found[name] != value]
    if other:
        raise DataError(
            f"{path}: holds other features ({', '.join(other)} differ): delete it, or choose"
            " another folder"
        )


def _announce(path: Path, meta: CacheMeta, num_pending: int) -> None:
    """Say how large it gets, and refuse if that cannot be."""
    logger.info(
        "%s: %d utterances, %d frames of width %d in %s: %.2f GB; %d of %d shards to write",
        path,
        meta.num_utterances,
        meta.num_frames,
        meta.width,
        meta.dtype,
        meta.num_bytes / 1e9,
        num_pending,
        len(meta.shard_ends),
    )
    needed = meta.num_bytes * num_pending / len(meta.shard_ends)
    free = shutil.disk_usage(path).free
    if needed > free:
        raise DataError(
            f"{path}: expected {needed / 1e9:.1f} GB of free disk, found {free / 1e9:.1f} GB: "
            "train from the encoder without a cache, or make room"
        )


def _fill(
    batches: Iterable[FeatureBatch], utt_ids: list[str], lengths: np.ndarray, meta: CacheMeta
) -> np.ndarray:
    """Put the pieces of a shard where they belong: (n, D)."""
    rows = dict(zip(utt_ids, (np.cumsum(lengths) - lengths).tolist(), strict=True))
    frames = np.empty((int(lengths.sum()), meta.width), dtype=meta.dtype)
    for batch in batches:
        features = batch.features[meta.origin.layer].to(getattr(torch, meta.dtype))
        pieces = np.split(features.cpu().numpy(), np.cumsum(batch.lengths)[:-1])
        for utt, start, piece in zip(batch.utt_ids, batch.starts, pieces, strict=True):
            if not np.isfinite(piece).all():
                raise DataError(
                    f"utterance {utt}: features that are not finite in {meta.dtype}: choose "
                    "float32, or look at the encoder"
                )
            frames[rows[utt] + start :][: len(piece)] = piece
    return frames
