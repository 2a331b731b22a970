"""Speech in noise: a room's response, noise at a signal-to-noise ratio, and its integers.

Letters: N samples of the speech, R samples of a room's response.

The ratio is that of the mean powers over the whole utterance, pauses included. It holds for what
is written to disk, not only for what is computed: where rounding to 16 bits would shift it, 24 are
taken.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.signal import oaconvolve

from codec_ssl.errors import ConfigError

# Weaker than one step of 16 bits: nothing that such a file could hold.
_SILENCE = 2.0**-15
_PEAK = 0.99
# Rounding may be 30 dB weaker than the noise (then the ratio moves by 0.004 dB), not stronger.
_MAX_ROUNDING = 1e-3
_MAX_SNR = 100.0


class Mixture(NamedTuple):
    """Speech and noise together, as they are written.

    Attributes:
        samples: ``(N,)`` int16, or int32 with 24 bits in its upper ones.
        speech_gain: What the speech was multiplied by: 1, or less where the sum would clip.
        noise_gain: What the noise was multiplied by.
        snr: Ratio of the written speech to all that is written beside it, in dB.
    """

    samples: np.ndarray
    speech_gain: float
    noise_gain: float
    snr: float


def power(samples: np.ndarray) -> float:
    """Mean square of samples ``(N,)``."""
    return float(np.mean(np.square(samples, dtype=np.float64)))


def is_silent(samples: np.ndarray) -> bool:
    """Whether samples ``(N,)`` hold nothing that a ratio could be taken of."""
    return power(samples) < _SILENCE**2


def decibels(ratio: float) -> float:
    """A ratio of powers in dB."""
    return 10 * math.log10(ratio)


def check_snr(snr: float) -> None:
    """See that a ratio is one that can be made.

    Raises:
        ConfigError: If it is not a number from -100 to 100 dB.
    """
    if not abs(snr) <= _MAX_SNR:
        raise ConfigError(f"expected a ratio from -{_MAX_SNR:g} to {_MAX_SNR:g} dB, found {snr:g}")


def reverberate(speech: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Put speech into a room, at its own power and without moving it in time.

    The response's peak, the direct sound or an early reflection, is taken as its time 0, so
    transcripts and alignments still hold; what still rings after the speech's end is cut off.

    Args:
        speech: ``(N,)``.
        response: ``(R,)``, of the same sample rate, not silent.

    Returns:
        ``(N,)`` float64.
    """
    direct = int(np.argmax(np.abs(response)))
    heard = oaconvolve(speech.astype(np.float64), response.astype(np.float64))
    heard = heard[direct : direct + len(speech)]
    return heard * math.sqrt(power(speech) / max(power(heard), np.finfo(float).tiny))


def mix(speech: np.ndarray, noise: np.ndarray, snr: float) -> Mixture:
    """Add noise to speech at a ratio.

    Args:
        speech: ``(N,)``, not silent.
        noise: ``(N,)``, not silent.
        snr: In dB.

    Raises:
        ConfigError: If the ratio is not a number from -100 to 100 dB.
    """
    check_snr(snr)
    speech, noise = speech.astype(np.float64), noise.astype(np.float64)
    noise_gain = math.sqrt(power(speech) / power(noise)) * 10 ** (-snr / 20)
    loudest = float(np.max(np.abs(speech + noise_gain * noise)))
    speech_gain = min(1.0, _PEAK / loudest)
    noise_gain *= speech_gain
    scaled = speech_gain * speech
    samples = _rounded(scaled + noise_gain * noise, power(noise_gain * noise))
    rest = samples / -float(np.iinfo(samples.dtype).min) - scaled
    return Mixture(samples, speech_gain, noise_gain, decibels(power(scaled) / power(rest)))


def _rounded(samples: np.ndarray, noise_power: float) -> np.ndarray:
    """Samples ``(N,)`` as integers of 16 bits, or of 24 in 32 where the noise is too weak."""
    step = 2.0**-15
    if step**2 / 12 <= _MAX_ROUNDING * noise_power:
        return np.rint(samples / step).astype(np.int16)
    return np.rint(samples * 2**23).astype(np.int32) << 8
