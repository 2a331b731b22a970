"""Diarization error rate as NIST's md-eval and dscore count it, without a collar.

SUPERB (arXiv 2105.01051, section 3) scores overlapped speech too. Times are exact: no frames.

Letters: T frames, S speakers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.signal import medfilt

from codec_ssl.data.alignment import Segment


@dataclass(frozen=True)
class DiarizationErrors:
    """Seconds of one recording.

    Attributes:
        scored: Speech of the reference, each speaker counted.
        missed: Speech that no answered speaker stands for.
        false_alarm: Answered speech where fewer speak.
        confusion: Speech given to a wrong speaker.
    """

    scored: float
    missed: float
    false_alarm: float
    confusion: float

    @property
    def errors(self) -> float:
        """All errors, seconds."""
        return self.missed + self.false_alarm + self.confusion


def diarization_errors(
    reference: Sequence[Segment], answer: Sequence[Segment]
) -> DiarizationErrors:
    """Compare who speaks when, speakers matched so that the least is wrong.

    Segments of one speaker that overlap count once.

    Args:
        reference: True segments of a recording, labelled with speakers.
        answer: Those found, labelled with any names.
    """
    times = np.unique([time for each in (*reference, *answer) for time in each[:2]])
    truth, found = _activity(reference, times), _activity(answer, times)
    seconds = np.diff(times)
    # Overlap in seconds of each true speaker with each found one.
    overlap = (truth * seconds) @ found.T
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    right = float(overlap[rows, columns].sum())
    speaking, answered = truth.sum(0), found.sum(0)
    both = float(np.minimum(speaking, answered) @ seconds)
    return DiarizationErrors(
        scored=float(speaking @ seconds),
        missed=float(np.maximum(speaking - answered, 0) @ seconds),
        false_alarm=float(np.maximum(answered - speaking, 0) @ seconds),
        confusion=max(both - right, 0.0),
    )


def segments_of(
    probabilities: np.ndarray, frame_seconds: float, *, threshold: float, median: int
) -> list[Segment]:
    """Segments from probabilities of speech, as s3prl makes its answers.

    Args:
        probabilities: That each speaker speaks, (T, S).
        frame_seconds: Seconds a frame.
        threshold: What probabilities must exceed.
        median: Frames of a median filter over the decisions, odd; 1 is none.
    """
    speaking = (probabilities > threshold).astype(np.float64)
    if median > 1:
        speaking = medfilt(speaking, (median, 1))
    segments = []
    for speaker, frames in enumerate(speaking.T):
        changes = np.flatnonzero(np.diff(np.pad(frames, 1)))
        segments += [
            Segment(float(start) * frame_seconds, float(end) * frame_seconds, str(speaker))
            for start, end in changes.reshape(-1, 2)
        ]
    return sorted(segments)


def _activity(segments: Sequence[Segment], times: np.ndarray) -> np.ndarray:
    """Who speaks between each two times: (S, number of times - 1) of 0 and 1."""
    speakers = {name: n for n, name in enumerate(dict.fromkeys(each.label for each in segments))}
    activity = np.zeros((len(speakers), max(len(times) - 1, 0)))
    for start, end, name in segments:
        begin, stop = np.searchsorted(times, [start, end])
        activity[speakers[name], begin:stop] = 1
    return activity
