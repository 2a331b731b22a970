"""Single notes of synthetic instruments, for the embedded corpus.

An instrument is its partials (where they lie, how loud they are, how fast each dies away), its
attack, vibrato and breath. Takes differ in loudness, tuning and brightness, as players do.

Letters: N samples, H partials.
"""

from dataclasses import dataclass

import numpy as np

from codec_ssl.data.noise import pink_noise


@dataclass(frozen=True)
class Instrument:
    """How an instrument sounds.

    Attributes:
        ratios: Frequency of each partial, in those of the note.
        levels: Amplitude of each.
        attack: Seconds until it is at its loudest.
        decay: Seconds in which the first partial falls by 60 dB; None: it is held.
        damping: How much faster higher partials decay: by their ratio to this power.
        vibrato: Depth in semitones, at about 5.5 Hz.
        breath: Level of noise, to the tone's.
    """

    ratios: tuple[float, ...]
    levels: tuple[float, ...]
    attack: float
    decay: float | None = None
    damping: float = 0.0
    vibrato: float = 0.0
    breath: float = 0.0


def _harmonics(levels: list[float]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    return tuple(float(number) for number in range(1, len(levels) + 1)), tuple(levels)


INSTRUMENTS = {
    "bell": Instrument(
        (0.5, 1.0, 1.19, 1.56, 2.0, 2.51, 3.01, 4.17), (0.3, 1, 0.6, 0.5, 0.5, 0.3, 0.25, 0.2),
        attack=0.002, decay=2.5, damping=0.6,
    ),
    "bowed": Instrument(*_harmonics([1 / n for n in range(1, 16)]), attack=0.12, vibrato=0.3),
    "brass": Instrument(
        *_harmonics([0.6, 0.9, 1.0, 0.9, 0.7, 0.5, 0.4, 0.3, 0.2, 0.15]), attack=0.06, vibrato=0.08
    ),
    "flute": Instrument(
        *_harmonics([1.0, 0.35, 0.12, 0.04]), attack=0.08, vibrato=0.15, breath=0.08
    ),
    "mallet": Instrument(
        (1.0, 3.93, 9.24), (1.0, 0.35, 0.12), attack=0.002, decay=0.7, damping=0.8
    ),
    "organ": Instrument(
        (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0), (0.5, 1, 0.5, 0.7, 0.4, 0.4, 0.2, 0.2),
        attack=0.015,
    ),
    "plucked": Instrument(
        *_harmonics([1 / n for n in range(1, 13)]), attack=0.004, decay=1.6, damping=0.5
    ),
    "reed": Instrument(
        *_harmonics([1.0, 0.05, 0.6, 0.06, 0.4, 0.06, 0.25, 0.05, 0.15]), attack=0.05, breath=0.02
    ),
}  # fmt: skip


def render(
    name: str, pitch: int, seconds: float, sample_rate: int, rng: np.random.Generator
) -> np.ndarray:
    """One take of a note.

    Args:
        name: One of ``INSTRUMENTS``.
        pitch: MIDI number; 69 is 440 Hz.
        seconds: How long, the release of 50 ms included.
        sample_rate: In Hz.
        rng: Draws loudness (12 dB), tuning (10 cents), brightness and the phases of the partials.

    Returns:
        Samples ``(N,)`` within [-0.7, 0.7].
    """
    instrument = INSTRUMENTS[name]
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    tuned = 440 * 2 ** ((pitch - 69 + rng.uniform(-0.1, 0.1)) / 12)
    wobble = instrument.vibrato * np.sin(2 * np.pi * rng.uniform(5, 6) * time + rng.uniform(0, 6))
    cycles = np.cumsum(tuned * 2 ** (wobble / 12)) / sample_rate
    brightness = rng.uniform(-0.4, 0.2)
    wav = np.zeros(len(time))
    for ratio, level in zip(instrument.ratios, instrument.levels, strict=True):
        phase = rng.uniform(0, 2 * np.pi)
        if ratio * tuned < 0.45 * sample_rate:
            partial = np.sin(2 * np.pi * ratio * cycles + phase)
            wav += level * ratio**brightness * partial * _fall(instrument, ratio, time)
    wav += instrument.breath * np.abs(wav).max() * pink_noise(len(wav), sample_rate, rng)
    wav *= np.minimum(time / instrument.attack, 1) * np.minimum((seconds - time) / 0.05, 1)
    return 0.7 * 10 ** (rng.uniform(-12, 0) / 20) * wav / np.abs(wav).max()


def _fall(instrument: Instrument, ratio: float, time: np.ndarray) -> np.ndarray | float:
    """How loud a partial still is: ``(N,)``, or 1 where it is held."""
    if instrument.decay is None:
        return 1.0
    return 10 ** (-3 * time * max(ratio, 1.0) ** instrument.damping / instrument.decay)
