"""Noise for synthetic sounds.

Letters: N samples.
"""

import numpy as np


def pink_noise(num_samples: int, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """Noise ``(N,)`` of unit power whose spectrum falls with frequency from 50 Hz up."""
    length = 1 << num_samples.bit_length()  # a power of two, for a fast transform
    spectrum = np.fft.rfft(rng.standard_normal(length))
    frequency = np.fft.rfftfreq(length, 1 / sample_rate)
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequency, 50.0)), length)[:num_samples]
    return noise / np.sqrt(np.mean(np.square(noise)))


def band_noise(
    num_samples: int, sample_rate: int, low: float, high: float, rng: np.random.Generator
) -> np.ndarray:
    """Noise ``(N,)`` of unit power between two frequencies in Hz."""
    length = 1 << num_samples.bit_length()
    spectrum = np.fft.rfft(rng.standard_normal(length))
    frequency = np.fft.rfftfreq(length, 1 / sample_rate)
    spectrum[(frequency < low) | (frequency > high)] = 0
    noise = np.fft.irfft(spectrum, length)[:num_samples]
    return noise / np.sqrt(np.mean(np.square(noise)))
