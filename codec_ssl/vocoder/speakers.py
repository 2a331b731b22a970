"""Speakers of a vocoder by vectors of their voices, which Resemblyzer finds without a network.

Legend: S speakers, D width of a vector (256).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from codec_ssl.data.audio import BadAudio, read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import spread
from codec_ssl.errors import CheckpointError, DataError
from codec_ssl.evaluation.signal import SPEECH_RATE
from codec_ssl.evaluation.speaker import Embedder
from codec_ssl.tokens.files import Damaged, map_tensors, write_tensors

FILE_NAME = "speakers.safetensors"


@dataclass(frozen=True)
class SpeakerVectors:
    """A vector for each speaker.

    Attributes:
        names: The speakers.
        vectors: ``(S, D)`` float32, of length 1.
        utterances: How many of each were heard at most; None: all.
    """

    names: list[str]
    vectors: np.ndarray
    utterances: int | None = None

    def of(self, names: Sequence[str]) -> np.ndarray:
        """Vectors ``(len(names), D)`` of known speakers."""
        return self.vectors[[self.names.index(name) for name in names]]

    def save(self, folder: str | Path) -> None:
        """Write them into an experiment."""
        told = {"names": self.names, "utterances": self.utterances}
        write_tensors(Path(folder) / FILE_NAME, {"vectors": self.vectors}, told)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read those of an experiment.

        Raises:
            CheckpointError: They are not there, or not whole.
        """
        try:
            found = map_tensors(Path(folder) / FILE_NAME)
        except Damaged as error:
            raise CheckpointError(
                f"{folder}: expected the vectors of its speakers: {error}", stage="train"
            ) from error
        told = found.metadata
        return cls(told["names"], np.array(found.arrays["vectors"]), told["utterances"])


def measure_speakers(
    data_dir: DataDir,
    utt_ids: Sequence[str],
    embed: Embedder,
    most_utterances: int | None = None,
) -> SpeakerVectors:
    """Find the mean vector of each speaker.

    Args:
        data_dir: Where they speak.
        utt_ids: Utterances to listen to.
        embed: Makes a vector of speech.
        most_utterances: Of each speaker, spread evenly over theirs; None listens to all.

    Raises:
        DataError: Nothing of a speaker can be read.
    """
    spoken: dict[str, list[str]] = {}
    for utt_id in sorted(utt_ids):
        spoken.setdefault(data_dir.utt2spk[utt_id], []).append(utt_id)
    means = {
        name: _mean_voice(data_dir, spread(theirs, most_utterances or len(theirs)), embed, name)
        for name, theirs in sorted(spoken.items())
    }
    vectors = np.stack(list(means.values())).astype(np.float32)
    return SpeakerVectors(list(means), vectors, most_utterances)


def _mean_voice(
    data_dir: DataDir, utt_ids: Sequence[str], embed: Embedder, name: str
) -> np.ndarray:
    """Mean of the vectors of utterances ``(D,)``, of length 1; what can't be read is left out."""
    found, reasons = [], []
    for utt_id in utt_ids:
        try:
            wav, _ = read_audio(data_dir.source(utt_id), SPEECH_RATE)
        except BadAudio as error:
            reasons.append(str(error))
            continue
        found.append(np.asarray(embed(wav), dtype=np.float64))
    if not found:
        raise DataError(
            f"{data_dir.path}: expected audio of the speaker {name}, found none that can be read: "
            f"{reasons[0]}",
            stage="data",
        )
    mean = np.mean(found, axis=0)
    return mean / np.linalg.norm(mean)
