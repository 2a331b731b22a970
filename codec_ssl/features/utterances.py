"""Which utterances features are made of, and how many frames each has.

A token store is one such set, or those of its utterances that a data dir has; the utterances of a
data dir, as an encoder of waveforms counts their frames, are the other. All that makes features
takes any of them.
"""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np

from codec_ssl.data.audio import AudioSource, audio_info
from codec_ssl.data.bad_audio import BadAudio, BadAudioLog
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError
from codec_ssl.features.base import WaveEncoder
from codec_ssl.tokens.store import TokenStore

MAX_BAD_RATE = 0.01
_SHARD_UTTERANCES = 2000

_logger = logging.getLogger(__name__)


class Utterances(Protocol):
    """What every set of utterances tells; a ``TokenStore`` does.

    Attributes:
        path: Where it is, for messages.
        utt_ids: Ids by position (U).
        lengths: Frames of each by position: (U,) int64.
        frame_rate: Frames a second.
        sample_rate: Rate in Hz of the audio.
        shard_utterances: Utterances of a shard, in what is written of them.
    """

    path: Path
    utt_ids: list[str]
    lengths: np.ndarray
    frame_rate: float
    sample_rate: int
    shard_utterances: int

    def __len__(self) -> int: ...

    def num_frames(self, utt_id: str) -> int:
        """Frames of an utterance."""
        ...


class WaveUtterances:
    """Utterances of a data dir, with an encoder's own count of their frames.

    No audio is decoded for it. Utterances without a usable file, or too short for a frame, are
    left out; a log tells which.

    Args:
        data_dir: The data dir.
        encoder: It counts the frames.
        max_bad_rate: Share of utterances that may be left out.

    Raises:
        DataError: If more are.
    """

    shard_utterances = _SHARD_UTTERANCES

    def __init__(
        self, data_dir: DataDir, encoder: WaveEncoder, max_bad_rate: float = MAX_BAD_RATE
    ) -> None:
        self.path, self.data_dir = data_dir.path, data_dir
        self.frame_rate, self.sample_rate = encoder.frame_rate, encoder.sample_rate
        bad = BadAudioLog()
        with ThreadPoolExecutor(8) as pool:
            sources = map(data_dir.source, data_dir.utt_ids)
            found = zip(data_dir.utt_ids, pool.map(self._count, sources), strict=True)
            self._samples = dict(_usable(found, encoder, bad))
        if bad:
            _logger.warning("%s: left out %s: %s", self.path, bad.reasons(), bad.entries[:5])
        bad.check_rate(len(data_dir), max_bad_rate)
        self.utt_ids = list(self._samples)
        self.lengths = np.array([encoder.frames_of(n) for n in self._samples.values()], np.int64)
        self._frames = dict(zip(self.utt_ids, self.lengths.tolist(), strict=True))

    def __len__(self) -> int:
        return len(self.utt_ids)

    def num_frames(self, utt_id: str) -> int:
        """Frames of an utterance."""
        return self._frames[utt_id]

    def num_samples(self, utt_id: str) -> int:
        """Samples of an utterance at the encoder's rate."""
        return self._samples[utt_id]

    def _count(self, source: AudioSource) -> int | BadAudio:
        try:
            info = audio_info(source)
        except BadAudio as error:
            return error
        return -(-info.num_samples * self.sample_rate // info.sample_rate)


class StoreUtterances:
    """Utterances that both a token store and a data dir have, in the store's order and its frames.

    Args:
        store: The store.
        data_dir: The data dir.

    Raises:
        DataError: If they share none.
    """

    def __init__(self, store: TokenStore, data_dir: DataDir) -> None:
        self.path, self.store = store.path, store
        self.frame_rate, self.sample_rate = store.frame_rate, store.sample_rate
        self.shard_utterances = store.shard_utterances
        wanted = set(data_dir.utt_ids)
        shared = [number for number, utt in enumerate(store.utt_ids) if utt in wanted]
        if not shared:
            raise DataError(
                f"{store.path}: expected utterances of {data_dir.path}, found none", stage="tokens"
            )
        self.utt_ids = [store.utt_ids[number] for number in shared]
        self.lengths = store.lengths[shared]
        if len(shared) < len(store):
            told = store.path, len(shared), len(store), data_dir.path
            _logger.info("%s: %d of %d utterances are in %s", *told)

    def __len__(self) -> int:
        return len(self.utt_ids)

    def num_frames(self, utt_id: str) -> int:
        """Frames of an utterance."""
        return self.store.num_frames(utt_id)


def store_of(utterances: Utterances) -> TokenStore | None:
    """The token store that utterances are of; None of a data dir's."""
    if isinstance(utterances, StoreUtterances):
        return utterances.store
    return utterances if isinstance(utterances, TokenStore) else None


def _usable(
    found: Iterator[tuple[str, int | BadAudio]], encoder: WaveEncoder, bad: BadAudioLog
) -> Iterator[tuple[str, int]]:
    for utt, samples in found:
        if isinstance(samples, BadAudio):
            bad.add_error(utt, samples)
        elif encoder.frames_of(samples) < 1:
            least = encoder.samples_for(1)
            bad.add(utt, "", "too_short", f"expected at least {least} samples, found {samples}")
        else:
            yield utt, samples
