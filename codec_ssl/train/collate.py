"""Batches without padding: the frames of all utterances end to end.

Legend: B utterances, T frames of one, N frames of all, Q codebooks.
"""

import zlib
from collections.abc import Collection, Mapping

import numpy as np
import torch
from torch import Tensor

from codec_ssl.errors import DataError

MAX_GAP = 1
Data = Collection[tuple[str, Mapping[str, np.ndarray]]]
Batch = tuple[list[str], dict[str, Tensor]]


def pack_streams(data: Data) -> Batch:
    """Pack every stream by itself, with lengths of its own.

    Args:
        data: Utterance ids with streams ``(T, ...)`` by name; the same names in all of them.

    Returns:
        The ids, and for each name its frames end to end ``(N, ...)`` and, as ``<name>_lengths``,
        how many each utterance has ``(B,)`` int64.
    """
    pieces: dict[str, list[np.ndarray]] = {}
    for _, streams in data:
        for name, stream in streams.items():
            pieces.setdefault(name, []).append(stream)
    batch = {name: torch.from_numpy(np.concatenate(streams)) for name, streams in pieces.items()}
    for name, streams in pieces.items():
        batch[f"{name}_lengths"] = torch.tensor([len(stream) for stream in streams])
    return [utt_id for utt_id, _ in data], batch


class PackedCollate:
    """Packs utterances, crops long ones, and fits labels to codes.

    A crop depends on seed, epoch and utterance id only: not on the number of workers, nor on what
    was drawn before.

    Args:
        max_frames: Longer utterances are cropped to so many frames; None never crops.
        seed: Of the crops.

    Attributes:
        epoch: To be set when an epoch begins; validation leaves it at 0.
    """

    def __init__(self, max_frames: int | None = None, seed: int = 0) -> None:
        self.max_frames = max_frames
        self.seed = seed
        self.epoch = 0

    def __call__(self, data: Data) -> Batch:
        """Make a batch.

        Args:
            data: Utterance ids with ``codes`` (T, Q) and, in all of them or none, ``labels``
                (T, 1), which may differ by one frame.

        Returns:
            The ids, and ``codes`` (N, Q) int64, ``codes_lengths`` (B,) int64, ``labels`` (N, 1).

        Raises:
            DataError: Labels and codes differ by more than one frame.
        """
        pieces: dict[str, list[np.ndarray]] = {}
        lengths = []
        for utt_id, streams in data:
            fitted = self._crop(utt_id, _fit(utt_id, streams))
            lengths.append(len(fitted["codes"]))
            for name, stream in fitted.items():
                pieces.setdefault(name, []).append(stream)
        batch = {
            name: torch.from_numpy(np.concatenate(streams).astype(np.int64, copy=False))
            for name, streams in pieces.items()
        }
        batch["codes_lengths"] = torch.tensor(lengths)
        return [utt_id for utt_id, _ in data], batch

    def _crop(self, utt_id: str, streams: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        surplus = len(streams["codes"]) - (self.max_frames or len(streams["codes"]))
        if surplus <= 0:
            return streams
        generator = np.random.default_rng([self.seed, self.epoch, zlib.crc32(utt_id.encode())])
        start = int(generator.integers(surplus + 1))
        stop = start + len(streams["codes"]) - surplus
        return {name: stream[start:stop] for name, stream in streams.items()}


def _fit(utt_id: str, streams: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Cut codes and labels to their common length."""
    lengths = {name: len(stream) for name, stream in streams.items()}
    shortest = min(lengths.values())
    if max(lengths.values()) - shortest > MAX_GAP:
        raise DataError(
            f"utterance {utt_id}: {lengths['codes']} frames of codes but {lengths['labels']} "
            f"labels; they may differ by {MAX_GAP}",
            stage="labels",
        )
    return {name: stream[:shortest] for name, stream in streams.items()}
