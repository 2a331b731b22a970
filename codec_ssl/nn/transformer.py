"""The Transformer encoder, on packed batches; causal, it is a decoder-only language model's.

Legend: N frames of all utterances together, D width, H heads.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from codec_ssl.nn.attention import BACKENDS, keep_out_of_graphs
from codec_ssl.nn.beam_cache import BeamCache
from codec_ssl.nn.dropout import Dropout
from codec_ssl.nn.packed import PackedLayout
from codec_ssl.nn.positions import ConvPositions, SinusoidalPositions
from codec_ssl.nn.transformer_layer import (
    ACTIVATIONS,
    NORMS,
    FeedForward,
    LayerOptions,
    SelfAttention,
    TransformerLayer,
)


class EncoderOutput(NamedTuple):
    """What an encoder gives back.

    Attributes:
        last: Output ``(N, D)`` of the last layer that ran; of a whole ResiDual stack, that plus
            the normalised second stream.
        hidden: Requested layers, ``{layer: (N, D)}``; 0 is the input to the first layer. Of
            ResiDual they are the normalised stream, also of the last layer.
        ffn: Requested feed-forward outputs before the residual sum, ``{layer: (N, D)}``.
    """

    last: Tensor
    hidden: dict[int, Tensor]
    ffn: dict[int, Tensor]


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
        norm: ``post``, ``pre`` or ``residual`` (ResiDual), see ``LayerOptions``.
        positions: ``conv``, ``sinusoidal`` or ``none``.
        conv_pos_kernel: Taps of the convolutional positions.
        conv_pos_groups: Their groups.
        conv_pos_depth: Their number of convolutions (HuBERT 1, DinoSR 5 with 95 taps in all).
        attention: Backend, see ``codec_ssl.nn.attention.attend``.
        causal: Whether frames see only those before them; not with convolutional positions.
        activation: Of the feed-forward, ``gelu`` or ``relu``.
        attention_bias: Whether the projections of attention have biases.
        head_dim: Width of a head; None divides D by the heads.
        share_ffn: One feed-forward for all layers (EnCodecMAE).
        init: ``bert`` (weights from N(0, 0.02), as HuBERT) or ``xavier`` (uniform, as ViT).

    Raises:
        ValueError: An option has another value than those named here.
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
        activation: str = "gelu",
        attention_bias: bool = True,
        head_dim: int | None = None,
        share_ffn: bool = False,
        init: str = "bert",
    ) -> None:
        super().__init__()
        _check_choice("norm", norm, NORMS)
        _check_choice("activation", activation, tuple(ACTIVATIONS))
        _check_choice("init", init, tuple(_INITS))
        _check_choice("positions", positions, ("conv", "sinusoidal", "none"))
        _check_choice("attention", attention, ("auto", *BACKENDS))
        if causal:
            # The taps of the convolution reach forward.
            _check_choice("positions of a causal model", positions, ("sinusoidal", "none"))
        self.dim = dim
        self.layerdrop = layerdrop
        self.norm = norm
        options = LayerOptions(
            dim=dim,
            num_heads=num_heads,
            ffn_dim=ffn_dim,
            dropout=dropout,
            attention_dropout=attention_dropout,
            activation_dropout=activation_dropout,
            norm=norm,
            attention=attention,
            causal=causal,
            activation=activation,
            attention_bias=attention_bias,
            head_dim=head_dim,
        )
        shared = FeedForward(options) if share_ffn else None
        self.layers = nn.ModuleList(TransformerLayer(options, shared) for _ in range(num_layers))
        self.layers.apply(_INITS[init])
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
        residual = x if self.norm == "residual" else None
        for number in range(1, 1 + (self.num_layers if stop_after is None else stop_after)):
            if not (self.training and self.layerdrop and torch.rand(()).item() < self.layerdrop):
                cache = None if caches is None else caches[number - 1]
                out = self.layers[number - 1](x, layout, cache, residual)
                x, residual = out.x, out.residual
                if number in ffn_layers:
                    ffn[number] = out.ffn
            if number == self.num_layers and self.norm == "pre":
                x = self.layer_norm(x)
            if number in layers:
                hidden[number] = x
        if residual is not None and stop_after in (None, self.num_layers):
            x = x + self.layer_norm(residual)
        return EncoderOutput(x, {n: h for n, h in hidden.items() if n in layers}, ffn)


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _init_as_bert(module: nn.Module) -> None:
    """Draw linear weights from N(0, 0.02) and clear their biases, as HuBERT does."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _init_as_vit(module: nn.Module) -> None:
    """Draw linear weights from Glorot and Bengio's uniform distribution and clear their biases.

    Queries, keys and values are three matrices in one, each with bounds of its own.
    """
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, SelfAttention):
        for weight in module.in_proj.weight.chunk(3):
            nn.init.xavier_uniform_(weight)


_INITS = {"bert": _init_as_bert, "xavier": _init_as_vit}
