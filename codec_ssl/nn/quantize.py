"""Vector quantization with codebooks that follow the data by moving averages.

Legend: G codebooks side by side or one after another, K entries of each, D width, M vectors.

Papers differ in the update rule. With n_k and s_k the moving count and sum of entry k, c_k and
t_k those of the step, and g the decay:

- ``hit`` (DinoSR, g 0.9): entries that got a vector move, n <- g n + (1 - g) c and
  s <- g s + (1 - g) t, and the entry is s / n; the others stay as they are.
- ``smoothed`` (RepCodec, g 0.8): all entries move so, and the count is Laplace smoothed before
  the division: (n + eps) / (sum n + K eps) * sum n. Counts start at 0, so that an entry without
  vectors leaps to about s / eps and then shrinks by g a step. About 50 steps later it passes the
  data, and is taken up, if they lie around the origin. Nothing else revives a dead entry.
"""

from dataclasses import dataclass

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

# 64 MiB of distances at a time, whatever M and K are.
_CHUNK_DISTANCES = 1 << 24


@torch.no_grad()
def nearest(x: Tensor, vectors: Tensor) -> Tensor:
    """Entry with the smallest L2 distance to each vector, in bounded memory.

    Args:
        x: ``(M, D)``.
        vectors: ``(K, D)`` float32.

    Returns:
        int64 ``(M,)``.
    """
    with torch.autocast(x.device.type, enabled=False):
        # |x - e|^2 / 2 without |x|^2 / 2, which is the same for every entry.
        half_norms = vectors.square().sum(1) / 2
        chunks = x.split(max(1, _CHUNK_DISTANCES // len(vectors)))
        return torch.cat(
            [
                torch.addmm(half_norms, chunk.float(), vectors.t(), alpha=-1.0).argmin(1)
                for chunk in chunks
            ]
        )


def histogram(ids: Tensor, size: int) -> Tensor:
    """Count the entries ``(M, G)`` that each of G codebooks was asked for: float ``(G, K)``."""
    counts = torch.zeros(ids.size(1), size, device=ids.device)
    ones = torch.ones((), device=ids.device).expand_as(ids.t())
    return counts.scatter_add_(1, ids.t(), ones)


def perplexity(counts: Tensor) -> Tensor:
    """exp of the entropy of counts ``(G, K)``: ``(G,)``; 1 means one entry, K all alike."""
    share = counts / counts.sum(1, keepdim=True).clamp(min=1.0)
    return torch.special.entr(share).sum(1).exp()


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
    def start(self, x: Tensor) -> None:
        """Let the entries begin as vectors of the data, drawn at random, on all ranks the same.

        Random entries of rule ``hit`` lie far from all data in many dimensions: the few that get
        a vector at first move in and get all later ones, unless a step has very many.

        Args:
            x: Vectors ``(G, M, D)``; those of rank 0 count.
        """
        if x.size(1):
            drawn = torch.rand(x.shape[:2], device=x.device).argsort(1)
            drawn = drawn[:, torch.arange(self.size, device=x.device) % x.size(1)]
            self.vectors.copy_(x.float().gather(1, drawn.unsqueeze(-1).expand_as(self.vectors)))
        if dist.is_available() and dist.is_initialized():
            dist.broadcast(self.vectors, 0)
        self.sums.copy_(self.vectors)
        self.counts.fill_(1.0)

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


@dataclass(frozen=True, eq=False)
class Quantized:
    """What a residual quantizer makes of vectors.

    Attributes:
        vectors: ``(M, D)``: the sum of the entries, with the gradient of the input.
        ids: Entry of each layer, int64 ``(M, G)``.
        commitment: Mean squared distance of each layer's input to its entry, ``(G,)``. Only the
            first one has a gradient.
    """

    vectors: Tensor
    ids: Tensor
    commitment: Tensor


class ResidualEMAQuantizer(nn.Module):
    """G codebooks one after another, each for what the ones before left over (RepCodec, 3.1).

    As in the authors' code a layer's input is the one before minus its straight-through output.
    The two gradients cancel, so that all layers but the first teach the encoder nothing; here
    they are not even computed.

    Args:
        num_layers: G; 1 is plain vector quantization.
        size: Entries K of each codebook.
        dim: Width D.
        decay: Moving average decay, 0.8 in the authors' code.
        epsilon: Of the Laplace smoothing.
    """

    def __init__(
        self, num_layers: int, size: int, dim: int, decay: float = 0.8, epsilon: float = 1e-5
    ) -> None:
        super().__init__()
        self.codebooks = EMACodebooks(num_layers, size, dim, decay, "smoothed", epsilon)

    def forward(self, x: Tensor) -> Quantized:
        """Quantize ``(M, D)``; in training the codebooks then follow."""
        inputs, entries, ids = self._descend(x.detach().float())
        if self.training:
            self.codebooks.update(torch.stack(inputs), ids.t())
        pairs = zip([x.float(), *inputs[1:]], entries, strict=True)
        commitment = torch.stack([F.mse_loss(source, entry) for source, entry in pairs])
        return Quantized(x + (sum(entries) - x).detach(), ids, commitment)

    def encode(self, x: Tensor) -> Tensor:
        """Entries of vectors ``(M, D)``: int64 ``(M, G)``."""
        return self._descend(x.float())[2]

    def decode(self, ids: Tensor) -> Tensor:
        """Sum of the entries ``(M, G)``: ``(M, D)``."""
        books = self.codebooks.vectors
        return sum(vectors[column] for vectors, column in zip(books, ids.t(), strict=True))

    @torch.no_grad()
    def _descend(self, x: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Input ``(M, D)`` and entries ``(M, D)`` of each layer, and the ids ``(M, G)``."""
        inputs, entries, ids = [], [], []
        for vectors in self.codebooks.vectors:
            inputs.append(x)
            ids.append(nearest(x, vectors))
            entries.append(vectors[ids[-1]])
            x = x - entries[-1]
        return inputs, entries, torch.stack(ids, 1)
