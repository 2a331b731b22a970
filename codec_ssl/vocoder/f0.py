"""F0 of utterances as a vocoder's second input: contours, and each speaker's mean and deviation.

Polyak et al. (2021), on which RepCodec's VCTK vocoder is built (arXiv 2309.00169, section 4.3),
give the vocoder F0 that is normalised by speaker, so that it says how something was said and the
speaker's vector who said it. Contours are kept on disk in Hz, one value each 5 ms; they are
normalised when they are read.

Legend: N samples, T frames.
"""

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from torch import Tensor

from codec_ssl.errors import DataError
from codec_ssl.features.base import WaveEncoder
from codec_ssl.features.cache import FeatureCache
from codec_ssl.tts.durations import FrameGrid
from codec_ssl.tts.prosody import PitchOptions, fundamental

SAMPLE_RATE = 16000
# Frames tile the signal, as the units do: F0 frame t is of samples 80 t to 80 t + 79.
GRID = FrameGrid(SAMPLE_RATE, 80, 40.0)
# Polyak et al. do not state a range.
TRACKER = PitchOptions("dio", f0_min=60.0, f0_max=600.0)
# In natural logarithms; a voice on one tone would be divided by nothing else.
_LEAST_DEVIATION = 0.01
_LEAST_VOICED = 10

_logger = logging.getLogger(__name__)


class PitchContour(WaveEncoder):
    """F0 in Hz as the feature of a frame, 0 where it is unvoiced; the only layer is 0.

    Args:
        options: How pitch is found.
    """

    name = "f0"
    num_layers = 0
    width = 1
    sample_rate = SAMPLE_RATE
    frame_rate = GRID.frame_rate
    device = torch.device("cpu")

    def __init__(self, options: PitchOptions = TRACKER) -> None:
        self.options = options
        made_by = json.dumps([self.name, asdict(options), asdict(GRID)])
        self.fingerprint = hashlib.sha256(made_by.encode()).hexdigest()

    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``; each waveform is looked at by itself."""
        self.check_layers(layers)
        rows = [self._contour(wav[:n]) for wav, n in zip(inputs, lens.tolist(), strict=True)]
        lengths = torch.tensor([len(row) for row in rows])
        return {0: torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)}, lengths

    def frames_of(self, num_samples: int) -> int:
        """Frames of so many samples; the last may be a part of one."""
        return -(-num_samples // GRID.hop_length)

    def samples_for(self, num_frames: int) -> int:
        """Samples of so many whole frames."""
        return num_frames * GRID.hop_length

    def _contour(self, wav: Tensor) -> Tensor:
        num_frames = self.frames_of(len(wav))
        f0 = fundamental(wav.double().numpy(), GRID, num_frames, self.options)
        return torch.from_numpy(f0[:, None].astype(np.float32))


@dataclass(frozen=True)
class SpeakerPitch:
    """Mean and standard deviation of a voice's log F0 over voiced frames."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, count: float, total: float, squares: float) -> Self | None:
        """From sums over the logarithms; None of fewer than 10 frames (50 ms)."""
        if count < _LEAST_VOICED:
            return None
        mean = total / count
        deviation = max(squares / count - mean**2, 0.0) ** 0.5
        return cls(mean, max(deviation, _LEAST_DEVIATION))

    @classmethod
    def of_contour(cls, f0: np.ndarray) -> Self | None:
        """Of one utterance ``(T,)`` in Hz."""
        return cls.of(*_sums(f0))


def _sums(f0: np.ndarray) -> np.ndarray:
    """Number, sum and sum of squares of the logarithms of a contour's voiced frames."""
    logs = np.log(f0[f0 > 0].astype(np.float64))
    return np.array([len(logs), logs.sum(), np.square(logs).sum()])


@dataclass(frozen=True)
class PitchStatistics:
    """What normalises F0.

    Attributes:
        speakers: By speaker of the training.
    """

    speakers: Mapping[str, SpeakerPitch]

    @classmethod
    def fit(cls, contours: Iterable[tuple[str, np.ndarray]]) -> Self:
        """Measure contours ``(T,)`` in Hz, each with its speaker."""
        sums: dict[str, np.ndarray] = {}
        for speaker, f0 in contours:
            sums[speaker] = sums.get(speaker, np.zeros(3)) + _sums(f0)
        found = {speaker: SpeakerPitch.of(*values) for speaker, values in sorted(sums.items())}
        return cls({speaker: pitch for speaker, pitch in found.items() if pitch is not None})

    def normalize(self, f0: np.ndarray, speaker: str, whole: np.ndarray) -> np.ndarray:
        """Pitch and voicing of a piece of an utterance.

        Args:
            f0: The piece ``(T,)`` in Hz, 0 where unvoiced.
            speaker: Who speaks.
            whole: All of the utterance; a speaker whom the training had not is normalised by it.

        Returns:
            ``(T, 2)`` float32: log F0 in deviations from the mean, 0 where unvoiced; and 1 where
            voiced, else 0.
        """
        pitch = self.speakers.get(speaker) or SpeakerPitch.of_contour(whole)
        voiced = f0 > 0
        found = np.zeros((len(f0), 2), dtype=np.float32)
        if pitch is not None:
            logs = np.log(np.where(voiced, f0, 1.0))
            found[:, 0] = np.where(voiced, (logs - pitch.mean) / pitch.deviation, 0.0)
            found[:, 1] = voiced
        return found

    def to_plain(self) -> dict[str, list[float]]:
        """Plain values, for YAML."""
        return {
            name: [float(pitch.mean), float(pitch.deviation)]
            for name, pitch in self.speakers.items()
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Sequence[float]]) -> Self:
        """The inverse of :meth:`to_plain`."""
        return cls({name: SpeakerPitch(*values) for name, values in plain.items()})


class Contours(FeatureCache):
    """A cache of :class:`PitchContour`, normalised as it is read: ``(T, 2)`` in place of Hz.

    Args:
        path: The cache.
        utt2spk: Speaker of each utterance.
        statistics: What normalises; None: measured here.

    Raises:
        DataError: If there is no such cache, or an utterance has no speaker.
    """

    def __init__(
        self,
        path: str | Path,
        utt2spk: Mapping[str, str],
        statistics: PitchStatistics | None = None,
    ) -> None:
        super().__init__(path)
        check_contours(self, utt2spk)
        self.utt2spk = utt2spk
        self.statistics = statistics or PitchStatistics.fit(
            (utt2spk[utt_id], self.hertz(place)) for place, utt_id in enumerate(self.utt_ids)
        )

    def __reduce__(self) -> tuple[type["Contours"], tuple[object, ...]]:
        return type(self), (self.path, self.utt2spk, self.statistics)

    def crop(self, position: int, start: int, length: int) -> np.ndarray:
        """Pitch and voicing ``(length, 2)`` of a piece, see ``PitchStatistics.normalize``."""
        whole = self.hertz(position)
        speaker = self.utt2spk[self.utt_id(position)]
        return self.statistics.normalize(whole[start : start + length], speaker, whole)

    def hertz(self, position: int) -> np.ndarray:
        """All of an utterance ``(T,)`` in Hz."""
        return super().crop(position, 0, int(self.lengths[position]))[:, 0]

    def log_unseen(self) -> None:
        """Say whose utterances are normalised by themselves."""
        owners = [self.utt2spk[utt_id] for utt_id in self.utt_ids]
        unseen = [owner for owner in owners if owner not in self.statistics.speakers]
        if unseen:
            _logger.warning(
                "%s: %d utterances are of %d speakers whom the training had not: F0 is normalised "
                "by each utterance's own mean and deviation",
                *(self.path, len(unseen), len(set(unseen))),
            )


def check_contours(cache: FeatureCache, utt2spk: Mapping[str, str]) -> None:
    """Refuse a cache of other features, and utterances without a speaker.

    Raises:
        DataError: Naming it.
    """
    if cache.origin.encoder != PitchContour.name:
        raise DataError(
            f"{cache.path}: expected F0 contours, found features of {cache.origin}", stage="f0"
        )
    missing = [utt_id for utt_id in cache.utt_ids if utt_id not in utt2spk]
    if missing:
        raise DataError(
            f"{cache.path}: expected a speaker of each utterance, found none of {missing[0]} "
            f"({len(missing)} such)",
            stage="data",
        )
