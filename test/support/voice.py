"""Sounds that metrics take for speech: harmonics of a pitch that glides, in bursts."""

import numpy as np

RATE = 16000


def voice(seconds=1.5, seed=0, rate=RATE, pitch=None):
    """A voice ``(N,)`` float32 of peak 0.5.

    Args:
        seconds: Length.
        seed: Of the pitch's course, the timbre and the breath.
        rate: In Hz.
        pitch: Fundamental frequency of every sample, in Hz; None: about 150 Hz, by chance.
    """
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    if pitch is None:
        speed, start = random.uniform(0.7, 1.3), random.uniform(0, 6)
        pitch = 150 + 30 * np.sin(2 * np.pi * speed * time + start)
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(pitch, time.shape)) / rate
    harmonics = np.arange(1, 20)
    formants = random.uniform((400, 1200), (800, 2400))
    weights = sum(np.exp(-(((150 * harmonics - f) / 300) ** 2)) for f in formants) + 0.03
    wav = (weights[:, None] * np.sin(harmonics[:, None] * phase)).sum(0)
    bursts = 0.55 + 0.45 * np.sin(2 * np.pi * 2.5 * time)
    wav = bursts * wav + 0.01 * random.standard_normal(len(time))
    return (0.5 * wav / np.abs(wav).max()).astype(np.float32)


def noisy(wav, snr, seed=1):
    """A copy with white noise that is orthogonal to it, at exactly so many dB."""
    noise = np.random.default_rng(seed).standard_normal(len(wav))
    x = wav.astype(np.float64)
    noise -= x * (noise @ x) / (x @ x)
    noise *= np.linalg.norm(x) / np.linalg.norm(noise) * 10 ** (-snr / 20)
    return (x + noise).astype(np.float32)
