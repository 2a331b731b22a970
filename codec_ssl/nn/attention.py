"""Self-attention of packed sequences: each utterance attends to itself alone.

Legend: N frames of all utterances, B utterances, T frames of one, H heads, E width of a head.
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from codec_ssl.nn.dropout import keep_mask
from codec_ssl.nn.packed import PackedLayout

_KERNEL_WIDTH = 8


def attend(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    layout: PackedLayout,
    p: float,
    backend: str = "auto",
    causal: bool = False,
) -> Tensor:
    """Scaled dot-product attention within each utterance.

    Args:
        q: Queries ``(N, H, E)``.
        k: Keys ``(N, H, E)``.
        v: Values ``(N, H, E)``.
        layout: Where the utterances lie.
        p: Dropout on the attention weights (0 outside training).
        backend: ``loop`` goes through the utterances (the choice on a CPU), ``varlen`` is
            torch's variable-length kernel (CUDA, 16 bit, no dropout), ``nested`` a jagged tensor
            (CUDA with dropout or in float32), ``padded`` pads and masks; ``auto`` chooses.
        causal: Whether a frame attends only to itself and to frames before it.

    Returns:
        ``(N, H, E)``.
    """
    if backend == "auto":
        backend = _choose(q, p)
    return BACKENDS[backend](q, k, v, layout, p, causal)


def _choose(q: Tensor, p: float) -> str:
    if not q.is_cuda:
        return "loop"
    return "varlen" if p == 0.0 and q.dtype in (torch.float16, torch.bfloat16) else "nested"


def _loop(q: Tensor, k: Tensor, v: Tensor, layout: PackedLayout, p: float, causal: bool) -> Tensor:
    heads = [x.transpose(0, 1).split(layout.lengths, dim=1) for x in (q, k, v)]
    one = _dropped_attention if p > 0.0 and q.is_cpu else F.scaled_dot_product_attention
    parts = [
        one(*(x.unsqueeze(0) for x in qkv), dropout_p=p, is_causal=causal)
        for qkv in zip(*heads, strict=True)
    ]
    return torch.cat([part.squeeze(0).transpose(0, 1) for part in parts])


def _varlen(
    q: Tensor, k: Tensor, v: Tensor, layout: PackedLayout, p: float, causal: bool
) -> Tensor:
    from torch.nn.attention.varlen import varlen_attn

    if p > 0.0:
        raise ValueError("the varlen kernel has no dropout: use the backend 'nested'")
    longest = layout.max_length
    window = {"window_size": (-1, 0)} if causal else {}
    heads = widen_heads(q, k, v)
    out = varlen_attn(*heads, layout.starts, layout.starts, longest, longest, **window)
    return out[..., : v.size(-1)]


def widen_heads(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Fill up the width of heads ``(N, H, E)`` to a multiple of 8, which GPU kernels want.

    Queries are scaled so that the kernel, which divides by the square root of the new width, gives
    what it would give for E. Heads that fit are returned as they are.
    """
    width = q.size(-1)
    missing = -width % _KERNEL_WIDTH
    if not missing:
        return q, k, v
    q = q * ((width + missing) / width) ** 0.5
    return F.pad(q, (0, missing)), F.pad(k, (0, missing)), F.pad(v, (0, missing))


def _nested(
    q: Tensor, k: Tensor, v: Tensor, layout: PackedLayout, p: float, causal: bool
) -> Tensor:
    if causal and not q.is_cuda:
        raise ValueError("causal attention of the backend 'nested' needs a GPU: use 'loop'")
    offsets = layout.starts.long()
    jagged = [
        torch.nested.nested_tensor_from_jagged(
            x.contiguous(), offsets, min_seqlen=min(layout.lengths), max_seqlen=layout.max_length
        ).transpose(1, 2)
        for x in (q, k, v)
    ]
    out = F.scaled_dot_product_attention(*jagged, dropout_p=p, is_causal=causal)
    return out.transpose(1, 2).values()


def _padded(
    q: Tensor, k: Tensor, v: Tensor, layout: PackedLayout, p: float, causal: bool
) -> Tensor:
    batch = [layout.pad(x).transpose(1, 2) for x in (q, k, v)]
    steps = torch.arange(layout.max_length, device=q.device)
    seen = (steps < layout.starts.diff().unsqueeze(1))[:, None, None]
    if causal:
        seen = seen & (steps <= steps.unsqueeze(1))
    out = F.scaled_dot_product_attention(*batch, attn_mask=seen, dropout_p=p)
    return layout.pack(out.transpose(1, 2))


BACKENDS: dict[str, Callable[..., Tensor]] = {
    "loop": _loop,
    "varlen": _varlen,
    "nested": _nested,
    "padded": _padded,
}


class _DroppedAttention(torch.autograd.Function):
    """Attention with dropout on a CPU, a head at a time so that T x T stays in the cache.

    torch has a fast CPU kernel without dropout only; with dropout it makes one pass after another
    over all heads and draws one random number a weight.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, p: float, causal: bool) -> Tensor:
        heads, frames, width = q.shape
        scale, keep = width**-0.5, 1.0 - p
        weights, mask = q.new_empty(heads, frames, frames), []
        scratch, out = q.new_empty(frames, frames), torch.empty_like(v)
        zero = q.new_zeros(())
        future = torch.ones(frames, frames, dtype=torch.bool).triu_(1) if causal else None
        for head in range(heads):
            mask.append(keep_mask((frames, frames), p))
            torch.mm(q[head] * scale, k[head].t(), out=scratch)
            if future is not None:
                scratch.masked_fill_(future, -torch.inf)
            torch.softmax(scratch, -1, out=weights[head])
            torch.where(mask[head], weights[head], zero, out=scratch)
            torch.mm(scratch, v[head] / keep, out=out[head])
        ctx.save_for_backward(q, k, v, out, weights, *mask)
        ctx.scale, ctx.keep = scale, keep
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        q, k, v, out, weights, *mask = ctx.saved_tensors
        grad = grads[0] / ctx.keep
        dq, dk, dv = torch.empty_like(q), torch.empty_like(k), torch.empty_like(v)
        scratch, zero = torch.empty_like(weights[0]), q.new_zeros(())
        # The gradient of softmax needs sum_j dP_j P_j: it is sum_e dO_e O_e (FlashAttention).
        shift = (grads[0] * out).sum(-1, keepdim=True)
        for head in range(q.size(0)):
            torch.where(mask[head], weights[head], zero, out=scratch)
            torch.mm(scratch.t(), grad[head], out=dv[head])
            torch.mm(grad[head], v[head].t(), out=scratch)
            torch.where(mask[head], scratch, zero, out=scratch)
            scratch.sub_(shift[head]).mul_(weights[head])
            torch.mm(scratch, k[head] * ctx.scale, out=dq[head])
            torch.mm(scratch.t(), q[head] * ctx.scale, out=dk[head])
        return dq, dk, dv, None, None


def _dropped_attention(
    q: Tensor, k: Tensor, v: Tensor, dropout_p: float, is_causal: bool
) -> Tensor:
    return _DroppedAttention.apply(q[0], k[0], v[0], dropout_p, is_causal).unsqueeze(0)


def keep_out_of_graphs() -> None:
    """Tell ``torch.compile`` to call the backends whose shapes follow the utterances as they are.

    Not done by decorators: they import the compiler, seconds in every process that never compiles.
    """
    for name, backend in (("loop", _loop), ("nested", _nested)):
        BACKENDS[name] = torch.compiler.disable(backend)
