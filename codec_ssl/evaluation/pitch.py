"""Errors of pitch and voicing: VDE, GPE, FFE, and the correlation of log F0.

The first three are those of Chu and Alwan (ICASSP 2009), by which Polyak et al. (2021) and RepCodec
(arXiv 2309.00169, Table 4) measure resynthesis. The papers do not state the pitch tracker that they
measure with. Here it is WORLD's Dio with StoneMask, every 5 ms, from 60 to 600 Hz, unless another
is asked for: each decides otherwise what is voiced, so values are to be compared only among those
of one tracker. Noise between harmonics misleads Dio, while pYIN follows a contour through it.

Letters: N samples, T frames.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from codec_ssl.evaluation.pair import CannotScore, resample
from codec_ssl.evaluation.scores import Score
from codec_ssl.evaluation.signal import SPEECH_RATE, check_signals
from codec_ssl.tts.durations import FrameGrid
from codec_ssl.tts.prosody import PitchOptions, fundamental

GRID = FrameGrid(SPEECH_RATE, 80, 0.0)
TRACKER = PitchOptions("dio", f0_min=60.0, f0_max=600.0)
# A pitch that is off by more than this share of the reference's is wrong.
TOLERANCE = 0.2
# 0.1 s: Dio looks at six periods of the lowest pitch.
_MIN_SAMPLES = 1600
# 50 ms: a correlation of less is chance.
_MIN_VOICED = 10


def pitch_pair(
    reference: np.ndarray,
    decoded: np.ndarray,
    sample_rate: int,
    method: str = TRACKER.method,
) -> tuple[np.ndarray, np.ndarray]:
    """F0 of two signals, frame for frame.

    Args:
        reference: ``(N,)`` float32.
        decoded: ``(N,)`` float32, aligned.
        sample_rate: Their rate, in Hz.
        method: What finds it, see :class:`codec_ssl.tts.prosody.PitchOptions`.

    Returns:
        ``(T,)`` in Hz each, 0 where unvoiced.

    Raises:
        CannotScore: If one is silent or shorter than 0.1 s.
        ConfigError: If there is no such method.
    """
    tracker = replace(TRACKER, method=method)
    pair = [resample(wav, sample_rate, SPEECH_RATE) for wav in (reference, decoded)]
    check_signals(*pair, _MIN_SAMPLES)
    num_frames = len(pair[0]) // GRID.hop_length
    first, second = (fundamental(wav, GRID, num_frames, tracker) for wav in pair)
    return first, second


def voicing_errors(reference: np.ndarray, decoded: np.ndarray) -> Score:
    """Voicing decision error (VDE): frames that are voiced in one only, of all T.

    Args:
        reference: ``(T,)`` in Hz, 0 where unvoiced.
        decoded: The same.
    """
    return Score(int(_wrong_voicing(reference, decoded).sum()), len(reference))


def gross_errors(reference: np.ndarray, decoded: np.ndarray) -> Score:
    """Gross pitch error (GPE): frames more than 20 % off, of those that are voiced in both.

    Raises:
        CannotScore: If there is none.
    """
    both = (reference > 0) & (decoded > 0)
    if not both.any():
        raise CannotScore("no frame is voiced in both signals")
    return Score(int(_gross(reference, decoded).sum()), int(both.sum()))


def frame_errors(reference: np.ndarray, decoded: np.ndarray) -> Score:
    """F0 frame error (FFE): frames that are wrong in voicing or more than 20 % off, of all T."""
    wrong = _wrong_voicing(reference, decoded) | _gross(reference, decoded)
    return Score(int(wrong.sum()), len(reference))


def log_correlation(reference: np.ndarray, decoded: np.ndarray) -> float:
    """Pearson correlation of log F0 over the frames that are voiced in both.

    :func:`codec_ssl.evaluation.mel_cepstrum.f0_correlation` is VERSA's, which takes all frames and
    so measures mostly voicing.

    Raises:
        CannotScore: If fewer than 10 frames are, or one's F0 does not change.
    """
    both = (reference > 0) & (decoded > 0)
    if both.sum() < _MIN_VOICED:
        raise CannotScore(f"{both.sum()} frames are voiced in both signals, needs {_MIN_VOICED}")
    pair = [np.log(curve[both]) for curve in (reference, decoded)]
    for name, curve in zip(("reference", "decoded signal"), pair, strict=True):
        if np.ptp(curve) == 0:
            raise CannotScore(f"the F0 of the {name} does not change")
    return float(np.corrcoef(*pair)[0, 1])


def _wrong_voicing(reference: np.ndarray, decoded: np.ndarray) -> np.ndarray:
    return (reference > 0) != (decoded > 0)


def _gross(reference: np.ndarray, decoded: np.ndarray) -> np.ndarray:
    """Frames ``(T,)`` that are voiced in both, and too far off."""
    both = (reference > 0) & (decoded > 0)
    return both & (np.abs(decoded - reference) > TOLERANCE * reference)


# What one analysis of a pair gives.
METRICS: Mapping[str, Callable[[np.ndarray, np.ndarray], Score | float]] = {
    "vde": voicing_errors,
    "gpe": gross_errors,
    "ffe": frame_errors,
    "f0_correlation": log_correlation,
}
