"""Synthetic sound events for the embedded corpus: one function a class.

Each draws its own pace, pitch and loudness, so that no two events of a class are alike.

Letters: N samples.
"""

from collections.abc import Callable

import numpy as np

from codec_ssl.data.noise import band_noise, pink_noise

type _Render = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]


def _alarm(time: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Beeps with as much silence between them."""
    pitch, pace = rng.uniform(900, 2500), rng.uniform(2, 5)
    beep = np.sin(2 * np.pi * pitch * time) + 0.3 * np.sin(6 * np.pi * pitch * time)
    return beep * ((time * pace) % 1 < 0.5)


def _bird(time: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Chirps that rise and fall."""
    pace, centre, depth = rng.uniform(3, 7), rng.uniform(2500, 4500), rng.uniform(0.1, 0.3)
    place = (time * pace) % 1
    pitch = centre * (1 + depth * np.sin(2 * np.pi * place * rng.uniform(0.7, 1.5)))
    return np.sin(2 * np.pi * np.cumsum(pitch) / rate) * np.sin(np.pi * np.minimum(place * 2, 1))


def _crackle(time: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Sparse clicks of all sizes, as of a fire."""
    clicks = np.where(rng.random(len(time)) < rng.uniform(20, 60) / rate, 1.0, 0.0)
    clicks *= rng.pareto(1.5, len(time)).clip(max=10)
    decay = np.exp(-np.arange(rate // 100) / (rate * 0.001))
    shape = decay * rng.standard_normal(len(decay))
    return np.convolve(clicks, shape)[: len(time)] + 0.02 * pink_noise(len(time), rate, rng)


def _engine(time: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """A rough buzz that speeds up and slows down."""
    firing = rng.uniform(25, 70) * (1 + 0.15 * np.sin(2 * np.pi * rng.uniform(0.2, 1) * time))
    cycles = np.cumsum(firing) / rate
    tone = sum(np.sin(2 * np.pi * n * cycles + n * n) / n**0.7 for n in range(1, 20))
    return tone * (1 + 0.3 * pink_noise(len(time), rate, rng))


def _footsteps(time: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Dull thuds with a scrape behind each."""
    place = (time * rng.uniform(1.5, 3) + rng.random()) % 1
    thud = np.exp(-place * 30) * band_noise(len(time), rate, 60, 300, rng)
    return thud + 0.3 * np.exp(-np.abs(place - 0.15) * 40) * band_noise(
        len(time), rate, 1500, 5000, rng
    )


def _glass(time: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Many small high tones that ring out, from one blow on."""
    start = rng.uniform(0, 0.3) * time[-1]
    wav = np.zeros(len(time))
    for _ in range(25):
        since = time - start - rng.exponential(0.08)
        ring = np.exp(-np.maximum(since, 0) * rng.uniform(8, 40)) * (since > 0)
        wav += ring * np.sin(2 * np.pi * rng.uniform(2500, 10000) * since) * rng.uniform(0.2, 1)
    return wav


def _knock(time: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Wooden blows: two damped resonances."""
    place = ((time + rng.uniform(0, 0.1)) * rng.uniform(3, 6)) % 1 / 4
    low = rng.uniform(180, 350)
    tone = np.sin(2 * np.pi * low * place) + 0.6 * np.sin(2 * np.pi * 2.7 * low * place)
    return tone * np.exp(-place * 60)


def _rain(time: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """A steady hiss with drops in it."""
    drops = np.where(rng.random(len(time)) < 200 / rate, rng.uniform(1, 4, len(time)), 0.0)
    shape = np.exp(-np.arange(rate // 200) / (rate * 0.0008))
    hiss = band_noise(len(time), rate, rng.uniform(800, 1500), rng.uniform(7000, 11000), rng)
    return hiss + np.convolve(drops, shape)[: len(time)]


def _siren(time: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """A loud tone that sweeps up and down."""
    sweep = np.sin(2 * np.pi * rng.uniform(0.3, 1.2) * time + rng.uniform(0, 6))
    pitch = rng.uniform(600, 1000) * 2 ** (0.5 * sweep)
    cycles = np.cumsum(pitch) / rate
    return sum(np.sin(2 * np.pi * n * cycles) / n for n in (1, 2, 3, 4))


def _wind(time: np.ndarray, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Low noise that swells."""
    swell = 0.6 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.2, 0.8) * time + rng.uniform(0, 6))
    low = rng.uniform(80, 250)
    return swell * band_noise(len(time), rate, low, rng.uniform(2, 4) * low, rng)


EVENTS: dict[str, _Render] = {
    "alarm": _alarm,
    "bird": _bird,
    "crackle": _crackle,
    "engine": _engine,
    "footsteps": _footsteps,
    "glass": _glass,
    "knock": _knock,
    "rain": _rain,
    "siren": _siren,
    "wind": _wind,
}


def render(name: str, seconds: float, sample_rate: int, rng: np.random.Generator) -> np.ndarray:
    """One event.

    Args:
        name: One of ``EVENTS``.
        seconds: How long.
        sample_rate: In Hz.
        rng: Draws all that differs between events of a class, and the loudness (12 dB).

    Returns:
        Samples ``(N,)`` within [-0.7, 0.7], with 30 dB less of background noise.
    """
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    wav = EVENTS[name](time, sample_rate, rng)
    background = 10 ** (-30 / 20) * np.sqrt(np.mean(np.square(wav)))
    wav = wav + background * pink_noise(len(wav), sample_rate, rng)
    return 0.7 * 10 ** (rng.uniform(-12, 0) / 20) * wav / np.abs(wav).max()
