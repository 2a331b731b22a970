"""A reference and what a codec made of it, as metrics see them.

Letters: N samples.
"""

import math
from dataclasses import dataclass, field

import numpy as np
import soxr

from codec_ssl.errors import ConfigError, DataError
from codec_ssl.evaluation.alignment import (
    LEVELS,
    Level,
    find_delay,
    length_mismatch,
    level_gain,
    shift,
)

# VERSA refuses to compare frame by frame beyond this.
MAX_MISMATCH = 0.1


class CannotScore(DataError):
    """A metric has no value for an utterance; the message is the reason."""


@dataclass(frozen=True)
class Alignment:
    """How a pair is made.

    Attributes:
        max_delay: Largest delay that is looked for and taken away, in seconds; 0: none.
        level: How the decoded signal is brought to the reference's level.

    Raises:
        ConfigError: If the delay is negative or not finite, or there is no such level.
    """

    max_delay: float = 0.0
    level: Level = "none"

    def __post_init__(self) -> None:
        if not 0 <= self.max_delay < math.inf:
            raise ConfigError(f"max_delay: expected seconds from 0 on, found {self.max_delay}")
        if self.level not in LEVELS:
            raise ConfigError(f"level: expected one of {LEVELS}, found {self.level!r}")


@dataclass(frozen=True)
class Pair:
    """An utterance twice.

    Attributes:
        utt_id: The utterance.
        reference: The original, aligned with ``decoded`` and as long, ``(N,)`` float32.
        decoded: The copy, ``(N,)`` float32, at the reference's level if that was asked for.
        whole_reference: All of the original.
        whole_decoded: All of the copy.
        sample_rate: Rate of all four, in Hz.
        text: What is said in it, where that is known.
        delay: Samples that ``decoded`` lagged behind.
        gain: Factor that ``decoded`` was multiplied by.
        heard: What recognisers among the metrics made of it, for the reader.
    """

    utt_id: str
    reference: np.ndarray
    decoded: np.ndarray
    whole_reference: np.ndarray
    whole_decoded: np.ndarray
    sample_rate: int
    text: str | None = None
    delay: int = 0
    gain: float = 1.0
    heard: list[str] = field(default_factory=list)
    _resampled: dict[tuple[str, int], np.ndarray] = field(default_factory=dict, repr=False)

    def aligned(self, sample_rate: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Reference and copy, sample for sample.

        Args:
            sample_rate: Rate to resample to, in Hz; None: their own.

        Raises:
            CannotScore: If they were too unlike in length to be laid side by side.
        """
        mismatch = length_mismatch(self.whole_reference, self.whole_decoded)
        if mismatch >= MAX_MISMATCH:
            lengths = (
                f"{len(wav) / self.sample_rate:.2f} s"
                for wav in (self.whole_reference, self.whole_decoded)
            )
            raise CannotScore("lengths differ too much to compare: " + " and ".join(lengths))
        return self._at("reference", sample_rate), self._at("decoded", sample_rate)

    def wholes(self, sample_rate: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """All of the original and all of the copy, for metrics that need no alignment."""
        return self._at("whole_reference", sample_rate), self._at("whole_decoded", sample_rate)

    def _at(self, name: str, sample_rate: int | None) -> np.ndarray:
        wav = getattr(self, name)
        if sample_rate is None or sample_rate == self.sample_rate:
            return wav
        if (name, sample_rate) not in self._resampled:
            self._resampled[name, sample_rate] = resample(wav, self.sample_rate, sample_rate)
        return self._resampled[name, sample_rate]


def make_pair(
    utt_id: str,
    reference: np.ndarray,
    decoded: np.ndarray,
    sample_rate: int,
    alignment: Alignment | None = None,
    text: str | None = None,
) -> Pair:
    """Align an original and its copy.

    Args:
        utt_id: The utterance.
        reference: ``(N,)`` float32.
        decoded: ``(M,)`` float32.
        sample_rate: Rate of both, in Hz.
        alignment: What to take away; None: nothing but different lengths.
        text: What is said in it.
    """
    alignment = alignment or Alignment()
    delay = find_delay(reference, decoded, round(alignment.max_delay * sample_rate))
    aligned = shift(reference, decoded, delay)
    gain = level_gain(*aligned, alignment.level)
    scaled = [
        wav if gain == 1 else (gain * wav).astype(np.float32) for wav in (aligned[1], decoded)
    ]
    return Pair(utt_id, aligned[0], scaled[0], reference, scaled[1], sample_rate, text, delay, gain)


def resample(wav: np.ndarray, rate: int, new_rate: int) -> np.ndarray:
    """Resample ``(N,)`` float32 from one rate to another, in Hz."""
    if rate == new_rate:
        return wav
    return soxr.resample(wav, rate, new_rate, quality="HQ").astype(np.float32)
