"""Audio of any common format, rate and channel count as mono float32, whole or as a stream.

N is a number of samples of one channel. Files are opened by content, never by extension.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import soxr

from codec_ssl.data.audio_file import AudioFile, AudioSource, bad_audio, open_audio
from codec_ssl.data.bad_audio import BadAudio, BadAudioEntry, BadAudioLog

__all__ = [
    "AudioInfo",
    "AudioSource",
    "BadAudio",
    "BadAudioEntry",
    "BadAudioLog",
    "audio_info",
    "read_audio",
    "stream_audio",
]

_READ_FRAMES = 1 << 17
# Segment times are rounded by whoever wrote them; Kaldi's extract-segments forgives as much.
_MAX_OVERSHOOT_SECONDS = 0.5

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class AudioInfo:
    """Length and format of an utterance, at the rate of its file."""

    num_samples: int
    sample_rate: int
    channels: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.num_samples / self.sample_rate


def read_audio(
    source: AudioSource | str | Path,
    sample_rate: int | None = None,
    *,
    min_samples: int = 1,
    first_channel: bool = False,
) -> tuple[np.ndarray, int]:
    """Read an utterance as mono: the mean of the channels, resampled if a rate is given.

    Args:
        source: An utterance, or the path of a file to read whole.
        sample_rate: Rate to resample to, in Hz; None keeps the file's.
        min_samples: Fewer samples than this at the returned rate are too short.
        first_channel: Whether to take the first channel in place of the mean.

    Returns:
        Samples ``(N,)`` float32 and their rate. Only the segment's part of the file is decoded.

    Raises:
        BadAudio: If the file is missing, unreadable, empty, truncated (fewer samples than its
            header promises), holds NaN or infinity, or is too short. Silence is not bad.
    """
    source = _as_source(source)
    with open_audio(source) as file:
        rate = sample_rate or file.samplerate
        read = _checked_blocks(source, file, first_channel)
        blocks = list(_resampled(read, file.samplerate, rate))
    wav = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    _check_length(source, len(wav), min_samples)
    return wav, rate


def stream_audio(
    source: AudioSource | str | Path,
    sample_rate: int | None = None,
    block_samples: int = 1 << 17,
    *,
    min_samples: int = 1,
) -> Iterator[np.ndarray]:
    """Yield the samples that ``read_audio`` gives, in blocks, in memory that stays flat.

    Args:
        source: An utterance, or the path of a file to read whole.
        sample_rate: Rate to resample to, in Hz; None keeps the file's.
        block_samples: Samples a block; only the last block may have fewer.
        min_samples: As in ``read_audio``.

    Yields:
        Blocks ``(block_samples,)`` float32.

    Raises:
        BadAudio: As ``read_audio``, as soon as the defect is met: blocks may have come before.
    """
    source = _as_source(source)
    with open_audio(source) as file:
        rate = sample_rate or file.samplerate
        total = 0
        blocks = _resampled(_checked_blocks(source, file), file.samplerate, rate)
        for block in _reblocked(blocks, block_samples):
            total += len(block)
            yield block
    _check_length(source, total, min_samples)


def audio_info(source: AudioSource | str | Path) -> AudioInfo:
    """Return length and format from the header; decodes only where the header has no length.

    Raises:
        BadAudio: If the file is missing, unreadable or empty, or visibly truncated.
    """
    source = _as_source(source)
    with open_audio(source) as file:
        start, stop = _frame_range(source, file)
        if stop is None:
            num_samples = sum(len(block) for block in _checked_blocks(source, file))
        else:
            num_samples = stop - start
        return AudioInfo(num_samples, file.samplerate, file.channels)


def _as_source(source: AudioSource | str | Path) -> AudioSource:
    if isinstance(source, AudioSource):
        return source
    return AudioSource(utt_id=Path(source).stem, path=str(source))


def _frame_range(source: AudioSource, file: AudioFile) -> tuple[int, int | None]:
    """Return the first frame and the frame after the last (None: until the file ends)."""
    num_frames = file.length
    start = round((source.start or 0.0) * file.samplerate)
    stop = num_frames
    if source.end is not None:
        stop = round(source.end * file.samplerate)
        if num_frames is not None:
            if stop - num_frames > _MAX_OVERSHOOT_SECONDS * file.samplerate:
                seconds = num_frames / file.samplerate
                detail = f"the segment ends at {source.end:g} s, the file at {seconds:g} s"
                raise bad_audio(source, "truncated", detail)
            stop = min(stop, num_frames)
    if stop is not None and start >= stop:
        raise bad_audio(source, "empty", f"no samples between frames {start} and {stop}")
    return start, stop


def _checked_blocks(
    source: AudioSource, file: AudioFile, first_channel: bool = False
) -> Iterator[np.ndarray]:
    """Decode the utterance in blocks ``(n,)`` of mono float32 at the file's rate."""
    start, stop = _frame_range(source, file)
    if file.channels > 1 and not first_channel:
        _say_averaging(file.channels)
    position = start
    try:
        if start:
            file.skip(start)
        while stop is None or position < stop:
            wanted = _READ_FRAMES if stop is None else min(_READ_FRAMES, stop - position)
            block = file.read(wanted, dtype="float32", always_2d=True)
            position += len(block)
            if not np.isfinite(block).all():
                raise bad_audio(source, "nonfinite", f"NaN or infinity before frame {position}")
            if len(block):
                alone = first_channel or block.shape[1] == 1
                yield block[:, 0] if alone else block.mean(axis=1)
            if len(block) < wanted:
                break
    except soundfile.LibsndfileError as error:
        detail = f"decoding failed after frame {position}: {error.error_string}"
        raise bad_audio(source, "truncated", detail) from error
    if stop is not None and position < stop:
        raise bad_audio(
            source,
            "truncated",
            f"expected {stop - start} samples, {position - start} could be decoded",
        )


def _resampled(blocks: Iterable[np.ndarray], rate_in: int, rate_out: int) -> Iterator[np.ndarray]:
    if rate_in == rate_out:
        yield from blocks
        return
    _say_resampling(rate_in, rate_out)
    stream = soxr.ResampleStream(rate_in, rate_out, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _reblocked(blocks: Iterable[np.ndarray], block_samples: int) -> Iterator[np.ndarray]:
    held: list[np.ndarray] = []
    num_held = 0
    for block in blocks:
        held.append(block)
        num_held += len(block)
        if num_held < block_samples:
            continue
        joined = np.concatenate(held)
        full = num_held - num_held % block_samples
        for start in range(0, full, block_samples):
            yield joined[start : start + block_samples]
        held, num_held = [joined[full:]], num_held - full
    if num_held:
        yield np.concatenate(held)


def _check_length(source: AudioSource, num_samples: int, min_samples: int) -> None:
    if num_samples < min_samples:
        raise bad_audio(
            source, "too_short", f"expected at least {min_samples} samples, found {num_samples}"
        )


@cache
def _say_resampling(rate_in: int, rate_out: int) -> None:
    """Log once a process for each pair of rates: ``cache`` remembers what was said."""
    _logger.info("resampling audio from %d Hz to %d Hz (said once)", rate_in, rate_out)


@cache
def _say_averaging(channels: int) -> None:
    _logger.info("audio with %d channels becomes mono, their mean (said once)", channels)
