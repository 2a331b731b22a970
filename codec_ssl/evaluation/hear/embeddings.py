"""Scene embeddings of data dirs on disk, found again by what they were made of and with.

``<cache>/<set>-<digest>/`` has ``plan.json`` and parts that any number of jobs fill. The digest is
of the embedder's settings, the length that sounds are brought to, and the audio files (paths,
sizes, dates), so whatever changes gets a folder of its own, and a killed job goes on.

Letters: U sounds, D width.
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from codec_ssl.data.audio import AudioSource, BadAudio, BadAudioLog, audio_info, read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.parts import PartFolder
from codec_ssl.errors import DataError
from codec_ssl.evaluation.hear.embedder import Embedder
from codec_ssl.tokens.files import canonical, map_tensors, text_digest, write_tensors

BAD_AUDIO = "bad_audio.tsv"
MAX_BAD_RATE = 0.01
_PART_SOUNDS = 250
_SUFFIX = ".safetensors"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Embeddings:
    """Scene embeddings of a data dir.

    Attributes:
        utt_ids: Its usable utterances, sorted.
        vectors: (U, D) float32.
    """

    utt_ids: list[str]
    vectors: np.ndarray


def write_embeddings(
    embedder: Embedder,
    data_dir: DataDir,
    cache: str | Path,
    seconds: float | None = None,
    job: int = 1,
    num_jobs: int = 1,
    dealt: int = 0,
) -> int:
    """Make the parts of a job that are not there yet.

    Args:
        embedder: Makes the embeddings.
        data_dir: The sounds.
        cache: Folder of all embeddings.
        seconds: Length that sounds are cut to, or continued to with silence; None leaves them.
        job: Number of this job, from 1.
        num_jobs: Jobs that share the parts.
        dealt: Parts of other data dirs that the same jobs share, before these.

    Returns:
        Number of parts, whoever makes them.

    Raises:
        ConfigError: If there is no such job.
        DataError: If an embedding has numbers that are not finite.
    """
    folder = _folder(embedder, data_dir, cache, seconds)
    pending = folder.pending(job, num_jobs, dealt)
    _logger.info("%s: %d of %d parts to make", folder.path, len(pending), folder.num_parts)
    for part in tqdm(pending, desc=f"embeddings of {data_dir.path}", disable=None):
        utt_ids = folder.members(part)
        vectors, bad = _embed(embedder, data_dir, utt_ids, seconds)
        kept = [place for place, utt_id in enumerate(utt_ids) if utt_id not in bad]
        for place in (~vectors.isfinite().all(1)).nonzero().flatten().tolist():
            raise DataError(
                f"{data_dir.path}: {utt_ids[place]}: expected a finite embedding, found none by"
                f" {embedder.encoder.name}",
                stage="pretrain",
            )
        record = {"utt_ids": [utt_ids[place] for place in kept], "bad": bad}
        write_tensors(folder.file(part), {"vectors": vectors[kept].numpy()}, record)
    return folder.num_parts


def read_embeddings(
    embedder: Embedder,
    data_dir: DataDir,
    cache: str | Path,
    seconds: float | None = None,
    max_bad_rate: float = MAX_BAD_RATE,
) -> Embeddings:
    """Embeddings of a data dir; those that are missing are made.

    Args:
        embedder: See ``write_embeddings``.
        data_dir: Likewise.
        cache: Likewise.
        seconds: Likewise.
        max_bad_rate: Share of the sounds that may be unusable; which are is in ``bad_audio.tsv``.

    Raises:
        DataError: If more are.
    """
    write_embeddings(embedder, data_dir, cache, seconds)
    folder = _folder(embedder, data_dir, cache, seconds)
    parts = [map_tensors(path) for path in folder.complete()]
    log = BadAudioLog()
    for part in parts:
        for utt_id, (path, reason, detail) in part.metadata["bad"].items():
            log.add(utt_id, path, reason, detail)
    if log:
        log.write(folder.path / BAD_AUDIO)
        _logger.warning("%s: left out %s", data_dir.path, log.reasons())
    log.check_rate(len(data_dir), max_bad_rate)
    utt_ids = [utt_id for part in parts for utt_id in part.metadata["utt_ids"]]
    if not utt_ids:
        raise DataError(f"{data_dir.path}: expected sounds, found none that can be used")
    return Embeddings(utt_ids, np.concatenate([part.arrays["vectors"] for part in parts]))


def _folder(
    embedder: Embedder, data_dir: DataDir, cache: str | Path, seconds: float | None
) -> PartFolder:
    plan = {**embedder.settings, "seconds": seconds, "sounds": _identity(data_dir)}
    name = f"{data_dir.path.resolve().parent.name}_{data_dir.path.resolve().name}"
    return PartFolder(
        Path(cache, f"{name}-{text_digest(canonical(plan))[:12]}"),
        data_dir.utt_ids,
        plan,
        _PART_SOUNDS,
        name="plan.json",
        suffix=_SUFFIX,
        stage="embed",
    )


def _identity(data_dir: DataDir) -> str:
    """SHA-256 of what utterances are and of their files, as far as no file need be read."""
    sources = [data_dir.source(utt_id) for utt_id in data_dir.utt_ids]
    files = {path: _state(path) for path in dict.fromkeys(source.path for source in sources)}
    rows = [[s.utt_id, s.path, s.start, s.end, *files[s.path]] for s in sources]
    return text_digest(canonical(rows))


def _state(path: str) -> tuple[int, int]:
    try:
        found = os.stat(path)
    except OSError:
        return -1, -1  # a missing file is reported when it is to be read
    return found.st_size, found.st_mtime_ns


def _embed(
    embedder: Embedder, data_dir: DataDir, utt_ids: Sequence[str], seconds: float | None
) -> tuple[Tensor, dict[str, tuple[str, str, str]]]:
    """Embeddings (U, D) of some sounds; rows of the unusable ones, told with why, are 0."""
    vectors = torch.zeros(len(utt_ids), embedder.scene_width)
    bad: dict[str, tuple[str, str, str]] = {}
    sources = [data_dir.source(utt_id) for utt_id in utt_ids]
    lengths = [_num_samples(embedder, source, seconds) for source in sources]
    for group in embedder.groups(lengths):
        wavs: dict[int, Tensor] = {}
        for place in group:
            try:
                wavs[place] = _read(embedder, sources[place], seconds)
            except BadAudio as error:
                bad[utt_ids[place]] = (error.path, error.reason, error.detail)
        if wavs:
            vectors[list(wavs)] = embedder.scenes(list(wavs.values())).cpu()
    return vectors, bad


def _num_samples(embedder: Embedder, source: AudioSource, seconds: float | None) -> int:
    """About how long a sound will be; it is only for putting alike ones together."""
    rate = embedder.encoder.sample_rate
    if seconds is not None:
        return round(seconds * rate)
    try:
        return round(audio_info(source).duration * rate)
    except BadAudio:
        return 0


def _read(embedder: Embedder, source: AudioSource, seconds: float | None) -> Tensor:
    rate = embedder.encoder.sample_rate
    wav = torch.from_numpy(read_audio(source, rate)[0])
    if seconds is None:
        return wav
    wanted = round(seconds * rate)
    return torch.nn.functional.pad(wav[:wanted], (0, max(0, wanted - len(wav))))
