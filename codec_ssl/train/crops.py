"""Batches of random crops from a feature cache, as a RepCodec training takes them.

Everything random depends on seed and step alone: not on the number of workers, and not on what
was drawn before, so that a resumed training goes on exactly.

Legend: U utterances, B crops in a batch, N frames of them all, D width.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from codec_ssl.errors import ConfigError
from codec_ssl.features.cache import FeatureCache

Batch = tuple[list[str], dict[str, Tensor]]


@dataclass(frozen=True)
class CropOptions:
    """What a training asks for.

    Attributes:
        crop_frames: Frames of a crop; a shorter utterance is taken whole.
        batch_size: B, crops in a batch of all processes together.
        steps: Batches of an epoch.
        seed: Of order and places.
        rank: Number of this process.
        num_ranks: Number of processes, which share each batch.
    """

    crop_frames: int
    batch_size: int
    steps: int
    seed: int
    rank: int = 0
    num_ranks: int = 1

    def __post_init__(self) -> None:
        for name in ("crop_frames", "steps"):
            if (found := getattr(self, name)) < 1:
                raise ConfigError(f"{name}: expected at least 1, found {found}")
        if self.batch_size < self.num_ranks:
            raise ConfigError(
                f"batch_size: expected a crop for each of {self.num_ranks} processes, found"
                f" {self.batch_size}"
            )


class Visits:
    """An endless order of utterances: every pass goes through all of them, in its own order.

    Args:
        num_utterances: U.
        seed: Of the orders.
    """

    def __init__(self, num_utterances: int, seed: int) -> None:
        self._num_utterances, self._seed = num_utterances, seed
        self._order = lru_cache(maxsize=2)(self._make_order)

    def __reduce__(self) -> tuple[type["Visits"], tuple[int, int]]:
        return type(self), (self._num_utterances, self._seed)

    def __getitem__(self, visit: int) -> int:
        """Utterance of a visit, counted from 0 over all passes."""
        number, place = divmod(visit, self._num_utterances)
        return int(self._order(number)[place])

    def _make_order(self, number: int) -> np.ndarray:
        return np.random.default_rng([self._seed, number]).permutation(self._num_utterances)


def pack(utt_ids: Sequence[str], pieces: Sequence[Tensor]) -> Batch:
    """A batch: ids, and ``features`` (N, D) end to end with ``features_lengths`` (B,)."""
    lengths = torch.tensor([len(piece) for piece in pieces])
    return list(utt_ids), {"features": torch.cat(list(pieces)), "features_lengths": lengths}


class CachedCrops(Dataset):
    """Training batches by step: one crop an utterance and visit.

    Args:
        cache: The features.
        options: What is asked for.
    """

    def __init__(self, cache: FeatureCache, options: CropOptions) -> None:
        self._cache, self._options = cache, options
        self._visits = Visits(len(cache), options.seed)

    def __getitem__(self, step: int) -> Batch:
        options = self._options
        first = step * options.batch_size
        visits = range(first + options.rank, first + options.batch_size, options.num_ranks)
        crops = [self._crop(visit) for visit in visits]
        return pack([utt for utt, _ in crops], [frames for _, frames in crops])

    def _crop(self, visit: int) -> tuple[str, Tensor]:
        position = self._visits[visit]
        surplus = max(0, int(self._cache.lengths[position]) - self._options.crop_frames)
        length = int(self._cache.lengths[position]) - surplus
        # The stream of a visit must not be that of a pass of the same number.
        random = np.random.default_rng([self._options.seed, visit, 1])
        start = int(random.integers(surplus + 1))
        frames = self._cache.crop(position, start, length)
        return self._cache.utt_id(position), torch.from_numpy(frames.copy())


class CachedUtterances(Dataset):
    """Validation batches: every utterance whole, about as many frames as a training batch has.

    Args:
        cache: The features.
        options: What is asked for.

    Raises:
        ConfigError: If there are fewer utterances than processes.
    """

    def __init__(self, cache: FeatureCache, options: CropOptions) -> None:
        self._cache, self._options = cache, options
        if len(cache) < options.num_ranks:
            raise ConfigError(
                f"{cache.path}: {len(cache)} utterances cannot be shared by {options.num_ranks} "
                "processes"
            )
        self._batches = list(self._plan(options.batch_size * options.crop_frames))

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, number: int) -> Batch:
        mine = self._batches[number][self._options.rank :: self._options.num_ranks]
        lengths = self._cache.lengths
        pieces = [self._cache.crop(position, 0, int(lengths[position])) for position in mine]
        ids = [self._cache.utt_id(position) for position in mine]
        return pack(ids, [torch.from_numpy(piece.copy()) for piece in pieces])

    def _plan(self, num_frames: int) -> Iterator[range]:
        """Cut the positions; no batch has fewer utterances than there are processes."""
        begin, total, count = 0, 0, len(self._cache)
        for position, length in enumerate(self._cache.lengths.tolist(), 1):
            total += length
            enough = position - begin >= self._options.num_ranks
            if position == count or (
                enough and total >= num_frames and count - position >= self._options.num_ranks
            ):
                yield range(begin, position)
                begin, total = position, 0


class StepLoader(AbsIterFactory):
    """A data loader for each epoch over a data set of whole batches.

    Args:
        batches: The data set.
        numbers: Numbers of an epoch's batches.
        num_workers: Processes that read ahead.
        pin_memory: Whether batches go to a GPU.
    """

    def __init__(
        self,
        batches: Dataset,
        numbers: Callable[[int], range],
        num_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        self._batches, self._numbers = batches, numbers
        self._num_workers, self._pin_memory = num_workers, pin_memory

    def build_iter(self, epoch: int, shuffle: bool | None = None) -> DataLoader:
        """Build the iterator of an epoch, counted from 1."""
        return DataLoader(
            self._batches,
            batch_size=None,
            sampler=self._numbers(epoch),
            num_workers=self._num_workers,
            pin_memory=self._pin_memory,
        )


def cached_training(
    cache: FeatureCache, options: CropOptions, num_workers: int = 0, pin_memory: bool = False
) -> StepLoader:
    """Crops of a cache, ``options.steps`` batches an epoch."""

    def numbers(epoch: int) -> range:
        return range((epoch - 1) * options.steps, epoch * options.steps)

    return StepLoader(CachedCrops(cache, options), numbers, num_workers, pin_memory)


def cached_validation(
    cache: FeatureCache, options: CropOptions, num_workers: int = 0, pin_memory: bool = False
) -> StepLoader:
    """Whole utterances of a cache, each once."""
    batches = CachedUtterances(cache, options)
    return StepLoader(batches, lambda _: range(len(batches)), num_workers, pin_memory)
