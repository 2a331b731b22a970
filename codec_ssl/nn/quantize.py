"""Vector quantization with codebooks that follow the data by moving averages.

Legend: G codebooks side by side, K entries of each, D width, M vectors.

Papers differ in the update rule. With n_k and s_k the moving count and sum of entry k, c_k and
t_k those of the step, and g the decay:

- ``hit`` (DinoSR, g 0.9): entries that got a vector move, n <- g n + (1 - g) c and
  s <- g s + (1 - g) t, and the entry is s / n; the others stay as they are.
- ``smoothed`` (RepCodec, g 0.8): all entries move so, and the count is Laplace smoothed before
  the division: (n + eps) / (sum n + K eps) * sum n. Nothing revives a dead entry.
"""

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn


class EMACodebooks(nn.Module):
    """G codebooks that assign vectors by distance and follow them by moving averages.

    Counts and sums are added over all ranks of ``torch.distributed``, so that every rank holds
    the same codebooks however many vectors each has; every rank must call ``update`` at the same
    steps. Everything is float32 and outside the parameters.

    Args:
        num_codebooks: G.
        size: Entries K of each codebook.
        dim: Width D.
        decay: Moving average decay g.
        rule: ``hit`` or ``smoothed``.
        epsilon: Of the Laplace smoothing.
    """

    def __init__(
        self,
        num_codebooks: int,
        size: int,
        dim: int,
        decay: float = 0.9,
        rule: str = "hit",
        epsilon: float = 1e-5,
    ) -> None:
        super().__init__()
        if rule not in ("hit", "smoothed"):
            raise ValueError(f"rule must be 'hit' or 'smoothed', not {rule!r}")
        self.size = size
        self.decay = decay
        self.rule = rule
        self.epsilon = epsilon
        sums = torch.randn(num_codebooks, size, dim)
        if rule == "hit":
            # DinoSR's targets have mean 0 and variance 1 a channel; so do its first entries.
            sums = F.instance_norm(sums.transpose(1, 2)).transpose(1, 2).contiguous()
        counts = torch.full((num_codebooks, size), 1.0 if rule == "hit" else 0.0)
        self.register_buffer("sums", sums)
        self.register_buffer("counts", counts)
        self.register_buffer("vectors", sums.clone())

    @torch.no_grad()
    def assign(self, x: Tensor) -> Tensor:
        """Nearest entry by L2 distance: ``(G, M, D)`` to int64 ``(G, M)``."""
        with torch.autocast(x.device.type, enabled=False):
            half_norms = self.vectors.square().sum(-1).unsqueeze(1) / 2
            return torch.baddbmm(
                half_norms, x.float(), self.vectors.transpose(1, 2), alpha=-1.0
            ).argmin(-1)

    @torch.no_grad()
    def update(self, x: Tensor, assignment: Tensor) -> None:
        """Move the codebooks towards this step's vectors.

        Args:
            x: Vectors ``(G, M, D)``; M may be 0 on some ranks.
            assignment: Entry of each vector ``(G, M)``.
        """
        groups, size, dim = self.vectors.shape
        rows = (assignment + size * torch.arange(groups, device=x.device).unsqueeze(1)).flatten()
        # One table for sums and counts, so that ranks meet once a step.
        table = x.new_zeros(groups * size, dim + 1, dtype=torch.float32)
        table[:, :dim].index_add_(0, rows, x.flatten(0, 1).float())
        table[:, dim].index_add_(0, rows, torch.ones_like(rows, dtype=torch.float32))
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(table)
        table = table.view(groups, size, dim + 1)
        self._move(table[..., :dim], table[..., dim])

    def _move(self, sums: Tensor, counts: Tensor) -> None:
        keep = 1.0 - self.decay
        if self.rule == "hit":
            hit = counts > 0
            self.counts.copy_(torch.where(hit, self.counts.lerp(counts, keep), self.counts))
            moved = torch.where(hit.unsqueeze(-1), self.sums.lerp(sums, keep), self.sums)
            self.sums.copy_(moved)
            self.vectors.copy_(self.sums / self.counts.unsqueeze(-1))
            return
        self.counts.lerp_(counts, keep)
        self.sums.lerp_(sums, keep)
        total = self.counts.sum(-1, keepdim=True)
        smoothed = (self.counts + self.epsilon) / (total + self.size * self.epsilon) * total
        self.vectors.copy_(self.sums / smoothed.unsqueeze(-1))
