"""Batches of random crops from features that are made on the way: nothing is on disk.

An encoder makes whole utterances, of which a training wants 2 seconds each: so some crops are cut
from each, and a bounded buffer of crops mixes utterances.

Legend: U utterances, B crops in a batch, T frames of an utterance, N frames of a batch, D width.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count

import numpy as np
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from torch import Tensor

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError
from codec_ssl.features.base import Origin, SpeechEncoder, origin_of
from codec_ssl.features.factory import make_source
from codec_ssl.features.stream import BATCH_FRAMES, FeatureBatch, stream_features
from codec_ssl.features.utterances import Utterances
from codec_ssl.train.crops import Batch, CropOptions, Visits, pack

_Crop = tuple[str, Tensor]


@dataclass(frozen=True, eq=False)
class StreamedSet:
    """Features that an encoder makes of codes or of waveforms.

    Attributes:
        encoder: The frozen model.
        utterances: See ``open_utterances``.
        layer: Layer to take.
        data_dir: For encoders of waveforms.
        batch_frames: Most padded frames in a batch of the encoder.
    """

    encoder: SpeechEncoder
    utterances: Utterances
    layer: int
    data_dir: DataDir | None = None
    batch_frames: int = BATCH_FRAMES

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def origin(self) -> Origin:
        """What the features are."""
        return origin_of(self.encoder, self.layer)

    @property
    def width(self) -> int:
        """D."""
        return self.encoder.width

    @property
    def lengths(self) -> np.ndarray:
        """Frames of each utterance by position: (U,) int64."""
        return self.utterances.lengths

    @cached_property
    def utt_ids(self) -> list[str]:
        """Ids by position."""
        return self.utterances.utt_ids

    def batches(self, utt_ids: list[str] | None = None) -> Iterator[FeatureBatch]:
        """Features of some utterances, or of all."""
        source = make_source(self.encoder, self.utterances, utt_ids, self.data_dir)
        return stream_features(self.encoder, source, [self.layer], batch_frames=self.batch_frames)


@dataclass(frozen=True)
class StreamOptions:
    """How to stream.

    Attributes:
        crops_per_visit: Most crops cut from an utterance that was encoded, which don't overlap. 1
            is the paper's; more cost the encoder less.
        shuffle_crops: Crops in the buffer; an epoch begins when it is full.
    """

    crops_per_visit: int = 4
    shuffle_crops: int = 1024

    def __post_init__(self) -> None:
        for name in ("crops_per_visit", "shuffle_crops"):
            if (found := getattr(self, name)) < 1:
                raise ConfigError(f"{name}: expected at least 1, found {found}")


class StreamedCrops(AbsIterFactory):
    """Training batches. What an epoch sees depends on the seed and its number alone.

    Args:
        features: Where they come from.
        options: What is asked for.
        stream: How to stream.
    """

    def __init__(self, features: StreamedSet, options: CropOptions, stream: StreamOptions) -> None:
        self._features, self._options, self._stream = features, options, stream
        self._visits = Visits(len(features), options.seed)

    def build_iter(self, epoch: int, shuffle: bool | None = None) -> Iterator[Batch]:
        """Build the iterator of an epoch, counted from 1."""
        options = self._options
        random = np.random.default_rng([options.seed, epoch, options.rank])
        blocks = self._blocks(epoch)
        size = len(range(options.rank, options.batch_size, options.num_ranks))
        buffer: list[_Crop] = []
        for _ in range(options.steps):
            while len(buffer) < max(self._stream.shuffle_crops, size):
                for batch in self._features.batches(next(blocks)):
                    buffer += self._cut(batch, random)
            picked = [_draw(buffer, random) for _ in range(size)]
            yield pack([utt for utt, _ in picked], [frames for _, frames in picked])

    def _blocks(self, epoch: int) -> Iterator[list[str]]:
        """Utterances of this process, as many at a time as fill a batch of the encoder."""
        options, features = self._options, self._features
        # Epochs go on where the one before ended, but for its short utterances and its buffer.
        per_epoch = -(-options.steps * options.batch_size // self._stream.crops_per_visit)
        block, total = [], 0
        for visit in count((epoch - 1) * per_epoch + options.rank, options.num_ranks):
            position = self._visits[visit]
            block.append(features.utt_ids[position])
            total += int(features.lengths[position])
            # An utterance that comes again, in a set smaller than a batch, opens a new block.
            if total >= features.batch_frames or len(block) == len(features):
                yield list(dict.fromkeys(block))
                block, total = [], 0

    def _cut(self, batch: FeatureBatch, random: np.random.Generator) -> Iterator[_Crop]:
        """Crops that don't overlap, at random places of each piece."""
        pieces = batch.features[self._features.layer].split(batch.lengths.tolist())
        for utt, piece in zip(batch.utt_ids, pieces, strict=True):
            length = min(self._options.crop_frames, len(piece))
            number = min(self._stream.crops_per_visit, len(piece) // length)
            gaps = np.sort(random.integers(len(piece) - number * length + 1, size=number))
            for start in (gaps + length * np.arange(number)).tolist():
                # A copy: a view would keep the whole batch in memory.
                yield utt, piece[start : start + length].clone()


class StreamedUtterances(AbsIterFactory):
    """Validation batches: every utterance whole; each process goes through all of them.

    Args:
        features: Where they come from.
    """

    def __init__(self, features: StreamedSet) -> None:
        self._features = features

    def build_iter(self, epoch: int, shuffle: bool | None = None) -> Iterator[Batch]:
        """Build the iterator of an epoch."""
        for batch in self._features.batches():
            pieces = batch.features[self._features.layer].split(batch.lengths.tolist())
            yield pack(batch.utt_ids, pieces)


def _draw(buffer: list[_Crop], random: np.random.Generator) -> _Crop:
    """Take a random one out, moving the last one into its place."""
    place = int(random.integers(len(buffer)))
    buffer[place], buffer[-1] = buffer[-1], buffer[place]
    return buffer.pop()
