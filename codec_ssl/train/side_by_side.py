"""Several streams of the same utterances: a crop takes the same frames of each.

Waveforms, features, codes and labels of a recording may come from a data dir, a feature cache and
token stores.

Legend: U utterances, T frames of one, Q codebooks, D width.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from codec_ssl.data.audio import AudioSource, read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError
from codec_ssl.features.cache import FeatureCache
from codec_ssl.tokens.store import TokenStore

MAX_GAP = 1
# The recipe's stage that makes a stream.
_STAGES = {"audio": "data", "codes": "tokens", "features": "features", "labels": "labels"}


class Stream(Protocol):
    """One kind of frames of many utterances.

    Attributes:
        path: Where they are, for messages.
    """

    path: Path

    def lengths(self) -> dict[str, int]:
        """Frames of each utterance."""
        ...

    def crop(self, utt_id: str, start: int, length: int) -> np.ndarray:
        """Frames ``(length, ...)`` of an utterance, or their samples."""
        ...


class StoredStream:
    """Codes or labels ``(T, Q)`` of a token store, or features ``(T, D)`` of a cache.

    Args:
        store: The store or cache.
    """

    def __init__(self, store: TokenStore | FeatureCache) -> None:
        self.path, self._store = store.path, store

    def lengths(self) -> dict[str, int]:
        """Frames of each utterance, from the index."""
        return dict(zip(self._store.utt_ids, self._store.lengths.tolist(), strict=True))

    def crop(self, utt_id: str, start: int, length: int) -> np.ndarray:
        """Frames ``(length, Q)`` or ``(length, D)``."""
        return self._store[utt_id][start : start + length]


@dataclass(frozen=True)
class AudioStream:
    """Waveforms of a data dir; only the crop is decoded.

    Attributes:
        data_dir: The data dir.
        sample_rate: Rate at which they are wanted, Hz.
        hop_length: Samples a frame.
        num_samples: Samples of each utterance at that rate; needed where nothing else tells which
            utterances can be used, and how long they are.
    """

    data_dir: DataDir
    sample_rate: int
    hop_length: int
    num_samples: Mapping[str, int]

    @property
    def path(self) -> Path:
        """The data dir's."""
        return self.data_dir.path

    def lengths(self) -> dict[str, int]:
        """Frames of each utterance; the last one may be partly filled."""
        return {utt: -(-samples // self.hop_length) for utt, samples in self.num_samples.items()}

    def crop(self, utt_id: str, start: int, length: int) -> np.ndarray:
        """Samples ``(length * hop,)`` float32, with silence behind the end of the utterance.

        Raises:
            BadAudio: The file cannot be read.
        """
        whole = self.data_dir.source(utt_id)
        frame = self.hop_length / self.sample_rate
        begin = (whole.start or 0.0) + start * frame
        end = begin + length * frame
        if whole.end is not None:  # what follows a segment in its file is another utterance's
            end = min(end, whole.end)
        source = AudioSource(utt_id, whole.path, begin, end)
        samples, _ = read_audio(source, self.sample_rate)
        wav = np.zeros(length * self.hop_length, dtype=np.float32)
        kept = samples[: len(wav)]
        wav[: len(kept)] = kept
        return wav


@dataclass(frozen=True)
class SideBySide:
    """Streams of the same utterances.

    Attributes:
        streams: By the name that they have in a batch.
        utt_ids: The utterances (U).
        lengths: Frames that all streams have of each (U,).
    """

    streams: Mapping[str, Stream]
    utt_ids: Sequence[str]
    lengths: np.ndarray

    def __len__(self) -> int:
        return len(self.utt_ids)

    def crop(self, position: int, start: int, length: int) -> dict[str, np.ndarray]:
        """The same frames of every stream."""
        utt = self.utt_ids[position]
        return {name: each.crop(utt, start, length) for name, each in self.streams.items()}


def put_side_by_side(
    streams: Mapping[str, Stream], leader: str, wanted: Sequence[str] | None = None
) -> SideBySide:
    """Take the utterances of one stream, which all others must have, and the common lengths.

    Args:
        streams: By name. Audio that doesn't lead is cut or filled to the others' frames.
        leader: Name of the stream that says which utterances there are.
        wanted: Only these utterances of it.

    Raises:
        DataError: An utterance is missing from a stream, or lengths differ by more than a frame.
    """
    every = streams[leader].lengths()
    frames = every if wanted is None else {utt: every[utt] for utt in wanted}
    lengths = np.fromiter(frames.values(), np.int64, len(frames))
    for name, stream in streams.items():
        if name == leader:
            continue
        if isinstance(stream, AudioStream):
            # Headers of a whole corpus are not opened for lengths that the leader tells.
            _check_all_there(name, stream, set(stream.data_dir.utt_ids), frames, streams[leader])
            continue
        others = stream.lengths()
        _check_all_there(name, stream, others, frames, streams[leader])
        found = np.fromiter((others[utt] for utt in frames), np.int64, len(frames))
        far = np.flatnonzero(np.abs(found - lengths) > MAX_GAP)
        if len(far):
            utt = list(frames)[far[0]]
            raise DataError(
                f"{stream.path}: expected {frames[utt]} frames of {utt}, as {leader} have, found"
                f" {others[utt]}; {len(far)} utterances differ by more than {MAX_GAP}",
                stage=_STAGES.get(name),
            )
        lengths = np.minimum(lengths, found)
    return SideBySide(streams, list(frames), lengths)


def _check_all_there(
    name: str,
    stream: Stream,
    found: Container[str],
    wanted: Iterable[str],
    leader: Stream,
) -> None:
    missing = [utt for utt in wanted if utt not in found]
    if missing:
        raise DataError(
            f"{stream.path}: expected {name} of every utterance of {leader.path},"
            f" found none of {missing[0]} and {len(missing) - 1} more",
            stage=_STAGES.get(name),
        )
