"""How frames of speech become places of a sequence: stacked where the data is little, embedded.

A model of few hours of speech does not find out by itself how 50 frames a second go with letters.
Stacking is not in the paper (RepCodec, arXiv 2309.00169), whose models read every frame.

Legend: B utterances, N frames of all of them, n frames a place, N' places, C columns,
Q streams, K units of a stream, D width.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from codec_ssl.frontend.codec_units import CodecUnitFrontend
from codec_ssl.nn.packed import PackedLayout


@dataclass(frozen=True)
class FrameStack:
    """Puts n frames side by side; the last ones are filled with the utterance's last frame.

    Attributes:
        count: n; 1 leaves the frames as they are.
        jitter: Share of the frames that training leaves out or doubles, half of them each: speech
            a little faster or slower. With n > 1 training also begins at any of the first n frames.

    Raises:
        ValueError: A value is out of range.
    """

    count: int = 1
    jitter: float = 0.0

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be 1 or more, not {self.count}")
        if not 0.0 <= self.jitter < 1.0:
            raise ValueError(f"jitter must be in [0, 1), not {self.jitter}")

    def __call__(self, frames: Tensor, lengths: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        """Stack packed frames.

        Args:
            frames: Units or features of all utterances end to end ``(N, C)``.
            lengths: Frames of each utterance ``(B,)``, at least 1.
            training: Whether to begin anywhere, and to jitter.

        Returns:
            ``(N', n C)``, n frames after another, and the places of each utterance ``(B,)``.
        """
        lengths = lengths.cpu()
        if training and (self.jitter or self.count > 1):
            rows, lengths = self._drawn(lengths)
            frames = frames.index_select(0, rows.to(frames.device))
        if self.count == 1:
            return frames, lengths
        starts = lengths.cumsum(0) - lengths
        places = (lengths + self.count - 1) // self.count
        layout = PackedLayout.from_lengths(places)
        within = (layout.position * self.count).unsqueeze(1) + torch.arange(self.count)
        within = torch.minimum(within, lengths[layout.owner].unsqueeze(1) - 1)
        rows = starts[layout.owner].unsqueeze(1) + within
        return frames.index_select(0, rows.flatten().to(frames.device)).view(len(rows), -1), places

    def _drawn(self, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Draw which frames are read: their rows, and how many of each utterance."""
        layout = PackedLayout.from_lengths(lengths)
        chance = torch.rand(layout.num_frames)
        times = 1 + (chance < self.jitter / 2).long() - (chance > 1 - self.jitter / 2).long()
        first = (torch.rand(len(lengths)) * self.count).long().clamp(max=lengths - 1)
        times[layout.position < first[layout.owner]] = 0
        read = torch.zeros_like(lengths).index_add(0, layout.owner, times)
        times[layout.starts[1:].long() - 1] += read == 0  # something must be left
        rows = torch.repeat_interleave(times)
        return rows, read.clamp(min=1)


class UnitEmbedding(nn.Module):
    """Sum of one embedding a stream, and over stacked frames, which share their tables.

    Args:
        sizes: K of each stream.
        dim: D.
        stack: n, frames a place.
    """

    def __init__(self, sizes: Sequence[int], dim: int, stack: int = 1) -> None:
        super().__init__()
        self.stack = stack
        self.lookup = CodecUnitFrontend(
            len(sizes), list(sizes), dim, init="random", output_dim=None, dropout=0.0
        )
        self.scale = math.sqrt(dim)
        # However many embeddings are summed, the model starts with inputs of variance one.
        nn.init.normal_(self.lookup.table, std=(dim * len(sizes) * stack) ** -0.5)

    @property
    def sizes(self) -> list[int]:
        """K of each column of a place, ``n Q`` of them."""
        return self.lookup.sizes * self.stack

    def forward(self, codes: Tensor) -> Tensor:
        """Embed units: ``(N, n Q)`` to ``(N, D)``."""
        each = self.lookup.lookup(codes.view(len(codes) * self.stack, -1))
        return each.view(len(codes), self.stack, -1).sum(1) * self.scale
