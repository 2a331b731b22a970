"""Labelled utterances of a set as an encoder's inputs, with what they are to be told apart by.

Inputs are codes of a token store, all layers of a feature cache, or samples of a data dir.

Letters: B utterances of a batch, U of a set, T frames, N samples.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from codec_ssl.data.audio import AudioSource, BadAudio, read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.evaluation.superb.problem import UNKNOWN, Problem, Span
from codec_ssl.features.base import SpeechEncoder, WaveEncoder
from codec_ssl.features.cache import FeatureCache
from codec_ssl.features.factory import make_encoder
from codec_ssl.features.stack import LayerStack
from codec_ssl.features.utterances import WaveUtterances
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train.side_by_side import StoredStream, Stream

Batch = tuple[list[str], dict[str, Tensor]]


class WaveStream:
    """Waveforms for an encoder, counted in its frames.

    Args:
        data_dir: The data dir; utterances whose file's header is unusable are left out.
        encoder: It counts.
    """

    def __init__(self, data_dir: DataDir, encoder: WaveEncoder) -> None:
        self.path, self._data_dir, self._encoder = data_dir.path, data_dir, encoder
        self._utterances = WaveUtterances(data_dir, encoder)

    def lengths(self) -> dict[str, int]:
        """Frames of each utterance."""
        found = self._utterances
        return dict(zip(found.utt_ids, found.lengths.tolist(), strict=True))

    def crop(self, utt_id: str, start: int, length: int) -> np.ndarray:
        """Samples (N,) float32 that make so many frames.

        Raises:
            DataError: The file cannot be read.
        """
        encoder, whole = self._encoder, self._data_dir.source(utt_id)
        count = self._utterances.num_samples(utt_id)
        source = whole
        if (start, length) != (0, self._utterances.num_frames(utt_id)):
            count = encoder.samples_for(length)
            begin = (whole.start or 0.0) + start / encoder.frame_rate
            source = AudioSource(utt_id, whole.path, begin, begin + count / encoder.sample_rate)
        try:
            samples, _ = read_audio(source, encoder.sample_rate)
        except BadAudio as error:
            raise DataError(f"{self.path}: {error}", stage="data") from error
        wav = np.zeros(count, dtype=np.float32)
        kept = samples[:count]
        wav[: len(kept)] = kept
        return wav


@dataclass(frozen=True)
class Item:
    """One utterance of a batch: where it is in its set, and which frames of it."""

    position: int
    start: int
    length: int


class LabelledSet:
    """The utterances of a data dir that have labels and inputs.

    Args:
        problem: The task; it is told apart later from what it learnt of the training's labels.
        data_dir: Labels, and the audio where nothing else is given.
        stream: Inputs.
        frame_rate: Frames a second.
        pooled: Give the mean over an utterance's frames in place of them, as if it had one frame:
            for a head that ``pools``, on layers that were written before.

    Attributes:
        utt_ids: The utterances (U).
        lengths: Frames of each (U,).
        labels: By utterance.

    Raises:
        DataError: No utterance has both, or the inputs lack some of them.
    """

    def __init__(
        self,
        problem: type[Problem],
        data_dir: DataDir,
        stream: Stream,
        frame_rate: float,
        pooled: bool = False,
    ) -> None:
        self.path, self.stream, self.frame_rate = data_dir.path, stream, frame_rate
        self._pooled = pooled
        every, known = stream.lengths(), problem.read(data_dir)
        self.labels = {utt: label for utt, label in known.items() if every.get(utt, 0) > 0}
        self.utt_ids = list(self.labels)
        self.lengths = np.array([every[utt] for utt in self.utt_ids], dtype=np.int64)
        _check_share(self, stream, len(known))

    def __len__(self) -> int:
        return len(self.utt_ids)

    def batch(self, problem: Problem, items: Sequence[Item]) -> Batch:
        """Read, encode and pad.

        Args:
            problem: The task, with its vocabulary.
            items: What to take.

        Returns:
            Ids, and ``inputs`` (B, …), ``input_lengths`` (B,), ``targets`` (B, …) padded with
            ``UNKNOWN``, ``target_lengths`` (B,).
        """
        utt_ids = [self.utt_ids[item.position] for item in items]
        inputs = [self._read(utt, item) for utt, item in zip(utt_ids, items, strict=True)]
        targets = [
            torch.from_numpy(
                problem.encode(self.labels[utt], Span(item.start, item.length, self.frame_rate))
            )
            for utt, item in zip(utt_ids, items, strict=True)
        ]
        return utt_ids, {
            **_padded("input", inputs, 0),
            **_padded("target", targets, UNKNOWN),
        }

    def _read(self, utt: str, item: Item) -> Tensor:
        found = self.stream.crop(utt, item.start, item.length)
        if self._pooled:
            return torch.from_numpy(found.mean(0, dtype=np.float32, keepdims=True))
        return torch.from_numpy(np.array(found))


class WholeItems(Dataset):
    """Batches of whole utterances, the longest first, each utterance once.

    Args:
        data: The set.
        problem: The task.
        batch_size: Utterances of a batch of all processes together.
        rank: Number of this process.
        num_ranks: Number of processes, which share each batch.

    Raises:
        DataError: There are fewer utterances than processes.
    """

    def __init__(
        self,
        data: LabelledSet,
        problem: Problem,
        batch_size: int,
        rank: int = 0,
        num_ranks: int = 1,
    ) -> None:
        if len(data) < num_ranks:
            raise DataError(
                f"{data.path}: expected an utterance for each of {num_ranks} processes, found"
                f" {len(data)}"
            )
        self._data, self._problem, self._rank, self._num_ranks = data, problem, rank, num_ranks
        # The largest batch comes first, so that too little memory is seen at once.
        self._order = np.argsort(-data.lengths, kind="stable")
        self._edges = [*range(0, len(data), max(batch_size, num_ranks)), len(data)]
        if len(self._edges) > 2 and self._edges[-1] - self._edges[-2] < num_ranks:
            del self._edges[-2]

    def __len__(self) -> int:
        return len(self._edges) - 1

    def __getitem__(self, number: int) -> Batch:
        mine = self._order[self._edges[number] : self._edges[number + 1]]
        mine = mine[self._rank :: self._num_ranks]
        items = [Item(int(at), 0, int(self._data.lengths[at])) for at in mine]
        return self._data.batch(self._problem, items)


def open_encoder(conf: Mapping[str, Any], store: TokenStore | None, device: str) -> LayerStack:
    """Load an encoder, with all its layers side by side.

    Args:
        conf: ``name``, ``checkpoint``, ``untrained_seed``, ``tokenizer`` of ``make_encoder``.
        store: See there.
        device: Where to compute.

    Raises:
        ConfigError: It says anything else.
    """
    known = {"name", "checkpoint", "untrained_seed", "tokenizer"}
    if "name" not in conf or not conf.keys() <= known:
        raise ConfigError(f"encoder_conf: expected a name and of {known}, found {sorted(conf)}")
    options = {key: value for key, value in conf.items() if key != "name"}
    return LayerStack(make_encoder(conf["name"], store, device, **options))


def open_stream(
    encoder: SpeechEncoder, data_dir: DataDir, store: TokenStore | None, cache: FeatureCache | None
) -> Stream:
    """Inputs of an encoder: its cached features, else the codes or waveforms that it takes.

    Raises:
        ConfigError: There is a cache of what is still to be learnt.
        DataError: The cache is of another encoder, or there are no codes for one that takes them.
    """
    if cache is not None:
        encoder.check_frozen()
        if cache.origin.fingerprint != encoder.fingerprint:
            raise DataError(
                f"{cache.path}: expected features of {encoder.name}"
                f" ({encoder.fingerprint[:12]}), found {cache.origin}",
                stage="features",
            )
        return StoredStream(cache)
    if encoder.input_kind == "wav":
        return WaveStream(data_dir, encoder)
    if store is None:
        raise DataError(
            f"encoder {encoder.name} takes codes: expected a store, found none", "codes"
        )
    return StoredStream(store)


def _check_share(data: LabelledSet, stream: Stream, num_labelled: int) -> None:
    """Refuse a set of which much is lost: its scores would be of another set."""
    if 0.99 * num_labelled > len(data) or not len(data):
        raise DataError(
            f"{stream.path}: expected inputs of the {num_labelled} labelled utterances of"
            f" {data.path}, found {len(data)}",
            stage="codes",
        )


def _padded(name: str, pieces: Sequence[Tensor], value: float) -> Mapping[str, Any]:
    lengths = torch.tensor([len(piece) for piece in pieces])
    padded = torch.nn.utils.rnn.pad_sequence(pieces, batch_first=True, padding_value=value)
    return {f"{name}s": padded, f"{name}_lengths": lengths}
