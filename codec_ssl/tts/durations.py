"""How many frames each phone lasts, from an alignment (arXiv 2601.12205, section 4.3).

Legend: T frames of an utterance, P phones of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codec_ssl.data.alignment import PAUSE, Segment, is_pause
from codec_ssl.errors import DataError

# Aligners and codecs round the end of a file differently.
_MAX_OVERSHOOT_SECONDS = 0.5
_TIME_PLACES = 6


@dataclass(frozen=True)
class FrameGrid:
    """Where the frames of an utterance lie in time.

    Attributes:
        sample_rate: In Hz.
        hop_length: Samples from one frame to the next.
        first_centre: Centre of the first frame in samples: half a hop for codec frames, which
            tile the signal, 0 for spectra of a centred Fourier transform.
    """

    sample_rate: int
    hop_length: int
    first_centre: float

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self.sample_rate / self.hop_length

    def frames_before(self, seconds: np.ndarray) -> np.ndarray:
        """Number of frames whose centre lies before each time: ``(n,)`` to ``(n,)`` int64."""
        samples = np.asarray(seconds, dtype=np.float64) * self.sample_rate
        frames = (samples - self.first_centre) / self.hop_length
        # Rounded, or a border that lies on a centre would fall to either side by chance.
        return np.maximum(np.ceil(np.round(frames, _TIME_PLACES)), 0).astype(np.int64)

    def centres(self, num_frames: int) -> np.ndarray:
        """Centre of each of T frames in seconds: ``(T,)``."""
        return (self.first_centre + self.hop_length * np.arange(num_frames)) / self.sample_rate


def codec_grid(sample_rate: int, frame_rate: float) -> FrameGrid:
    """The grid of a codec's frames, which tile the signal.

    Raises:
        DataError: A frame isn't a whole number of samples.
    """
    hop = round(sample_rate / frame_rate)
    if hop < 1 or abs(sample_rate / hop - frame_rate) > 1e-3 * frame_rate:
        raise DataError(
            f"expected frames of a whole number of samples, found {frame_rate:g} a second of "
            f"{sample_rate} Hz"
        )
    return FrameGrid(sample_rate, hop, hop / 2)


def phone_frames(
    segments: Sequence[Segment], num_frames: int, grid: FrameGrid
) -> tuple[list[str], np.ndarray]:
    """Turn an alignment into phones and their frames, which add up to T exactly.

    A frame belongs to the phone that its centre lies in, so every border is rounded by itself and
    errors don't add up. What no segment covers is a pause; neighbouring pauses are one, and
    pauses without a frame are none. A phone shorter than a frame may get no frame: it stays, with
    duration 0, and its neighbours are what is heard.

    Args:
        segments: Phones in seconds, that don't overlap.
        num_frames: T.
        grid: Where the frames are.

    Returns:
        P symbols, pauses as ``sil``, and their frames ``(P,)`` int64.

    Raises:
        DataError: There is no segment or no frame, or the alignment is longer than the audio.
    """
    if not segments or num_frames < 1:
        raise DataError(
            f"expected an aligned utterance, found {len(segments)} phones and {num_frames} frames"
        )
    end = (grid.first_centre + (num_frames - 0.5) * grid.hop_length) / grid.sample_rate
    ordered = sorted(segments, key=lambda segment: segment.start)
    spoken = [segment.start for segment in ordered if not is_pause(segment.label)]
    if max(spoken, default=0.0) >= end or ordered[-1].end > end + _MAX_OVERSHOOT_SECONDS:
        raise DataError(
            f"expected an alignment of {end:.2f} s, found one of {ordered[-1].end:.2f} s"
        )
    covering = _covering(ordered, end)
    borders = grid.frames_before(np.array([segment.start for segment in covering[1:]]))
    edges = np.concatenate([[0], np.minimum(borders, num_frames), [num_frames]])
    counts = np.diff(edges)
    pairs = [
        (segment.label, count)
        for segment, count in zip(covering, counts.tolist(), strict=True)
        if count or segment.label != PAUSE
    ]
    return [label for label, _ in pairs], np.array([count for _, count in pairs], dtype=np.int64)


def phone_means(track: np.ndarray, durations: np.ndarray) -> np.ndarray:
    """Mean of a track over the frames of each phone.

    Args:
        track: A number a frame ``(T,)``.
        durations: Frames of each phone ``(P,)``, T together.

    Returns:
        ``(P,)``; a phone without a frame gets the value at its place.
    """
    ends = np.cumsum(durations)
    starts = ends - durations
    sums = np.concatenate([[0.0], np.cumsum(track, dtype=np.float64)])
    here = track[np.minimum(starts, len(track) - 1)]
    means = (sums[ends] - sums[starts]) / np.maximum(durations, 1)
    return np.where(durations > 0, means, here)


def _covering(segments: Sequence[Segment], end: float) -> list[Segment]:
    """Segments from 0 to the end without a gap, pauses by one name and joined."""
    found: list[Segment] = []
    time = 0.0

    def add(start: float, stop: float, label: str) -> None:
        if is_pause(label):
            label = PAUSE
            if found and found[-1].label == PAUSE:
                found[-1] = found[-1]._replace(end=stop)
                return
        found.append(Segment(start, stop, label))

    for segment in segments:
        if segment.start > time:
            add(time, segment.start, PAUSE)
        add(segment.start, segment.end, segment.label)
        time = segment.end
    if time < end:
        add(time, end, PAUSE)
    return found
