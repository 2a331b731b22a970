"""EnCodecMAE: a masked autoencoder that predicts the units of a codec (arXiv 2309.07391).

Masked frames are taken away before the encoder, so that it sees half of the frames; the decoder
gets the others back in their places, with zeros where frames were masked.

Legend: B utterances, T frames of the longest, N frames of all utterances together, F width of the
input, D width of the model, L layers of the encoder, Q codebooks.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from codec_ssl.config_sections import make_part
from codec_ssl.errors import ConfigError
from codec_ssl.nn.eval_mode import in_eval_mode
from codec_ssl.nn.masking import GapMasking
from codec_ssl.nn.packed import PackedLayout
from codec_ssl.nn.positions import ScaledPositions
from codec_ssl.nn.transformer import TransformerEncoder
from codec_ssl.ssl.mae_objective import WeightedPrediction

# The authors' base model.
STACK_DEFAULTS: dict[str, Any] = {
    "dim": 768,
    "num_layers": 10,
    "num_heads": 12,
    "ffn_dim": 4096,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "activation_dropout": 0.0,
    "layerdrop": 0.0,
    "norm": "residual",
    "activation": "relu",
    "attention_bias": False,
    "share_ffn": True,
    "init": "xavier",
}
DECODER_LAYERS = 2
_EVAL_SEED = 0


class EncodecMAE(nn.Module):
    """Encoder of visible frames, decoder of all frames, and heads for the units to predict.

    Args:
        input_dim: F, width of the frozen features that go in.
        encoder: Without positions of its own; L layers.
        decoder: Likewise, of the same width.
        masking: Draws the masked frames.
        objective: Heads and loss.
        share_positions: Whether encoder and decoder have one gain of positions (the paper's first
            version) or one each (the second).
        encode_masked: Leave masked frames in the encoder's input, as zeros with their positions:
            an ablation, whose encoder costs twice as much.

    Raises:
        ConfigError: The widths differ.
    """

    def __init__(
        self,
        input_dim: int,
        encoder: TransformerEncoder,
        decoder: TransformerEncoder,
        masking: GapMasking,
        objective: WeightedPrediction,
        *,
        share_positions: bool = False,
        encode_masked: bool = False,
    ) -> None:
        super().__init__()
        dim = encoder.dim
        if decoder.dim != dim:
            raise ConfigError(f"decoder has width {decoder.dim}, the encoder {dim}")
        self.projection = nn.Linear(input_dim, dim)
        self.positions = ScaledPositions(dim)
        self.encoder = encoder
        self.bridge = nn.Linear(dim, dim)
        self.decoder_positions = self.positions if share_positions else ScaledPositions(dim)
        self.decoder = decoder
        self.masking = masking
        self.objective = objective
        self.encode_masked = encode_masked
        for part in (self.projection, self.bridge, *objective.heads.values()):
            nn.init.xavier_uniform_(part.weight)
            nn.init.zeros_(part.bias)

    @property
    def num_layers(self) -> int:
        """Number of the last layer of features: L + 1, see ``extract``."""
        return self.encoder.num_layers + 1

    def forward(
        self,
        features: Tensor,
        lengths: Tensor,
        codes: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor | float], int]:
        """Compute the loss of one packed batch.

        In eval mode the mask depends on the lengths only, so that validation losses of different
        epochs compare the same frames. (The authors mask nothing when they validate.)

        Args:
            features: Frozen features of all utterances end to end, ``(N, F)``.
            lengths: Frames of each utterance ``(B,)``, with sum N.
            codes: Codes ``(N, Q)``.
            labels: Labels ``(N, 1)``.

        Returns:
            The loss; statistics, detached; the number of masked frames, as its weight.
        """
        layout = PackedLayout.from_lengths(lengths, features.device)
        generator = None if self.training else torch.Generator().manual_seed(_EVAL_SEED)
        mask = self.masking(torch.tensor(layout.lengths), generator)
        masked, visible = (
            chosen.nonzero().squeeze(1).to(features.device, non_blocking=True)
            for chosen in (mask, ~mask)
        )
        encoded = self._encode(self.projection(features), layout, mask, masked, visible)
        hidden = self.decoder(encoded + self.decoder_positions(encoded, layout), layout).last
        targets = {"codes": codes, "labels": labels}
        loss, stats = self.objective(hidden, masked, visible, targets)
        share = masked.numel() / layout.num_frames
        return loss, {"loss": loss.detach(), **stats, "masked_fraction": share}, masked.numel()

    def _encode(
        self, x: Tensor, layout: PackedLayout, mask: Tensor, masked: Tensor, visible: Tensor
    ) -> Tensor:
        """Encode what is visible and put it in its places among zeros: ``(N, D)``."""
        if self.encode_masked:
            x = x.index_fill(0, masked, 0.0)
            return self.bridge(self.encoder(x + self.positions(x, layout), layout).last)
        x = (x + self.positions(x, layout)).index_select(0, visible)
        x = self.bridge(self.encoder(x, layout.kept(~mask)).last)
        return x.new_zeros(layout.num_frames, x.size(1)).index_copy(0, visible, x)

    @torch.no_grad()
    def extract(
        self,
        features: Tensor,
        lengths: Tensor,
        layers: Sequence[int],
        max_frames: int | None = None,
    ) -> dict[int, Tensor]:
        """Compute layer features without masking, whatever mode the model is in.

        Args:
            features: ``(B, T, F)``; padding may hold any number.
            lengths: Frames of each utterance ``(B,)``.
            layers: Wanted layers: 0 the input to the first layer; 1 to L the normalised stream of
                each layer, which self-training clusters; L + 1 the output of the encoder, which is
                layer L plus ResiDual's normalised second stream.
            max_frames: Longer utterances are encoded in pieces of near-equal length, as the model
                has seen no longer ones; None never cuts.

        Returns:
            ``{layer: (B, T, D)}`` with zeros as padding, T the longest length.

        Raises:
            ConfigError: A layer doesn't exist.
        """
        if not layers or min(layers) < 0 or max(layers) > self.num_layers:
            raise ConfigError(f"layers must be in 0..{self.num_layers}, not {layers}")
        layout = PackedLayout.from_lengths(lengths, features.device)
        pieces = layout if max_frames is None else layout.cut(max_frames)
        depth = min(max(layers), self.encoder.num_layers)
        with in_eval_mode(self.projection, self.encoder):
            x = self.projection(layout.pack(features))
            x = x + self.positions(x, pieces)
            out = self.encoder(x, pieces, layers=layers, stop_after=depth)
        found = {**out.hidden, self.num_layers: out.last}
        return {layer: layout.pad(found[layer]) for layer in layers}


def build_encodecmae(config: Mapping[str, Any]) -> EncodecMAE:
    """Build a model from a plain mapping, the same keys as in the training YAML.

    Args:
        config: ``input_conf`` (its ``width`` is F), ``encoder_conf``, ``decoder_conf`` (what it
            leaves out is as in the encoder, but for the 2 layers), ``masking_conf``, ``target``,
            ``target_conf`` (with ``sizes`` of the codebooks and ``num_classes`` of the labels),
            ``share_positions``, ``encode_masked``; other keys are not looked at.

    Raises:
        ConfigError: An option is unknown, missing or wrong.
    """
    width = (config.get("input_conf") or {}).get("width")
    if width is None:
        raise ConfigError("input_conf: expected width, which the training fills in, found none")
    given = {**STACK_DEFAULTS, **(config.get("encoder_conf") or {})}
    deep = {**given, "num_layers": DECODER_LAYERS, **(config.get("decoder_conf") or {})}
    encoder = make_part(TransformerEncoder, "encoder_conf", given, positions="none")
    decoder = make_part(TransformerEncoder, "decoder_conf", deep, positions="none")
    return EncodecMAE(
        width,
        encoder,
        decoder,
        make_part(GapMasking, "masking_conf", config.get("masking_conf") or {}),
        make_part(
            WeightedPrediction,
            "target_conf",
            config.get("target_conf") or {},
            dim=encoder.dim,
            target=config.get("target", "codes"),
        ),
        share_positions=bool(config.get("share_positions", False)),
        encode_masked=bool(config.get("encode_masked", False)),
    )
