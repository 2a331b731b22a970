"""Packed batches: utterances laid end to end, without padding.

Legend: B utterances, T frames of the longest, N frames of all utterances together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class PackedLayout:
    """Where each utterance of a packed batch ``(N, ...)`` lies.

    Attributes:
        lengths: Frames of each utterance, on the host, so that no step waits for the device.
        starts: First frame of each utterance and N at the end, int32 ``(B + 1,)``.
        owner: Utterance of each frame, int64 ``(N,)``.
        position: Place of each frame in its utterance, int64 ``(N,)``.
        max_length: Frames of the longest utterance, T.
    """

    lengths: tuple[int, ...]
    starts: Tensor
    owner: Tensor
    position: Tensor
    max_length: int

    @classmethod
    def from_lengths(
        cls, lengths: Tensor | Sequence[int], device: torch.device | str = "cpu"
    ) -> "PackedLayout":
        """Lay out utterances of the given lengths.

        Args:
            lengths: Frames of each utterance, ``(B,)``, all at least 1.
            device: Where the index tensors are needed.

        Raises:
            ValueError: A length is below 1.
        """
        host = torch.as_tensor(lengths).to("cpu", torch.int64)
        if host.numel() == 0 or int(host.min()) < 1:
            raise ValueError(f"every utterance needs at least one frame, lengths are {host}")
        starts = torch.zeros(host.numel() + 1, dtype=torch.int64)
        torch.cumsum(host, 0, out=starts[1:])
        owner = torch.repeat_interleave(host)
        position = torch.arange(owner.numel()) - starts[owner]
        return cls(
            lengths=tuple(host.tolist()),
            starts=starts.to(device, torch.int32, non_blocking=True),
            owner=owner.to(device, non_blocking=True),
            position=position.to(device, non_blocking=True),
            max_length=int(host.max()),
        )

    @classmethod
    def of_next(cls, position: Tensor) -> "PackedLayout":
        """Lay out one further frame of each sequence.

        Args:
            position: Place of that frame in its sequence, int64 ``(B,)``.
        """
        count = len(position)
        numbers = torch.arange(count + 1, device=position.device)
        return cls(
            lengths=(1,) * count,
            starts=numbers.to(torch.int32),
            owner=numbers[:-1],
            position=position,
            max_length=1,
        )

    def kept(self, keep: Tensor) -> "PackedLayout":
        """Lay out what is left when frames are taken away, places counted anew.

        Args:
            keep: True for the frames that stay, ``(N,)`` on the CPU, one an utterance at least.

        Raises:
            ValueError: An utterance would lose all its frames.
        """
        total = torch.zeros(keep.numel() + 1, dtype=torch.int64)
        torch.cumsum(keep, 0, out=total[1:])
        ends = torch.tensor(self.lengths).cumsum(0)
        return PackedLayout.from_lengths(total[ends].diff(prepend=total[:1]), self.owner.device)

    def cut(self, max_frames: int) -> "PackedLayout":
        """Lay out the same frames as pieces of near-equal length, at most so many frames each."""
        pieces: list[int] = []
        for length in self.lengths:
            count = -(-length // max_frames)
            edges = [number * length // count for number in range(count + 1)]
            pieces += [end - begin for begin, end in pairwise(edges)]
        return PackedLayout.from_lengths(pieces, self.owner.device)

    @property
    def batch_size(self) -> int:
        """Number of utterances, B."""
        return len(self.lengths)

    @property
    def num_frames(self) -> int:
        """Frames of all utterances together, N."""
        return self.owner.numel()

    def slots(self, stride: int | None = None) -> Tensor:
        """Row of each frame in a padded batch of ``stride`` rows an utterance, int64 ``(N,)``."""
        return self.owner * (stride or self.max_length) + self.position

    def spaced(self, gap: int) -> Tensor:
        """Row of each frame where ``gap`` rows lie between neighbours, int64 ``(N,)``."""
        return torch.arange(self.num_frames, device=self.owner.device) + self.owner * gap

    def pack(self, padded: Tensor) -> Tensor:
        """Drop the padding: ``(B, T', ...)`` with T' >= T to ``(N, ...)``."""
        return padded.flatten(0, 1).index_select(0, self.slots(padded.size(1)))

    def pad(self, packed: Tensor) -> Tensor:
        """Pad with zeros: ``(N, ...)`` to ``(B, T, ...)``."""
        shape = (self.batch_size * self.max_length, *packed.shape[1:])
        padded = packed.new_zeros(shape).index_copy(0, self.slots(), packed)
        return padded.unflatten(0, (self.batch_size, self.max_length))

    def mean(self, packed: Tensor) -> Tensor:
        """Mean over the frames of each utterance: ``(N, D)`` to ``(B, D)``."""
        total = packed.new_zeros(self.batch_size, *packed.shape[1:])
        total.index_add_(0, self.owner, packed)
        return total / self.starts.diff().unsqueeze(-1)

    def means(self, packed: Tensor) -> Tensor:
        """The mean of its utterance at every frame: ``(N, D)``."""
        return self.mean(packed)[self.owner]
