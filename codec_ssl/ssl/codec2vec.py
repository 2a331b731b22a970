"""Codec2Vec: masked prediction on the codes of a neural codec (arXiv 2511.16639).

Legend: B utterances, T frames of the longest, N frames of all utterances together, M masked
frames, Q codebooks, D width.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from codec_ssl.config_sections import make_part
from codec_ssl.errors import ConfigError
from codec_ssl.frontend.codec_units import CodecUnitFrontend, complete_frontend_conf
from codec_ssl.nn.eval_mode import in_eval_mode
from codec_ssl.nn.masking import SpanMasking
from codec_ssl.nn.packed import PackedLayout
from codec_ssl.nn.transformer import TransformerEncoder
from codec_ssl.ssl.targets import (
    ClusterTarget,
    MaskedBatch,
    OnlineTarget,
    ReconstructionTarget,
    Target,
)

_SECTIONS = ("frontend_conf", "encoder_conf", "masking_conf", "target", "target_conf")
_EVAL_SEED = 0


class Codec2Vec(nn.Module):
    """Frontend, learnt mask vector, Transformer, and a target with its head.

    Args:
        frontend: Embeds the codes.
        encoder: Transformer over packed frames.
        masking: Draws the masked frames.
        target: Gives the labels and the loss.
    """

    def __init__(
        self,
        frontend: CodecUnitFrontend,
        encoder: TransformerEncoder,
        masking: SpanMasking,
        target: Target,
    ) -> None:
        super().__init__()
        self.frontend = frontend
        self.encoder = encoder
        self.masking = masking
        self.target = target
        self.mask_vector = nn.Parameter(torch.rand(encoder.dim))

    def forward(
        self,
        codes: Tensor,
        codes_lengths: Tensor,
        labels: Tensor | None = None,
        num_updates: int | None = None,
    ) -> tuple[Tensor, dict[str, Tensor | float], int]:
        """Compute the loss of one packed batch.

        In eval mode the mask depends on the lengths only, so that validation losses of different
        epochs compare the same frames.

        Args:
            codes: Codes of all utterances end to end, ``(N, Q)``.
            codes_lengths: Frames of each utterance, ``(B,)``, with sum N.
            labels: Labels ``(N, 1)``, for the target ``cluster``.
            num_updates: Optimizer steps done; None takes the teacher's own count.

        Returns:
            The loss; statistics, detached; the number of masked frames M, as its weight.
        """
        layout = PackedLayout.from_lengths(codes_lengths, codes.device)
        _check_lengths(layout, codes=codes, labels=labels)
        generator = None if self.training else torch.Generator().manual_seed(_EVAL_SEED)
        mask = self.masking(torch.tensor(layout.lengths), generator)
        masked = mask.nonzero().squeeze(1).to(codes.device, non_blocking=True)
        x = self.frontend.embed(codes, layout)
        if self.target.freezes_frontend(num_updates):
            x = x.detach()
        x = torch.where(
            mask.to(codes.device, non_blocking=True).unsqueeze(1), self.mask_vector.to(x.dtype), x
        )
        hidden = self.encoder(x, layout).last.index_select(0, masked)
        batch = MaskedBatch(
            codes, labels, layout, masked, self.encoder, lambda: self._embed_plainly(codes, layout)
        )
        loss, stats = self.target(hidden, batch)
        share = masked.numel() / layout.num_frames
        return loss, {"loss": loss.detach(), **stats, "masked_fraction": share}, masked.numel()

    def after_update(self, num_updates: int | None = None) -> None:
        """Move the teacher, if there is one; to be called once after each optimizer step.

        Args:
            num_updates: Optimizer steps done, this one included; None counts the calls.
        """
        self.target.after_update(self.encoder, num_updates)

    @torch.no_grad()
    def extract(self, codes: Tensor, lengths: Tensor, layers: Sequence[int]) -> dict[int, Tensor]:
        """Compute layer features without masking and dropout, whatever mode the model is in.

        Args:
            codes: ``(B, T, Q)``; padding may hold any number.
            lengths: Frames of each utterance ``(B,)``.
            layers: Wanted layers, 0 (the input to the first layer) to the number of layers;
                those above the highest are not computed.

        Returns:
            ``{layer: (B, T, D)}`` with zeros as padding, T the longest length.

        Raises:
            ConfigError: A layer doesn't exist.
        """
        if not layers or min(layers) < 0 or max(layers) > self.encoder.num_layers:
            raise ConfigError(f"layers must be in 0..{self.encoder.num_layers}, not {layers}")
        layout = PackedLayout.from_lengths(lengths, codes.device)
        with in_eval_mode(self.frontend, self.encoder):
            x = self.frontend.embed(layout.pack(codes), layout)
            out = self.encoder(x, layout, layers=layers, stop_after=max(layers))
        return {layer: layout.pad(out.hidden[layer]) for layer in layers}

    @torch.no_grad()
    def _embed_plainly(self, codes: Tensor, layout: PackedLayout) -> Tensor:
        return self.frontend.embed(codes, layout, augment=False)


def build_codec2vec(config: Mapping[str, Any], read_codebook: bool = True) -> Codec2Vec:
    """Build a model from a plain mapping, the same keys as in the training YAML.

    Args:
        config: ``frontend_conf``, ``encoder_conf``, ``masking_conf``, ``target``
            (``reconstruction``, ``cluster`` or ``online``) and ``target_conf``; other keys are
            not looked at.
        read_codebook: False leaves the codebook file alone, for a model whose weights are going
            to be loaded; the sizes must then be in ``frontend_conf``.

    Raises:
        ConfigError: An option is unknown, missing or wrong.
    """
    parts = {name: dict(config.get(name) or {}) for name in _SECTIONS if name != "target"}
    frontend_conf = parts["frontend_conf"]
    if read_codebook:
        frontend_conf = complete_frontend_conf(frontend_conf)
    else:
        frontend_conf |= {"codebook": None, "init": "random"}
    encoder = make_part(TransformerEncoder, "encoder_conf", parts["encoder_conf"])
    frontend_conf = {"output_dim": encoder.dim} | frontend_conf
    frontend = make_part(CodecUnitFrontend, "frontend_conf", frontend_conf)
    if frontend.output_size() != encoder.dim:
        raise ConfigError(
            f"frontend gives width {frontend.output_size()}, the encoder wants {encoder.dim}"
        )
    masking = make_part(SpanMasking, "masking_conf", parts["masking_conf"])
    target = _make_target(config.get("target"), parts["target_conf"], frontend, encoder)
    return Codec2Vec(frontend, encoder, masking, target)


def _make_target(
    name: str | None,
    conf: dict[str, Any],
    frontend: CodecUnitFrontend,
    encoder: TransformerEncoder,
) -> Target:
    given: dict[str, tuple[type[Target], dict[str, Any]]] = {
        "reconstruction": (ReconstructionTarget, {"dim": encoder.dim, "sizes": frontend.sizes}),
        "cluster": (ClusterTarget, {"dim": encoder.dim}),
        "online": (OnlineTarget, {"encoder": encoder}),
    }
    if name not in given:
        raise ConfigError(f"target must be one of {', '.join(given)}, not {name!r}")
    kind, fixed = given[name]
    return make_part(kind, "target_conf", conf, **fixed)


def _check_lengths(layout: PackedLayout, **streams: Tensor | None) -> None:
    for name, stream in streams.items():
        if stream is not None and stream.size(0) != layout.num_frames:
            raise ValueError(f"{name} has {stream.size(0)} frames, lengths sum {layout.num_frames}")
