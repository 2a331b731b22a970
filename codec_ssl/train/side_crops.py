"""Batches of crops from streams that lie side by side, as an EnCodecMAE training takes them.

All that is random depends on seed and step alone, as in ``crops.py``.

Legend: U utterances, B crops in a batch, N frames of all of them, S samples of the longest.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from codec_ssl.data.audio import BadAudio
from codec_ssl.errors import DataError
from codec_ssl.train.crops import Batch, CropOptions, StepLoader, Visits
from codec_ssl.train.side_by_side import SideBySide

_MAX_REPLACEMENTS = 10

_logger = logging.getLogger(__name__)


def collate(utt_ids: Sequence[str], pieces: Sequence[Mapping[str, np.ndarray]]) -> Batch:
    """Make a batch of crops.

    Args:
        utt_ids: Of the crops (B).
        pieces: Their streams; ``audio`` is samples, all others are frames.

    Returns:
        The ids; frames end to end ``(N, ...)`` by name, numbers as they are and codes as int64;
        ``audio`` padded ``(B, S)`` with ``audio_lengths`` ``(B,)``.
    """
    batch: dict[str, Tensor] = {}
    for name in pieces[0]:
        parts = [torch.from_numpy(np.array(piece[name])) for piece in pieces]
        if name == "audio":
            batch[name] = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
            batch["audio_lengths"] = torch.tensor([len(part) for part in parts])
        else:
            whole = torch.cat(parts)
            batch[name] = whole if whole.is_floating_point() else whole.long()
    return list(utt_ids), batch


class CropBatches(Dataset):
    """Batches by step; a recording comes once for every crop length that it holds.

    Args:
        data: The streams.
        options: What is asked for.
    """

    def __init__(self, data: SideBySide, options: CropOptions) -> None:
        self._data, self._options = data, options
        counts = np.maximum(1, data.lengths // options.crop_frames)
        self._owners = np.repeat(np.arange(len(data), dtype=np.int64), counts)
        self._visits = Visits(len(self._owners), options.seed)

    def __getitem__(self, step: int) -> Batch:
        options = self._options
        first = step * options.batch_size
        visits = range(first + options.rank, first + options.batch_size, options.num_ranks)
        return _gather(self._data, [self._place(visit) for visit in visits], options.crop_frames)

    def _place(self, visit: int) -> tuple[int, float]:
        # The stream of a visit must not be that of a pass of the same number.
        random = np.random.default_rng([self._options.seed, visit, 1])
        return int(self._owners[self._visits[visit]]), float(random.random())


class FixedBatches(Dataset):
    """Validation batches: of every recording one crop, the same in every epoch.

    Args:
        data: The streams.
        options: What is asked for.

    Raises:
        DataError: There are fewer recordings than processes.
    """

    def __init__(self, data: SideBySide, options: CropOptions) -> None:
        self._data, self._options = data, options
        if len(data) < options.num_ranks:
            raise DataError(
                f"validation: expected a recording for each of {options.num_ranks} processes,"
                f" found {len(data)}"
            )
        self._edges = [*range(0, len(data), options.batch_size), len(data)]
        if len(self._edges) > 2 and self._edges[-1] - self._edges[-2] < options.num_ranks:
            del self._edges[-2]

    def __len__(self) -> int:
        return len(self._edges) - 1

    def __getitem__(self, number: int) -> Batch:
        options = self._options
        mine = range(self._edges[number] + options.rank, self._edges[number + 1], options.num_ranks)
        places = [(at, float(np.random.default_rng([options.seed, at, 2]).random())) for at in mine]
        return _gather(self._data, places, options.crop_frames)


def _gather(data: SideBySide, places: Sequence[tuple[int, float]], crop_frames: int) -> Batch:
    """Crops at places: a recording, and how far into it between 0 and 1."""
    crops = [_readable_crop(data, position, share, crop_frames) for position, share in places]
    lengths = [length for _, length, _ in crops]
    utt_ids, batch = collate([utt for utt, _, _ in crops], [piece for _, _, piece in crops])
    batch["lengths"] = torch.tensor(lengths)
    return utt_ids, batch


def _readable_crop(
    data: SideBySide, position: int, share: float, crop_frames: int
) -> tuple[str, int, dict[str, np.ndarray]]:
    """A crop, or where the audio is broken one of the next recording that isn't."""
    for candidate in _circle(position, len(data)):
        length = min(crop_frames, int(data.lengths[candidate]))
        start = int(share * (int(data.lengths[candidate]) - length + 1))
        try:
            return data.utt_ids[candidate], length, data.crop(candidate, start, length)
        except BadAudio as error:
            _logger.warning("%s; the next recording is used in its place", error)
    raise DataError(
        f"{_MAX_REPLACEMENTS} recordings in a row from {data.utt_ids[position]} on cannot be read",
        stage="data",
    )


def _circle(position: int, count: int) -> Iterator[int]:
    for offset in range(min(_MAX_REPLACEMENTS, count)):
        yield (position + offset) % count


def crop_training(
    data: SideBySide, options: CropOptions, num_workers: int = 0, pin_memory: bool = False
) -> StepLoader:
    """Crops for training, ``options.steps`` batches an epoch."""

    def numbers(epoch: int) -> range:
        return range((epoch - 1) * options.steps, epoch * options.steps)

    return StepLoader(CropBatches(data, options), numbers, num_workers, pin_memory)


def crop_validation(
    data: SideBySide, options: CropOptions, num_workers: int = 0, pin_memory: bool = False
) -> StepLoader:
    """Crops for validation, one a recording."""
    batches = FixedBatches(data, options)
    return StepLoader(batches, lambda _: range(len(batches)), num_workers, pin_memory)


def passes_of(data: SideBySide, crop_frames: int) -> int:
    """Crops of one pass through the data."""
    return int(np.maximum(1, data.lengths // crop_frames).sum())
