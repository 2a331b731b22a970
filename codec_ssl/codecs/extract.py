"""A data dir through a codec into a token store: batched by length, decoded ahead, resumable.

Shards are the unit of work. Within one, utterances are sorted by length and cut into batches, so
what is coded together depends on the data alone: not on the number of jobs, nor on restarts.
Audio is read by threads, ahead of the codec: soundfile and soxr release the interpreter's lock
while they decode, so threads run beside the codec without copying samples between processes.

Q codebooks, K entries, D latent width, T frames.
"""

import logging
import math
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from codec_ssl.codecs.base import Codec
from codec_ssl.codecs.progress import Progress
from codec_ssl.data.audio import (
    AudioSource,
    BadAudio,
    BadAudioLog,
    audio_info,
    read_audio,
    stream_audio,
)
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import CodecError
from codec_ssl.tokens.files import write_file
from codec_ssl.tokens.store import TokenStore, TokenStoreWriter

CODEBOOK_NAME = "codebook.safetensors"
BAD_AUDIO_NAME = "bad_audio.tsv"

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExtractOptions:
    """How to extract; none of it changes what the codes are.

    Attributes:
        batch_seconds: Audio coded together, padding included; 0 codes one utterance at a time,
            which is the fastest on a CPU.
        chunk_seconds: Longer utterances are coded as a stream, in chunks of this length.
        num_workers: Threads that read audio.
        shard_utterances: Utterances a shard, what a killed job has to do again.
        max_bad_rate: Share of unusable utterances above which extraction fails.
    """

    batch_seconds: float = 0.0
    chunk_seconds: float = 60.0
    num_workers: int = 2
    shard_utterances: int = 1000
    max_bad_rate: float = 0.01


def extract_codes(
    codec: Codec,
    data_dir: DataDir,
    store_dir: str | Path,
    *,
    job: int = 1,
    num_jobs: int = 1,
    options: ExtractOptions | None = None,
) -> None:
    """Write the shards of one job that are still missing.

    Unusable audio, and utterances at which the codec fails, are skipped and noted.

    Args:
        codec: The codec, on the device that is to do the work.
        data_dir: Audio.
        store_dir: Folder of the token store.
        job: Number of this job, from 1.
        num_jobs: Jobs that share the work.
        options: See `ExtractOptions`.

    Raises:
        DataError: If more than ``max_bad_rate`` of all utterances are unusable.
        TokenError: If the folder holds codes of another codec or data dir.
    """
    options = options or ExtractOptions()
    writer = _writer(codec, data_dir, store_dir, options)
    pending = writer.pending(job, num_jobs)
    if not pending:
        _logger.info("%s: job %d of %d has nothing to do", store_dir, job, num_jobs)
        return
    total = sum(len(writer.shard_utt_ids(shard)) for shard in pending)
    with (
        ThreadPoolExecutor(max(1, options.num_workers)) as pool,
        Progress(total, f"{Path(store_dir).name} job {job}/{num_jobs}") as progress,
    ):
        shards = _ShardCoder(codec, data_dir, Path(store_dir), options, pool, progress)
        for shard in pending:
            skipped: dict[str, str] = {}
            items = shards.code(shard, writer.shard_utt_ids(shard), skipped)
            writer.write_shard(shard, items, skipped)


def finalize_codes(
    codec: Codec,
    data_dir: DataDir,
    store_dir: str | Path,
    *,
    options: ExtractOptions | None = None,
) -> TokenStore:
    """Finish a store whose shards are written; adds the codebooks and the list of bad audio.

    Args:
        codec: The codec that made the shards.
        data_dir: The data dir that they were made from.
        store_dir: Folder of the token store.
        options: The options of the extraction.

    Raises:
        DataError: If more than ``max_bad_rate`` of all utterances are unusable.
        TokenError: If a shard is missing.
    """
    options = options or ExtractOptions()
    store_dir = Path(store_dir)
    writer = _writer(codec, data_dir, store_dir, options)
    bad = BadAudioLog()
    for shard in range(writer.num_shards):
        path = _bad_of_shard(store_dir, shard)
        if path.is_file():
            bad.merge(BadAudioLog.read(path))
    bad.write(store_dir / BAD_AUDIO_NAME)
    bad.check_rate(len(data_dir), options.max_bad_rate)
    vectors = codec.codebook_vectors().float().cpu().contiguous()
    write_file(store_dir / CODEBOOK_NAME, safetensors.torch.save({"vectors": vectors}))
    store = writer.finalize()
    _logger.info(
        "%s: %d utterances, %.2f h, %d skipped",
        store_dir,
        store.meta.num_utterances,
        store.meta.num_frames / store.meta.frame_rate / 3600,
        len(bad),
    )
    return store


def maker_of(codec: Codec) -> dict[str, Any]:
    """What a token store says about the codec that made it."""
    return {
        "kind": "codec",
        "name": codec.name,
        "fingerprint": codec.fingerprint,
        "hop_length": codec.hop_length,
        "latent_dim": codec.latent_dim,
        "precision": codec.precision,
    }


def _writer(
    codec: Codec, data_dir: DataDir, store_dir: str | Path, options: ExtractOptions
) -> TokenStoreWriter:
    return TokenStoreWriter(
        store_dir,
        utt_ids=data_dir.utt_ids,
        sizes=[codec.codebook_size] * codec.num_codebooks,
        frame_rate=codec.frame_rate,
        sample_rate=codec.sample_rate,
        maker=maker_of(codec),
        shard_utterances=options.shard_utterances,
    )


def _bad_of_shard(store_dir: Path, shard: int) -> Path:
    return store_dir / f"bad_audio-{shard:05d}.tsv"


class _ShardCoder:
    """Codes shards, one after the other, and collects what is bad."""

    def __init__(
        self,
        codec: Codec,
        data_dir: DataDir,
        store_dir: Path,
        options: ExtractOptions,
        pool: ThreadPoolExecutor,
        progress: Progress,
    ) -> None:
        self._codec = codec
        self._data_dir = data_dir
        self._store_dir = store_dir
        self._options = options
        self._pool = pool
        self._progress = progress
        self._all_bad = BadAudioLog()

    def code(
        self, shard: int, utt_ids: list[str], skipped: dict[str, str]
    ) -> Iterator[tuple[str, np.ndarray]]:
        """Yield ``(utt_id, codes (T, Q))``; fills ``skipped`` with the reasons of the others."""
        bad = BadAudioLog()
        short, long = self._by_length([self._data_dir.source(utt) for utt in utt_ids], bad)
        batches = _batches(short, self._options.batch_seconds * self._codec.sample_rate)
        for sources, futures in self._read_ahead(batches):
            yield from self._code_batch(sources, futures, bad)
        for source in long:
            yield from self._code_long(source, bad)
        skipped.update((entry.utt_id, entry.reason) for entry in bad.entries)
        self._note(shard, bad)

    def _note(self, shard: int, bad: BadAudioLog) -> None:
        path = _bad_of_shard(self._store_dir, shard)
        path.unlink(missing_ok=True)
        if len(bad):
            bad.write(path)
            self._all_bad.merge(bad)
            self._progress.add(len(bad), 0.0, num_bad=len(bad))
            # Failing now rather than at the end, when a whole disk is not mounted.
            self._all_bad.check_rate(len(self._data_dir), self._options.max_bad_rate)

    def _by_length(
        self, sources: list[AudioSource], bad: BadAudioLog
    ) -> tuple[list[tuple[int, AudioSource]], list[AudioSource]]:
        """Sources with their samples, shortest first, and those to be streamed."""
        short, long = [], []
        limit = self._options.chunk_seconds * self._codec.sample_rate
        for source, info in zip(sources, self._pool.map(_info_or_error, sources), strict=True):
            if isinstance(info, BadAudio):
                bad.add_error(source.utt_id, info)
                continue
            samples = math.ceil(info.num_samples * self._codec.sample_rate / info.sample_rate)
            if samples > limit:
                long.append(source)
            else:
                short.append((samples, source))
        short.sort(key=lambda item: (item[0], item[1].utt_id))
        return short, long

    def _read(self, source: AudioSource) -> np.ndarray:
        rate, least = self._codec.sample_rate, self._codec.hop_length
        return read_audio(source, rate, min_samples=least)[0]

    def _read_ahead(
        self, batches: list[list[AudioSource]]
    ) -> Iterator[tuple[list[AudioSource], list[Future[np.ndarray]]]]:
        """Keep two batches, and at least one utterance a thread, in reading ahead of the codec."""
        ahead: deque[tuple[list[AudioSource], list[Future[np.ndarray]]]] = deque()
        for batch in batches:
            ahead.append((batch, [self._pool.submit(self._read, source) for source in batch]))
            if len(ahead) > 2 and sum(len(b) for b, _ in ahead) > self._options.num_workers:
                yield ahead.popleft()
        yield from ahead

    def _code_batch(
        self, sources: list[AudioSource], futures: list[Future[np.ndarray]], bad: BadAudioLog
    ) -> Iterator[tuple[str, np.ndarray]]:
        good, wavs = [], []
        for source, future in zip(sources, futures, strict=True):
            try:
                wavs.append(future.result())
            except BadAudio as error:
                bad.add_error(source.utt_id, error)
                continue
            good.append(source)
        if not good:
            return
        try:
            coded = self._encode(wavs)
        except (RuntimeError, CodecError) as error:
            if len(good) == 1:
                self._failed(good[0], error, bad)
                return
            # Out of memory, or one utterance that the codec can't take: find out which.
            _logger.warning("a batch of %d failed (%s): coding it one by one", len(good), error)
            for source, future in zip(sources, futures, strict=True):
                if source in good:
                    yield from self._code_batch([source], [future], bad)
            return
        for source, wav, codes in zip(good, wavs, coded, strict=True):
            self._progress.add(1, len(wav) / self._codec.sample_rate)
            yield source.utt_id, codes

    def _encode(self, wavs: list[np.ndarray]) -> list[np.ndarray]:
        tensors = [torch.from_numpy(wav) for wav in wavs]
        batch = torch.nn.utils.rnn.pad_sequence(tensors, batch_first=True)
        codes, lens = self._codec.encode(batch, torch.tensor([len(wav) for wav in wavs]))
        # One copy from the device a batch, then slices of it.
        array = codes.cpu().numpy()
        return [row[:length] for row, length in zip(array, lens.tolist(), strict=True)]

    def _code_long(self, source: AudioSource, bad: BadAudioLog) -> Iterator[tuple[str, np.ndarray]]:
        rate = self._codec.sample_rate
        block = max(1, int(self._options.chunk_seconds * rate))
        blocks = _ahead(stream_audio(source, rate, block), self._pool)
        try:
            pieces = []
            for codes in self._codec.encode_stream(blocks, self._options.chunk_seconds):
                pieces.append(codes.numpy().astype(np.uint16))
                self._progress.add(0, len(codes) / self._codec.frame_rate)
        except BadAudio as error:
            bad.add_error(source.utt_id, error)
            return
        except (RuntimeError, CodecError) as error:
            self._failed(source, error, bad)
            return
        self._progress.add(1, 0.0)
        yield source.utt_id, np.concatenate(pieces)

    def _failed(self, source: AudioSource, error: Exception, bad: BadAudioLog) -> None:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        _logger.warning("%s: the codec failed: %s", source.utt_id, reason)
        bad.add(source.utt_id, source.path, "codec_failed", reason)


def _info_or_error(source: AudioSource) -> Any:
    try:
        return audio_info(source)
    except BadAudio as error:
        return error


def _batches(
    sources: Iterable[tuple[int, AudioSource]], max_samples: float
) -> list[list[AudioSource]]:
    """Cut sources sorted by length into batches of at most ``max_samples`` with padding."""
    batches: list[list[AudioSource]] = []
    for samples, source in sources:
        # Sorted: the newest is the longest, to which all are padded.
        if batches and (len(batches[-1]) + 1) * samples <= max_samples:
            batches[-1].append(source)
        else:
            batches.append([source])
    return batches


def _ahead(blocks: Iterator[np.ndarray], pool: ThreadPoolExecutor) -> Iterator[np.ndarray]:
    """Read one block ahead in a thread."""
    future = pool.submit(next, blocks, None)
    while (block := future.result()) is not None:
        future = pool.submit(next, blocks, None)
        yield block
