"""ESPnet data types ``audio_<rate>`` and ``speech_<rate>``: a data dir read at one rate.

ESPnet's own ``sound`` type wants every file at the model's rate and stops at the first broken one.
``audio_<rate>`` is for training on any crops of sound, ``speech_<rate>`` for whole utterances with
transcripts.
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from espnet2.train.dataset import DATA_TYPES

from codec_ssl.data.audio import BadAudio, read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.waveforms import Waveforms
from codec_ssl.errors import DataError

NAME, WHOLE = r"audio_\d+", r"speech_\d+"
_MAX_REPLACEMENTS = 10

_logger = logging.getLogger(__name__)


class AudioSet(Mapping[str, np.ndarray]):
    """Waveforms ``(N,)`` float32 of a data dir, mono, resampled to one rate.

    An utterance that cannot be read is replaced by the next one that can, so that one broken file
    does not end a training; each replacement is logged with its reason. One shorter than a second
    is repeated until it fills it: ESPnet's chunk iterator drops what is shorter than a chunk, and
    with it every single word.

    Args:
        path: A data dir.
        sample_rate: Rate in Hz.
    """

    def __init__(self, path: str | Path, sample_rate: int) -> None:
        self.data_dir = DataDir(path)
        self.sample_rate = sample_rate
        self._position = {utt_id: i for i, utt_id in enumerate(self.data_dir.utt_ids)}

    def __getitem__(self, utt_id: str) -> np.ndarray:
        start = self._position[utt_id]
        utt_ids = self.data_dir.utt_ids
        for offset in range(min(_MAX_REPLACEMENTS, len(utt_ids))):
            other = utt_ids[(start + offset) % len(utt_ids)]
            try:
                wav, _ = read_audio(self.data_dir.source(other), self.sample_rate)
                return np.tile(wav, max(1, -(-self.sample_rate // len(wav))))
            except BadAudio as error:
                _logger.warning("%s; the next utterance is used in its place", error)
        raise DataError(
            f"{self.data_dir.path}: {_MAX_REPLACEMENTS} utterances in a row from {utt_id} on "
            "cannot be read",
            stage="data",
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self.data_dir.utt_ids)

    def __len__(self) -> int:
        return len(self._position)


def load_audio_set(path: str, loader_type: str) -> AudioSet:
    """Make the reader that ESPnet asks for by a type such as ``audio_16000``."""
    return AudioSet(path, _rate(loader_type))


def load_waveforms(path: str, loader_type: str) -> Waveforms:
    """Make the reader that ESPnet asks for by a type such as ``speech_16000``."""
    return Waveforms(path, _rate(loader_type))


def _rate(loader_type: str) -> int:
    return int(loader_type.rpartition("_")[2])


def register() -> None:
    """Add the data types to ESPnet's table; doing it twice changes nothing."""
    for name, function, what in (
        (NAME, load_audio_set, "A data dir, read as mono at the rate in the type's name"),
        (WHOLE, load_waveforms, "The same, whole utterances just as they are"),
    ):
        entry = {"func": function, "kwargs": ["loader_type"], "help": f"{what}, e.g. _16000."}
        DATA_TYPES.setdefault(name, entry)
