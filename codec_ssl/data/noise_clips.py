"""Noises and room responses of data dirs, drawn piece by piece as they are needed.

Nothing is kept in memory but the clips' lengths, and of a long recording only the piece is decoded.
"""

import math
from typing import NamedTuple

import numpy as np

from codec_ssl.data.audio import AudioInfo, AudioSource, audio_info, read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.mixing import is_silent
from codec_ssl.errors import DataError

# A long recording may have pauses: other places of it are tried before it is given up.
_TRIES = 20
_STAGE = "data"


class Piece(NamedTuple):
    """A piece of a clip.

    Attributes:
        clip: Utterance id in its data dir.
        start: Where in the clip it begins, seconds.
        samples: ``(N,)`` float32 at the rate that was asked for.
    """

    clip: str
    start: float
    samples: np.ndarray


class NoiseClips:
    """The noises of a data dir.

    Args:
        data_dir: Every utterance is a noise; any rates, several channels become their mean.

    Raises:
        DataError: If it is empty.
    """

    def __init__(self, data_dir: DataDir) -> None:
        self.data_dir = _filled(data_dir, "noises")
        self._infos: dict[str, AudioInfo] = {}

    def draw(self, num_samples: int, sample_rate: int, rng: np.random.Generator) -> Piece:
        """Draw a piece: any clip, each as likely as the others, from any place of it.

        A clip that is too short begins at its drawn place, and again from its start as often as is
        needed.

        Args:
            num_samples: N.
            sample_rate: In Hz.
            rng: Draws.

        Raises:
            DataError: If the clip is silent.
            BadAudio: If it cannot be read.
        """
        clip = self.data_dir.utt_ids[int(rng.integers(len(self.data_dir)))]
        for _ in range(_TRIES):
            piece = self._piece(clip, num_samples, sample_rate, rng)
            if not is_silent(piece.samples):
                return piece
        raise DataError(
            f"{self.data_dir.path}: noise {clip} ({self.data_dir.source(clip).path}): expected "
            f"sound, found silence at {_TRIES} places: leave this clip out",
            _STAGE,
        )

    def _piece(
        self, clip: str, num_samples: int, sample_rate: int, rng: np.random.Generator
    ) -> Piece:
        source, info = self.data_dir.source(clip), self._info(clip)
        needed = math.ceil(num_samples * info.sample_rate / sample_rate)
        if info.num_samples <= needed:
            whole, _ = read_audio(source, sample_rate)
            first = int(rng.integers(len(whole)))
            looped = np.resize(np.roll(whole, -first), num_samples)
            return Piece(clip, first / sample_rate, looped)
        start = int(rng.integers(info.num_samples - needed + 1)) / info.sample_rate
        begin = (source.start or 0.0) + start
        part = AudioSource(clip, source.path, begin, begin + needed / info.sample_rate)
        # Resampling may give a sample more or less.
        return Piece(clip, start, np.resize(read_audio(part, sample_rate)[0], num_samples))

    def _info(self, clip: str) -> AudioInfo:
        if clip not in self._infos:
            self._infos[clip] = audio_info(self.data_dir.source(clip))
        return self._infos[clip]


class RoomResponses:
    """The room responses of a data dir.

    Args:
        data_dir: Every utterance is a response, of any rate; the first of several channels counts.

    Raises:
        DataError: If it is empty.
    """

    def __init__(self, data_dir: DataDir) -> None:
        self.data_dir = _filled(data_dir, "room responses")

    def draw(self, sample_rate: int, rng: np.random.Generator) -> tuple[str, np.ndarray]:
        """Draw a response, each as likely as the others.

        Args:
            sample_rate: In Hz.
            rng: Draws.

        Returns:
            Its utterance id, and its samples ``(R,)`` float32.

        Raises:
            DataError: If it is silent.
            BadAudio: If it cannot be read.
        """
        name = self.data_dir.utt_ids[int(rng.integers(len(self.data_dir)))]
        source = self.data_dir.source(name)
        # One microphone's: the mean of several would be a comb filter.
        response, _ = read_audio(source, sample_rate, first_channel=True)
        if is_silent(response * math.sqrt(len(response))):  # its energy: most of it is faint
            raise DataError(
                f"{self.data_dir.path}: room response {name} ({source.path}): expected sound, "
                "found silence: leave it out",
                _STAGE,
            )
        return name, response


def _filled(data_dir: DataDir, what: str) -> DataDir:
    if not len(data_dir):
        raise DataError(f"{data_dir.path}: expected {what}, found none", _STAGE)
    return data_dir
