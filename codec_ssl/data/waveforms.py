"""Whole utterances of a data dir as waveforms at one rate, for models that learn transcripts.

Nothing is repeated, cropped or put in another's place: a transcript is of exactly this audio.

Legend: U utterances, N samples.
"""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from codec_ssl.data.audio import BadAudio, read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.statistics import Statistics, measure
from codec_ssl.errors import DataError

MAX_BAD_RATE = 0.01
_logger = logging.getLogger(__name__)


class Waveforms(Mapping[str, np.ndarray]):
    """Waveforms ``(N,)`` float32 by utterance, mono, resampled to one rate; pickled as its path.

    Utterances whose file's header is unusable are left out and logged.

    Args:
        path: A data dir.
        sample_rate: Rate in Hz.
        max_bad_rate: Largest share of utterances that may be left out.

    Attributes:
        path: The data dir.
        sample_rate: Rate in Hz.
        frame_rate: The same: a frame is a sample.
    """

    def __init__(
        self, path: str | Path, sample_rate: int, max_bad_rate: float = MAX_BAD_RATE
    ) -> None:
        self.data_dir = DataDir(path)
        self.path = self.data_dir.path
        self.sample_rate, self.frame_rate = sample_rate, float(sample_rate)
        self.max_bad_rate = max_bad_rate

    def __reduce__(self) -> tuple[type["Waveforms"], tuple[Path, int, float]]:
        return type(self), (self.path, self.sample_rate, self.max_bad_rate)

    @cached_property
    def _measured(self) -> Statistics:
        found = measure(self.data_dir)
        if found.bad:
            _logger.warning("%s: left out %s", self.path, found.bad.reasons())
        found.bad.check_rate(len(self.data_dir), self.max_bad_rate)
        return found

    @cached_property
    def num_samples(self) -> dict[str, int]:
        """Samples of each usable utterance, by the headers of the files.

        Raises:
            DataError: More files than ``max_bad_rate`` are unusable.
        """
        return self._measured.num_samples(self.sample_rate)

    @property
    def utt_ids(self) -> list[str]:
        """Usable utterances, sorted."""
        return list(self.num_samples)

    @property
    def lengths(self) -> np.ndarray:
        """Samples of each: (U,) int64."""
        return np.fromiter(self.num_samples.values(), np.int64, len(self.num_samples))

    @property
    def content(self) -> str:
        """SHA-256 over utterances and lengths: tells another set, not other samples, apart."""
        told = "".join(f"{utt} {count}\n" for utt, count in self.num_samples.items())
        return hashlib.sha256(told.encode()).hexdigest()

    def __getitem__(self, utt_id: str) -> np.ndarray:
        try:
            return read_audio(self.data_dir.source(utt_id), self.sample_rate)[0]
        except BadAudio as error:
            raise DataError(
                f"{self.path}: expected audio whose file can be read, found {error}", stage="data"
            ) from error

    def __contains__(self, utt_id: object) -> bool:
        return utt_id in self.num_samples

    def __iter__(self) -> Iterator[str]:
        return iter(self.utt_ids)

    def __len__(self) -> int:
        return len(self.num_samples)
