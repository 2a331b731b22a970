"""Dropout whose mask is cheap to draw on a CPU.

torch draws one random number an element; on a CPU that costs more than the layers around it.
Here one 64-bit draw serves four elements, so p is rounded to a multiple of 1/65536.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_LEVELS = 2**16


def keep_mask(shape: torch.Size | tuple[int, ...], p: float) -> Tensor:
    """Draw a boolean CPU mask that is True with probability 1 - p (p rounded to 1/65536)."""
    count = math.prod(shape)
    words = torch.empty((count + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    threshold = round(p * _LEVELS) - _LEVELS // 2
    return (words.view(torch.int16)[:count] >= threshold).view(shape)


class _HostDropout(torch.autograd.Function):
    """Dropout on a CPU that keeps only the boolean mask for the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, p: float) -> Tensor:
        mask = keep_mask(x.shape, p)
        ctx.save_for_backward(mask)
        ctx.scale = 1.0 / (1.0 - p)
        return torch.where(mask, x, 0.0).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return torch.where(mask, grads[0], 0.0).mul_(ctx.scale), None


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """Zero elements of ``x`` with probability p and scale the rest by 1 / (1 - p)."""
    if not training or p == 0.0:
        return x
    if x.is_cpu and not torch.compiler.is_compiling():
        return _HostDropout.apply(x, p)
    return F.dropout(x, p)


class Dropout(nn.Module):
    """Dropout with probability ``p``, off in eval mode."""

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0.0 <= p < 1.0:
            raise ValueError(f"dropout must be in [0, 1), not {p}")
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Apply to a tensor of any shape."""
        return dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """Show p."""
        return f"p={self.p}"
