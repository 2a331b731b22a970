"""Finite scalar quantization: each dimension of a latent is rounded to a few levels.

There is no codebook to learn, to lose or to commit to: the levels of a group's dimensions span a
grid, and a code is the number of one of its points. Formulas of arXiv 2309.15505 with NeMo's
constants; Codec-ASR (arXiv 2407.03495) has 8 groups of [8, 5, 5, 5] levels.

Legend: B batch, T frames, G groups, E dimensions of a group, D = G * E, L levels of a dimension,
K = product of L points of a group's grid.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

# The outermost levels must be reachable by a finite input.
_MARGIN = 1e-3
# Added to the variances of a latent that is standardized: that of a fresh encoder may be tiny.
_LEAST_VARIANCE = 1e-8
# Share of a batch in the moving averages.
_MOMENTUM = 0.1


class FiniteScalarQuantizer(nn.Module):
    """G groups of E dimensions, each group with a grid of its own.

    A dimension x becomes ``y = s tanh(x + tan(o / s)) - o`` with ``s = (L - 1) / 2 (1 - 1e-3)``
    and ``o`` 1/2 if L is even, else 0, is rounded with a straight-through gradient and divided
    by ``L // 2``: about [-1, 1]. Its digit is the rounded value plus ``L // 2``, and the code of
    a group is the number with these digits, the first dimension being the least significant.

    Args:
        num_groups: G.
        levels: L of each dimension of a group, ``(E,)``.
        standardize: Bring every dimension to mean 0 and deviation 1 over the frames of a batch
            in training, and by their moving averages afterwards (`torch.nn.BatchNorm1d`), and
            say how redundant the dimensions are. Small trainings need both: a fresh encoder's
            latent is so quiet that it reaches only the middle levels, and the first gradients
            make loudness of all dimensions. The papers do without.

    Raises:
        ValueError: A dimension with less than two levels, or no group.
    """

    def __init__(
        self,
        num_groups: int = 8,
        levels: Sequence[int] = (8, 5, 5, 5),
        standardize: bool = False,
    ) -> None:
        super().__init__()
        if num_groups < 1 or not levels or min(levels) < 2:
            raise ValueError(f"expected groups, and levels from 2 on, found {num_groups}, {levels}")
        self.num_groups = num_groups
        self.levels = tuple(int(level) for level in levels)
        self.standardize = standardize
        counts = torch.tensor(self.levels * num_groups)[:, None]
        places = [math.prod(self.levels[:e]) for e in range(len(self.levels))]
        offset = (counts % 2 == 0) * 0.5
        scale = (counts - 1) / 2 * (1 - _MARGIN)
        constants = {
            "_half": counts // 2,
            "_scale": scale,
            "_offset": offset,
            "_shift": (offset / scale).tan(),
            "_places": torch.tensor(places)[:, None],
        }
        for name, value in constants.items():
            self.register_buffer(name, value, persistent=False)
        self.norm: nn.Module = nn.Identity()
        if standardize:
            self.norm = nn.BatchNorm1d(len(counts), eps=_LEAST_VARIANCE, affine=False)

    @property
    def codebook_size(self) -> int:
        """K."""
        return math.prod(self.levels)

    @property
    def dimension(self) -> int:
        """D."""
        return self.num_groups * len(self.levels)

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Quantize ``(B, D, T)``.

        Returns:
            Points of the grids ``(B, D, T)`` float32 with the gradient of the unrounded values;
            codes ``(G, B, T)`` int64; and the redundancy in training, a loss: the squared
            correlations of a dimension with the D - 1 others, summed, and averaged over the
            dimensions (the covariance term of VICReg, arXiv 2105.04906). It is 0 where nothing
            is standardized.
        """
        latent = latent.float()
        if self.standardize and self.training:
            # The first batch replaces the initial averages, which a short training would keep.
            self.norm.momentum = _MOMENTUM if self.steps else 1.0
        latent = self.norm(latent)
        bounded = self._bound(latent)
        rounded = bounded.detach().round()
        points = (bounded + (rounded - bounded).detach()) / self._half
        redundancy = latent.new_zeros(())
        if self.standardize and self.training:
            redundancy = _redundancy(latent)
        return points, self._number(rounded), redundancy

    @property
    def steps(self) -> int | None:
        """Batches that set the scale of the latent; None where nothing does."""
        return int(self.norm.num_batches_tracked) if self.standardize else None

    def encode(self, latent: Tensor) -> Tensor:
        """Return the codes ``(G, B, T)`` of ``(B, D, T)``."""
        return self._number(self._bound(self.norm(latent.float())).round())

    def decode(self, codes: Tensor) -> Tensor:
        """Return the points ``(B, D, T)`` of codes ``(G', B, T)``; groups left out are 0."""
        points = self.grid()[codes].permute(1, 0, 3, 2).flatten(1, 2)
        missing = self.dimension - points.size(1)
        return nn.functional.pad(points, (0, 0, 0, missing))

    def grid(self) -> Tensor:
        """Points of a group by their codes: ``(K, E)``."""
        codes = torch.arange(self.codebook_size, device=self._half.device)
        counts = torch.tensor(self.levels, device=codes.device)
        digits = codes[:, None] // self._places[:, 0] % counts
        half = self._half[: len(counts), 0]
        return (digits - half) / half

    def vectors(self) -> Tensor:
        """Points in the latent's space ``(G, K, D)``: 0 outside a group's own dimensions.

        Their sum over the groups is the quantized latent.
        """
        size = len(self.levels)
        vectors = torch.zeros(
            self.num_groups, self.codebook_size, self.dimension, device=self._half.device
        )
        for group, rows in enumerate(vectors):
            rows[:, group * size : (group + 1) * size] = self.grid()
        return vectors

    def _bound(self, latent: Tensor) -> Tensor:
        """Squash each dimension ``(B, D, T)`` into the range that rounds to its levels."""
        return self._scale * torch.tanh(latent + self._shift) - self._offset

    def _number(self, rounded: Tensor) -> Tensor:
        """Codes ``(G, B, T)`` of rounded values ``(B, D, T)``."""
        digits = (rounded.long() + self._half).unflatten(1, (self.num_groups, -1))
        return (digits * self._places).sum(2).transpose(0, 1)


def _redundancy(latent: Tensor) -> Tensor:
    """Squared correlations between the standardized dimensions of ``(B, D, T)``."""
    rows = latent.transpose(0, 1).flatten(1)
    correlations = rows @ rows.t() / rows.size(1)
    others = correlations.square().sum() - correlations.diagonal().square().sum()
    return others / len(rows)
