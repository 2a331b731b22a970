"""Scores of all entries of several codebooks, in one matrix product.

Legend: M frames, Q codebooks, K entries of the largest, D width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class CodebookHeads(nn.Linear):
    """One linear head a codebook.

    Args:
        dim: Width D.
        sizes: Entries of each codebook; they may differ.
    """

    def __init__(self, dim: int, sizes: Sequence[int]) -> None:
        self.size = max(sizes)
        super().__init__(dim, len(sizes) * self.size)
        absent = torch.arange(self.size) >= torch.tensor(sizes).unsqueeze(1)
        self.register_buffer("absent", absent, persistent=False)
        self.even = min(sizes) == self.size

    def forward(self, hidden: Tensor) -> Tensor:
        """Scores ``(M, Q, K)`` of ``(M, D)``; minus infinity beyond a smaller codebook's size."""
        logits = super().forward(hidden).unflatten(1, (-1, self.size))
        return logits if self.even else logits.masked_fill(self.absent, -torch.inf)
