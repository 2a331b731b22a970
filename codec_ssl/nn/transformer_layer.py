"""A Transformer layer on packed frames: self-attention, feed-forward, and where LayerNorm goes.

Legend: N frames of all utterances together, D width, H heads, E width of a head.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from codec_ssl.nn.attention import attend
from codec_ssl.nn.beam_cache import BeamCache
from codec_ssl.nn.dropout import Dropout
from codec_ssl.nn.packed import PackedLayout

NORMS = ("post", "pre", "residual")
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "relu": F.relu}


@dataclass(frozen=True)
class LayerOptions:
    """What all layers of a stack have in common.

    Attributes:
        dim: Width D.
        num_heads: Attention heads H.
        ffn_dim: Width inside the feed-forward.
        dropout: On the output of both parts.
        attention_dropout: On the attention weights.
        activation_dropout: Inside the feed-forward.
        norm: ``post`` (LayerNorm after each residual sum, HuBERT base), ``pre``, or ``residual``
            (ResiDual, arXiv 2304.14802: post-norm, and a second stream that is never normalised).
        attention: Backend, see ``codec_ssl.nn.attention.attend``.
        causal: Whether frames see only those before them.
        activation: ``gelu`` or ``relu``.
        attention_bias: Whether the projections of attention have biases.
        head_dim: E; None divides D by the heads.
    """

    dim: int
    num_heads: int
    ffn_dim: int
    dropout: float = 0.0
    attention_dropout: float = 0.0
    activation_dropout: float = 0.0
    norm: str = "post"
    attention: str = "auto"
    causal: bool = False
    activation: str = "gelu"
    attention_bias: bool = True
    head_dim: int | None = None


class LayerOutput(NamedTuple):
    """What a layer gives back.

    Attributes:
        x: Output ``(N, D)``.
        ffn: The feed-forward's part of it, ``(N, D)``.
        residual: ResiDual's second stream ``(N, D)``, None with other norms.
    """

    x: Tensor
    ffn: Tensor
    residual: Tensor | None


class SelfAttention(nn.Module):
    """Multi-head self-attention within each utterance, with one fused input projection.

    Raises:
        ValueError: The width cannot be split into the heads.
    """

    def __init__(self, options: LayerOptions) -> None:
        super().__init__()
        dim, heads = options.dim, options.num_heads
        if options.head_dim is None and dim % heads:
            raise ValueError(
                f"width {dim} cannot be split into {heads} heads; head_dim may say their width"
            )
        inner = heads * (options.head_dim or dim // heads)
        self.num_heads = heads
        self.dropout = options.attention_dropout
        self.backend = options.attention
        self.causal = options.causal
        self.in_proj = nn.Linear(dim, 3 * inner, bias=options.attention_bias)
        self.out_proj = nn.Linear(inner, dim, bias=options.attention_bias)

    def forward(self, x: Tensor, layout: PackedLayout, cache: BeamCache | None = None) -> Tensor:
        """Attend: ``(N, D)`` to ``(N, D)``; a cache is filled first, then asked for the past."""
        q, k, v = self.in_proj(x).unflatten(1, (3, self.num_heads, -1)).unbind(1)
        if cache is not None and cache.is_filled:
            return self.out_proj(cache.attend(q, k, v).flatten(1))
        if cache is not None:
            cache.fill(k, v)
        p = self.dropout if self.training else 0.0
        return self.out_proj(attend(q, k, v, layout, p, self.backend, self.causal).flatten(1))


class FeedForward(nn.Module):
    """Linear, activation, Linear."""

    def __init__(self, options: LayerOptions) -> None:
        super().__init__()
        self.linear1 = nn.Linear(options.dim, options.ffn_dim)
        self.linear2 = nn.Linear(options.ffn_dim, options.dim)
        self.dropout = Dropout(options.activation_dropout)
        self.activation = ACTIVATIONS[options.activation]

    def forward(self, x: Tensor) -> Tensor:
        """Apply: ``(N, D)`` to ``(N, D)``."""
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerLayer(nn.Module):
    """Self-attention and feed-forward, each with dropout, residual and LayerNorm.

    Args:
        options: What the layers of the stack have in common.
        feed_forward: One that other layers use too; None makes one of the layer's own.
    """

    def __init__(self, options: LayerOptions, feed_forward: FeedForward | None = None) -> None:
        super().__init__()
        self.attention = SelfAttention(options)
        self.attention_norm = nn.LayerNorm(options.dim)
        self.feed_forward = feed_forward or FeedForward(options)
        self.final_norm = nn.LayerNorm(options.dim)
        self.dropout = Dropout(options.dropout)
        self.norm = options.norm

    def forward(
        self,
        x: Tensor,
        layout: PackedLayout,
        cache: BeamCache | None = None,
        residual: Tensor | None = None,
    ) -> LayerOutput:
        """Apply to ``(N, D)``.

        Args:
            x: Output of the layer before.
            layout: Where the utterances lie.
            cache: For a causal model, see ``TransformerEncoder.forward``.
            residual: ResiDual's second stream; None for other norms.
        """
        if self.norm == "pre":
            x = x + self.dropout(self.attention(self.attention_norm(x), layout, cache))
            ffn = self.feed_forward(self.final_norm(x))
            return LayerOutput(x + self.dropout(ffn), ffn, None)
        attended = self.dropout(self.attention(x, layout, cache))
        x = self.attention_norm(x + attended)
        ffn = self.feed_forward(x)
        added = self.dropout(ffn)
        if residual is not None:
            residual = residual + attended + added
        return LayerOutput(self.final_norm(x + added), ffn, residual)
