"""Mel-cepstral distortion and F0 correlation, by WORLD's analysis.

Settings are VERSA's, by which Do Neural Codecs Generalize? (arXiv 2601.12205) measures: 16 kHz,
frames every 5 ms, F0 from 40 to 800 Hz by Harvest, CheapTrick's envelope of 1024 points, 39 mel
cepstral coefficients and the 0th, warped by 0.466; no dynamic time warping. As there, the 0th
coefficient counts, so that a wrong level is distortion, and unvoiced frames (F0 0) count in the
correlation, so that a wrong voicing decision lowers it.

Letters: N samples, T frames, C coefficients (40).
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.signal import firwin, lfilter

from codec_ssl.evaluation.pair import CannotScore, resample
from codec_ssl.evaluation.signal import SPEECH_RATE, check_signals

F0_RANGE = (40.0, 800.0)
SHIFT_MS = 5.0
FFT_SIZE = 1024
ORDER = 39
WARPING = 0.466
_LOW_CUT_HZ, _LOW_CUT_TAPS = 70, 255
_INT16_MAX = 32767


@dataclass(frozen=True)
class Analysis:
    """What WORLD finds in a signal.

    Attributes:
        cepstra: Mel cepstra ``(T, C)``.
        f0: Fundamental frequency in Hz ``(T,)``, 0 where unvoiced.
    """

    cepstra: np.ndarray
    f0: np.ndarray


def mcd(reference: np.ndarray, decoded: np.ndarray, sample_rate: int) -> float:
    """Mel-cepstral distortion in dB, the mean over frames.

    Args:
        reference: ``(N,)`` float32.
        decoded: ``(N,)`` float32, aligned.
        sample_rate: Their rate, in Hz.

    Raises:
        CannotScore: If one is silent or shorter than 1024 samples at 16 kHz.
    """
    return distortion(*analyze_pair(reference, decoded, sample_rate))


def f0_correlation(reference: np.ndarray, decoded: np.ndarray, sample_rate: int) -> float:
    """Pearson correlation of the F0 curves.

    Args:
        reference: ``(N,)`` float32.
        decoded: ``(N,)`` float32, aligned.
        sample_rate: Their rate, in Hz.

    Raises:
        CannotScore: As :func:`mcd`, and if the F0 of one does not change: no voice, or one tone.
    """
    return correlation(*analyze_pair(reference, decoded, sample_rate))


def analyze_pair(
    reference: np.ndarray, decoded: np.ndarray, sample_rate: int
) -> tuple[Analysis, Analysis]:
    """Analyse both, see :func:`mcd`."""
    pair = [resample(wav, sample_rate, SPEECH_RATE) for wav in (reference, decoded)]
    check_signals(*pair, FFT_SIZE)
    return _analyze(pair[0]), _analyze(pair[1])


def distortion(reference: Analysis, decoded: Analysis) -> float:
    """Mel-cepstral distortion in dB of two analyses, over the frames that both have."""
    frames = min(len(reference.cepstra), len(decoded.cepstra))
    difference = reference.cepstra[:frames] - decoded.cepstra[:frames]
    distances = np.sqrt(2 * np.square(difference).sum(1))
    return float(10 / np.log(10) * distances.mean())


def correlation(reference: Analysis, decoded: Analysis) -> float:
    """Correlation of the F0 of two analyses, see :func:`f0_correlation`."""
    frames = min(len(reference.f0), len(decoded.f0))
    pair = [analysis.f0[:frames] for analysis in (reference, decoded)]
    for name, curve in zip(("reference", "decoded signal"), pair, strict=True):
        if np.ptp(curve) == 0:
            raise CannotScore(f"the F0 of the {name} does not change")
    return float(np.corrcoef(*pair)[0, 1])


def _analyze(wav: np.ndarray) -> Analysis:
    import pyworld

    taps = firwin(_LOW_CUT_TAPS, _LOW_CUT_HZ, pass_zero=False, fs=SPEECH_RATE)
    x = np.ascontiguousarray(lfilter(taps, 1, wav.astype(np.float64) * _INT16_MAX))
    floor, ceiling = F0_RANGE
    f0, times = pyworld.harvest(
        x, SPEECH_RATE, f0_floor=floor, f0_ceil=ceiling, frame_period=SHIFT_MS
    )
    envelope = pyworld.cheaptrick(x, f0, times, SPEECH_RATE, fft_size=FFT_SIZE)
    return Analysis(np.log(envelope) @ _warping(), f0)


@cache
def _warping() -> np.ndarray:
    """A mel cepstrum is linear in the log spectrum: the matrix ``(513, C)`` of that."""
    import pysptk

    return pysptk.sp2mc(np.exp(np.eye(FFT_SIZE // 2 + 1)), ORDER, WARPING)
