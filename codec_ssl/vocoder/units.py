"""Units of an utterance: without repetitions, with them again, and beside codes of another rate.

Legend: T frames, U units, Q streams.
"""

from fractions import Fraction

import numpy as np

_MOST_FRAMES_A_SECOND = 1_000_000


def deduplicate(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Join frames that follow each other and are the same in all streams.

    Args:
        codes: ``(T, Q)``.

    Returns:
        Units ``(U, Q)`` and how many frames each lasts ``(U,)`` int64.
    """
    if not len(codes):
        return codes, np.zeros(0, np.int64)
    changes = np.flatnonzero((codes[1:] != codes[:-1]).any(axis=1)) + 1
    edges = np.concatenate([[0], changes, [len(codes)]])
    return codes[edges[:-1]], np.diff(edges)


def expand(units: np.ndarray, durations: np.ndarray) -> np.ndarray:
    """Repeat units: the inverse of :func:`deduplicate`.

    Args:
        units: ``(U, Q)``.
        durations: Frames of each ``(U,)``.

    Returns:
        ``(T, Q)``.
    """
    return np.repeat(units, durations, axis=0)


def positions_at(frames: range, rate: float, frame_rate: float) -> np.ndarray:
    """Which code of another stream sounds in the middle of each frame.

    It is whole-number arithmetic, so that it says the same of a crop and of the whole.

    Args:
        frames: The frames.
        rate: Codes a second of the other stream.
        frame_rate: Frames a second.

    Returns:
        One position a frame, int64.
    """
    ratio = _exact(rate) / _exact(frame_rate)
    middles = 2 * np.arange(frames.start, frames.stop, dtype=np.int64) + 1
    return middles * ratio.numerator // (2 * ratio.denominator)


def align(codes: np.ndarray, frames: range, rate: float, frame_rate: float) -> np.ndarray:
    """Codes of another stream for the frames of a crop; the last one goes on where there is none.

    Args:
        codes: All codes of the utterance ``(T', Q)``.
        frames: The crop.
        rate: Codes a second.
        frame_rate: Frames a second.

    Returns:
        ``(len(frames), Q)``.
    """
    return codes[np.minimum(positions_at(frames, rate, frame_rate), len(codes) - 1)]


def _exact(rate: float) -> Fraction:
    return Fraction(rate).limit_denominator(_MOST_FRAMES_A_SECOND)
