"""The Transformer encoder, on packed batches; causal, it is a decoder-only language model's.

Legend: N frames of all utterances together, D width, H heads.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec_ssl.nn.attention import BACKENDS, attend, keep_out_of_graphs
from codec_ssl.nn.beam_cache import BeamCache
from codec_ssl.nn.dropout import Dropout
from codec_ssl.nn.packed import PackedLayout
from codec_ssl.nn.positions import ConvPositions, SinusoidalPositions


class EncoderOutput(NamedTuple):
    """What an encoder gives back.

    Attributes:
        last: Output ``(N, D)`` of the last layer that ran.
        hidden: Requested layers, ``{layer: (N, D)}``; 0 is the input to the first layer.
        ffn: Requested feed-forward outputs before the residual sum, ``{layer: (N, D)}``.
    """

    last: Tensor
    hidden: dict[int, Tensor]
    ffn: dict[int, Tensor]


class SelfAttention(nn.Module):
    """Multi-head self-attention within each utterance, with one fused input projection."""

    def __init__(
        self,
        dim: int,
        num_heads: int,
        dropout: float,
        backend: str = "auto",
        causal: bool = False,
    ) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"width {dim} cannot be split into {num_heads} heads")
        self.num_heads = num_heads
        self.dropout = dropout
        self.backend = backend
        self.causal = causal
        self.in_proj = nn.Linear(dim, 3 * dim)
        self.out_proj = nn.Linear(dim, dim)

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
    """Linear, GELU, Linear."""

    def __init__(self, dim: int, hidden_dim: int, activation_dropout: float) -> None:
        super().__init__()
        self.linear1 = nn.Linear(dim, hidden_dim)
        self.linear2 = nn.Linear(hidden_dim, dim)
        self.dropout = Dropout(activation_dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Apply: ``(N, D)`` to ``(N, D)``."""
        return self.linear2(self.dropout(F.gelu(self.linear1(x))))


class TransformerLayer(nn.Module):
    """Self-attention and feed-forward, each with dropout, residual and LayerNorm.

    Args:
        dim: Width D.
        num_heads: Attention heads.
        ffn_dim: Width inside the feed-forward.
        dropout: On the output of both parts.
        attention_dropout: On the attention weights.
        activation_dropout: Inside the feed-forward.
        norm: ``post`` (LayerNorm after each residual sum, HuBERT base) or ``pre``.
        attention: Backend, see ``codec_ssl.nn.attention.attend``.
        causal: Whether frames see only those before them.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        ffn_dim: int,
        dropout: float,
        attention_dropout: float,
        activation_dropout: float,
        norm: str,
        attention: str,
        causal: bool,
    ) -> None:
        super().__init__()
        self.attention = SelfAttention(dim, num_heads, attention_dropout, attention, causal)
        self.attention_norm = nn.LayerNorm(dim)
        self.feed_forward = FeedForward(dim, ffn_dim, activation_dropout)
        self.final_norm = nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)
        self.norm = norm

    def forward(
        self, x: Tensor, layout: PackedLayout, cache: BeamCache | None = None
    ) -> tuple[Tensor, Tensor]:
        """Apply to ``(N, D)``: the output and the feed-forward's part of it, both ``(N, D)``."""
        if self.norm == "pre":
            x = x + self.dropout(self.attention(self.attention_norm(x), layout, cache))
            ffn = self.feed_forward(self.final_norm(x))
            return x + self.dropout(ffn), ffn
        x = self.attention_norm(x + self.dropout(self.attention(x, layout, cache)))
        ffn = self.feed_forward(x)
        return self.final_norm(x + self.dropout(ffn)), ffn


class TransformerEncoder(nn.Module):
    """Positions, then a stack of Transformer layers; the defaults are HuBERT base.

    Args:
        dim: Width D.
        num_layers: Number of layers.
        num_heads: Attention heads.
        ffn_dim: Width inside the feed-forward.
        dropout: On the input and on the outputs of attention and feed-forward.
        attention_dropout: On the attention weights.
        activation_dropout: Inside the feed-forward.
        layerdrop: Probability of skipping a layer in training. Skipped layers get no gradient:
            DistributedDataParallel needs find_unused_parameters then.
        norm: ``post`` or ``pre``.
        positions: ``conv``, ``sinusoidal`` or ``none``.
        conv_pos_kernel: Taps of the convolutional positions.
        conv_pos_groups: Their groups.
        conv_pos_depth: Their number of convolutions (HuBERT 1, DinoSR 5 with 95 taps in all).
        attention: Backend, see ``codec_ssl.nn.attention.attend``.
        causal: Whether frames see only those before them; not with convolutional positions.
    """

    def __init__(
        self,
        dim: int = 768,
        num_layers: int = 12,
        num_heads: int = 12,
        ffn_dim: int = 3072,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        activation_dropout: float = 0.0,
        layerdrop: float = 0.05,
        norm: str = "post",
        positions: str = "conv",
        conv_pos_kernel: int = 128,
        conv_pos_groups: int = 16,
        conv_pos_depth: int = 1,
        attention: str = "auto",
        causal: bool = False,
    ) -> None:
        super().__init__()
        _check_choice("norm", norm, ("post", "pre"))
        _check_choice("positions", positions, ("conv", "sinusoidal", "none"))
        _check_choice("attention", attention, ("auto", *BACKENDS))
        if causal:
            # The taps of the convolution reach forward.
            _check_choice("positions of a causal model", positions, ("sinusoidal", "none"))
        self.dim = dim
        self.layerdrop = layerdrop
        self.norm = norm
        self.layers = nn.ModuleList(
            TransformerLayer(
                dim,
                num_heads,
                ffn_dim,
                dropout,
                attention_dropout,
                activation_dropout,
                norm,
                attention,
                causal,
            )
            for _ in range(num_layers)
        )
        self.layers.apply(_init_as_bert)
        self.positions: nn.Module | None = None
        if positions == "conv":
            self.positions = ConvPositions(dim, conv_pos_kernel, conv_pos_groups, conv_pos_depth)
        elif positions == "sinusoidal":
            self.positions = SinusoidalPositions(dim)
        self.layer_norm = nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)

    @property
    def num_layers(self) -> int:
        """Number of layers."""
        return len(self.layers)

    def compile_layers(self) -> None:
        """Compile each layer in place; the names of the parameters stay."""
        keep_out_of_graphs()
        for layer in self.layers:
            layer.compile(dynamic=True)

    def forward(
        self,
        x: Tensor,
        layout: PackedLayout,
        layers: Collection[int] = (),
        ffn_layers: Collection[int] = (),
        stop_after: int | None = None,
        caches: Sequence[BeamCache] | None = None,
    ) -> EncoderOutput:
        """Encode packed frames.

        Args:
            x: Input ``(N, D)``.
            layout: Where the utterances lie.
            layers: Layers whose output is wanted (0: the input to the first layer).
            ffn_layers: Layers whose feed-forward output before the residual sum is wanted;
                those that layerdrop skips are missing from the answer.
            stop_after: Number of layers to run; None runs all. Pre-norm's final LayerNorm
                belongs to the last layer's output.
            caches: One a layer, for a causal model in eval mode: filled by a first call with the
                prefixes, grown by later ones with ``PackedLayout.of_next``.
        """
        if self.positions is not None:
            x = x + self.positions(x, layout)
        if self.norm == "post":
            x = self.layer_norm(x)
        x = self.dropout(x)
        hidden, ffn = {0: x}, {}
        for number in range(1, 1 + (self.num_layers if stop_after is None else stop_after)):
            if not (self.training and self.layerdrop and torch.rand(()).item() < self.layerdrop):
                cache = None if caches is None else caches[number - 1]
                x, out = self.layers[number - 1](x, layout, cache)
                if number in ffn_layers:
                    ffn[number] = out
            if number == self.num_layers and self.norm == "pre":
                x = self.layer_norm(x)
            if number in layers:
                hidden[number] = x
        return EncoderOutput(x, {n: h for n, h in hidden.items() if n in layers}, ffn)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _init_as_bert(module: nn.Module) -> None:
    """Draw linear weights from N(0, 0.02) and clear their biases, as HuBERT does."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
