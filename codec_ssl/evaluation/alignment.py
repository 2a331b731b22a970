"""Putting a decoded signal beside its reference: delay, level, length.

A codec may answer late, louder or softer, and a few samples shorter. Measures that compare sample
by sample or frame by frame would count that as distortion.

Letters: N samples.
"""

from typing import Literal

import numpy as np
from scipy.signal import correlate

Level = Literal["none", "rms", "least_squares"]
LEVELS: tuple[Level, ...] = ("none", "rms", "least_squares")
# Below this, the best lag of unlike signals is chance.
_LEAST_CORRELATION = 0.1


def find_delay(reference: np.ndarray, decoded: np.ndarray, max_delay: int) -> int:
    """By how many samples ``decoded`` lags behind ``reference``, from their cross-correlation.

    Args:
        reference: ``(N,)``.
        decoded: ``(M,)``.
        max_delay: The largest shift to look at, in samples, either way.

    Returns:
        The lag; negative where ``decoded`` runs ahead. 0 where no shift within the bound gives a
        normalised correlation of at least 0.1 (noise, silence).
    """
    bound = min(max_delay, len(reference) - 1, len(decoded) - 1)
    scale = np.linalg.norm(reference) * np.linalg.norm(decoded)
    if bound < 1 or scale == 0:
        return 0
    products = correlate(decoded.astype(np.float64), reference.astype(np.float64), method="fft")
    lags = np.arange(-bound, bound + 1)
    strengths = np.abs(products[len(reference) - 1 + lags]) / scale  # a codec may flip the sign
    best = strengths.max()
    if best < _LEAST_CORRELATION:
        return 0
    # Of lags that are equally good (a constant tone), the smallest.
    candidates = lags[strengths >= best * (1 - 1e-9)]
    return int(candidates[np.abs(candidates).argmin()])


def shift(reference: np.ndarray, decoded: np.ndarray, delay: int) -> tuple[np.ndarray, np.ndarray]:
    """Take a delay away and cut both to the samples that they share, ``(N,)`` each."""
    reference, decoded = reference[max(0, -delay) :], decoded[max(0, delay) :]
    length = min(len(reference), len(decoded))
    return reference[:length], decoded[:length]


def level_gain(reference: np.ndarray, decoded: np.ndarray, level: Level) -> float:
    """The factor that brings ``decoded`` to the level of ``reference``.

    Args:
        reference: ``(N,)``.
        decoded: ``(N,)``, aligned with it.
        level: ``rms`` for equal power; ``least_squares`` for the least squared difference, which
            also turns a flipped sign back; ``none`` for 1.

    Returns:
        The factor; 1 where either signal is silent.
    """
    power = float(np.dot(decoded, decoded.astype(np.float64)))
    if level == "none" or power == 0 or not reference.any():
        return 1.0
    if level == "rms":
        return float(np.sqrt(np.dot(reference, reference.astype(np.float64)) / power))
    return float(np.dot(reference.astype(np.float64), decoded) / power)


def length_mismatch(reference: np.ndarray, decoded: np.ndarray) -> float:
    """Difference of the lengths over their sum, as VERSA measures it."""
    return abs(len(reference) - len(decoded)) / (len(reference) + len(decoded))
