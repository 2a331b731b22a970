"""How far a synthesis is from its reference: codes, durations and pitch of the same phones.

The frames are predicted with the reference's durations, pitch and energy, so that each has its
counterpart; durations and pitch are predicted from the phones alone.

Legend: T frames, P phones, Q streams, M mel bands, U utterances.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from codec_ssl.data.alignment import PAUSE
from codec_ssl.errors import DataError
from codec_ssl.evaluation.bootstrap import ratio_interval
from codec_ssl.report.tts import ACCURACY, BY_STREAM, Contour
from codec_ssl.tts.durations import FrameGrid, phone_means
from codec_ssl.tts.frames import Frames
from codec_ssl.tts.phone_store import PhoneRow, PhoneStore
from codec_ssl.tts.synthesizer import Line, Spoken

# A phone has a pitch of its own where half of its frames do.
_VOICED_SHARE = 0.5
_LEAST_VOICED = 3


@dataclass(frozen=True)
class Compared:
    """An utterance beside its reference.

    Attributes:
        utt_id: The utterance.
        reference: Its phones.
        spoken: What the model made of them.
        frame_errors: For codes, frames that are right, of each stream ``(Q,)``; for spectra, the
            sum of absolute differences ``(1,)``.
        frame_counts: What they are to be divided by: T, or T * M.
    """

    utt_id: str
    reference: PhoneRow
    spoken: Spoken
    frame_errors: np.ndarray
    frame_counts: int

    @property
    def voiced(self) -> np.ndarray:
        """Phones that have a pitch of their own ``(P,)`` bool."""
        share = phone_means((self.reference.f0 > 0).astype(float), self.reference.durations)
        return (share >= _VOICED_SHARE) & (self.reference.durations > 0)

    @property
    def pitch_pair(self) -> tuple[np.ndarray, np.ndarray]:
        """Reference and predicted pitch of the voiced phones in Hz."""
        voiced = self.voiced
        return np.exp(self.reference.pitch[voiced]), self.spoken.pitch[voiced]


@dataclass(frozen=True)
class Score:
    """A figure with its 95 % interval over utterances."""

    value: float
    unit: str
    interval: tuple[float, float] | None


def compare(
    lines: Mapping[str, Line],
    frames: Frames,
    speak: Callable[[Mapping[str, Line]], Sequence[tuple[str, Spoken]]],
) -> list[Compared]:
    """Speak utterances with their reference prosody, and count.

    Args:
        lines: With known prosody.
        frames: Reference frames.
        speak: A synthesizer.

    Raises:
        DataError: A reference has another number of frames than its phones.
    """
    found = []
    for utt_id, spoken in speak(lines):
        wanted = np.asarray(frames.speech[utt_id])
        if len(wanted) != len(spoken.frames):
            raise DataError(
                f"{frames.path}: {utt_id}: expected {len(spoken.frames)} frames as its phones "
                f"have, found {len(wanted)}",
                stage="phones",
            )
        if frames.mel is None:
            errors = (wanted[:, : spoken.frames.shape[1]] == spoken.frames).sum(0)
            count = len(wanted)
        else:
            errors = np.abs(wanted - spoken.frames).sum(keepdims=True).reshape(1)
            count = wanted.size
        found.append(Compared(utt_id, lines[utt_id].known, spoken, errors, count))
    return found


def frame_scores(compared: Sequence[Compared], is_codes: bool) -> list[Score]:
    """Share of right codes of each stream, or the mean distance of spectra in log10 units."""
    counts = np.array([each.frame_counts for each in compared])
    errors = np.stack([each.frame_errors for each in compared], axis=1)
    unit = "fraction" if is_codes else "log10"
    return [_ratio(stream, counts, unit) for stream in errors]


def overall(compared: Sequence[Compared]) -> Score:
    """Share of right codes of all streams."""
    rights = np.array([each.frame_errors.sum() for each in compared])
    counts = np.array([each.frame_counts * len(each.frame_errors) for each in compared])
    return _ratio(rights, counts, "fraction")


def duration_error(compared: Sequence[Compared], frame_rate: float) -> Score:
    """Mean absolute error of a phone's duration in milliseconds."""
    errors = [np.abs(each.spoken.predicted - each.reference.durations) for each in compared]
    sums = np.array([error.sum() for error in errors]) * 1000 / frame_rate
    return _ratio(sums, np.array([len(error) for error in errors]), "ms")


def length_ratio(compared: Sequence[Compared]) -> Score:
    """Predicted length of all speech, of the reference's."""
    predicted = np.array([each.spoken.predicted.sum() for each in compared])
    return _ratio(predicted, np.array([each.reference.durations.sum() for each in compared]), "")


def pitch_correlation(compared: Sequence[Compared]) -> Score | None:
    """Mean over utterances of the correlation of their phones' pitch; None where none has three.

    Within utterances, as the difference between speakers would make any model look good.
    """
    pairs = [each.pitch_pair for each in compared]
    found = [
        np.corrcoef(*pair)[0, 1]
        for pair in pairs
        if len(pair[0]) >= _LEAST_VOICED and min(np.ptp(pair[0]), np.ptp(pair[1])) > 0
    ]
    return _ratio(np.array(found), np.ones(len(found)), "") if found else None


def pitch_error(compared: Sequence[Compared]) -> Score | None:
    """Mean absolute error of a voiced phone's pitch in cents; None where nothing is voiced."""
    pairs = [each.pitch_pair for each in compared]
    cents = [1200 * np.abs(np.log2(wanted / found)).sum() for wanted, found in pairs]
    counts = np.array([len(wanted) for wanted, _ in pairs])
    return _ratio(np.array(cents), counts, "cents") if counts.any() else None


def all_scores(
    compared: Sequence[Compared], frames: Frames
) -> list[tuple[str, Score, dict[str, int]]]:
    """Every figure that there is: its metric, its score, and what more was scored."""
    is_codes = frames.mel is None
    by_stream = frame_scores(compared, is_codes)
    found: dict[str, Score | None] = {"mel_l1": by_stream[0]}
    if is_codes:
        found = {ACCURACY: overall(compared)}
    found["duration_error"] = duration_error(compared, frames.grid.frame_rate)
    found["length_ratio"] = length_ratio(compared)
    found["pitch_correlation"] = pitch_correlation(compared)
    found["pitch_error"] = pitch_error(compared)
    rows = [(metric, score, {}) for metric, score in found.items() if score is not None]
    if is_codes:
        streams = enumerate(by_stream, start=1)
        rows += [(BY_STREAM, score, {"stream": number}) for number, score in streams]
    return rows


def milliseconds(
    compared: Sequence[Compared], grid: FrameGrid
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reference and predicted durations of all phones ``(n,)``, and which are pauses."""
    scale = 1000 / grid.frame_rate
    reference = np.concatenate([each.reference.durations for each in compared])
    predicted = np.concatenate([each.spoken.predicted for each in compared])
    symbols = [symbol for each in compared for symbol in each.reference.symbols]
    return reference * scale, predicted * scale, np.array(symbols) == PAUSE


def contours(compared: Sequence[Compared], grid: FrameGrid, count: int) -> list[Contour]:
    """Pitch of the longest utterances that have some."""
    voiced = [each for each in compared if each.voiced.sum() > 1]
    longest = sorted(voiced, key=lambda each: (-len(each.reference.symbols), each.utt_id))
    return [_contour(each, grid) for each in longest[:count]]


def usable_ids(phones: PhoneStore, frames: Frames) -> list[str]:
    """Utterances that have both phones and frames.

    Raises:
        DataError: None has.
    """
    found = [utt_id for utt_id in phones.utt_ids if utt_id in frames.lengths]
    if not found:
        raise DataError(f"{phones.path}: has no utterance of {frames.path}", stage="phones")
    return found


def _contour(each: Compared, grid: FrameGrid) -> Contour:
    ends = np.cumsum(each.reference.durations) / grid.frame_rate
    return Contour(
        title=each.utt_id,
        seconds=grid.centres(len(each.reference.f0)),
        f0=each.reference.f0,
        borders=np.concatenate([[0.0], ends]),
        reference=np.where(each.voiced, np.exp(each.reference.pitch), np.nan),
        predicted=np.where(each.voiced, each.spoken.pitch, np.nan),
    )


def _ratio(parts: np.ndarray, wholes: np.ndarray, unit: str) -> Score:
    return Score(float(parts.sum() / wholes.sum()), unit, ratio_interval(parts, wholes))
