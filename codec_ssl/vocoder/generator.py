"""HiFi-GAN from units, as Polyak et al. 2021 and Lee et al. 2022a condition it.

Legend: B batch, T frames, U units, Q streams, K entries of a stream, E width of an embedding, D
width of a speaker's vector, S streams of embeddings side by side.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from espnet2.gan_tts.hifigan.hifigan import HiFiGANGenerator
from torch import Tensor, nn

from codec_ssl.errors import ConfigError
from codec_ssl.frontend.codec_units import CodecUnitFrontend
from codec_ssl.nn.conv_mask import masked_convolutions
from codec_ssl.vocoder.duration import DurationPredictor

TABLE, VECTORS = "table", "vectors"
HOP = 320
# speech-resynthesis, configs/VCTK/hubert100_lut.json
PUBLISHED: Mapping[str, Any] = {
    "channels": 512,
    "kernel_size": 7,
    "upsample_scales": [5, 4, 4, 2, 2],
    "upsample_kernel_sizes": [11, 8, 8, 4, 4],
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilations": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
}


@dataclass(frozen=True)
class SpeakerConf:
    """How a generator is told who speaks.

    Attributes:
        kind: ``table``: by a number, of which it learns a vector; ``vectors``: by a vector.
        count: Speakers of a table.
        dim: D.

    Raises:
        ConfigError: There is no such kind, or nobody.
    """

    kind: str = TABLE
    count: int = 1
    dim: int = 256

    def __post_init__(self) -> None:
        if self.kind not in (TABLE, VECTORS) or self.count < 1 or self.dim < 1:
            raise ConfigError(
                f"speakers: expected a {TABLE} or {VECTORS} with a count and a dim above 0, found "
                f"{self}"
            )


class UnitGenerator(nn.Module):
    """Waveforms of units.

    The embeddings of the streams are summed; the speaker's and the F0 code's lie beside that sum.

    Args:
        sizes: K of each stream.
        embed_dim: E, of every kind of embedding.
        hop: Samples a frame.
        speakers: How it is told who speaks; None knows no speakers.
        f0_bins: Codes of pitch; 0 takes none.
        durations: Whether it learns how long units last.
        duration_params: Options of ``DurationPredictor``.
        generator_params: Options of ESPnet's ``HiFiGANGenerator`` in place of the published ones.
            Kernels of any width above the scale can upsample, which are double the scale there.

    Raises:
        ConfigError: Scales don't multiply to the hop, or ESPnet refuses an option.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        embed_dim: int = 128,
        hop: int = HOP,
        speakers: SpeakerConf | None = None,
        f0_bins: int = 0,
        durations: bool = False,
        duration_params: Mapping[str, Any] | None = None,
        generator_params: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.hop, self.speakers, self.f0_bins = hop, speakers, f0_bins
        self.units = CodecUnitFrontend(
            num_codebooks=len(sizes),
            codebook_size=list(sizes),
            codebook_dim=embed_dim,
            init="random",
            output_dim=None,
            dropout=0.0,
        )
        self.speaker: nn.Module | None = None
        if speakers is not None:
            by_table = speakers.kind == TABLE
            self.speaker = (
                nn.Embedding(speakers.count, embed_dim)
                if by_table
                else nn.Linear(speakers.dim, embed_dim)
            )
        self.f0 = nn.Embedding(f0_bins, embed_dim) if f0_bins else None
        self.durations = None
        if durations:
            self.durations = DurationPredictor(embed_dim, **(duration_params or {}))
        streams = 1 + (speakers is not None) + bool(f0_bins)
        self.net = _hifigan(streams * embed_dim, hop, {**PUBLISHED, **(generator_params or {})})

    def forward(
        self,
        codes: Tensor,
        lengths: Tensor,
        speaker: Tensor | None = None,
        f0_codes: Tensor | None = None,
    ) -> Tensor:
        """Make waveforms; an utterance gets the same one alone and in any batch.

        Args:
            codes: ``(B, T, Q)``; behind the end any codes.
            lengths: Frames of each utterance ``(B,)``.
            speaker: Numbers ``(B,)`` for a table, else vectors ``(B, D)``.
            f0_codes: One a frame, see ``units.align``: ``(B, T)``.

        Returns:
            ``(B, T * hop)``, silence behind the end.

        Raises:
            ConfigError: A speaker or F0 codes are given to a model without, or the other way.
        """
        x = self.embed(codes)
        parts = [x]
        for name, module, given in (
            ("speaker", self.speaker, speaker),
            ("f0_codes", self.f0, f0_codes),
        ):
            if (module is None) != (given is None):
                raise ConfigError(
                    f"{name}: expected {'none' if module is None else 'some'}, as in training, "
                    f"found {'none' if given is None else 'some'}"
                )
        if self.speaker is not None:
            parts.append(self.speaker(speaker)[:, None].expand(-1, x.size(1), -1))
        if self.f0 is not None:
            if f0_codes.shape != codes.shape[:2]:
                raise ConfigError(
                    f"f0_codes: expected one a frame, {tuple(codes.shape[:2])}, found "
                    f"{tuple(f0_codes.shape)}"
                )
            parts.append(self.f0(f0_codes))
        return self._sound(torch.cat(parts, dim=2).transpose(1, 2), lengths)

    def embed(self, codes: Tensor) -> Tensor:
        """Sum of the embeddings of all streams: ``(B, T, Q)`` to ``(B, T, E)``."""
        return self.units.lookup(codes.flatten(0, 1)).unflatten(0, codes.shape[:2])

    def duration_loss(self, units: Tensor, lengths: Tensor, durations: Tensor) -> Tensor:
        """See ``DurationPredictor.loss``.

        Args:
            units: De-duplicated ``(B, U, Q)``.
            lengths: Units of each utterance ``(B,)``.
            durations: Frames of each unit ``(B, U)``.
        """
        return self._predictor.loss(self.embed(units), lengths, durations)

    def predict_durations(self, units: Tensor, lengths: Tensor) -> Tensor:
        """Frames of de-duplicated units ``(B, U, Q)``: ``(B, U)``, 1 at least, 0 behind the end.

        Raises:
            ConfigError: The model has not learnt durations.
        """
        return self._predictor.frames(self.embed(units), lengths)

    def for_synthesis(self) -> Self:
        """Fold the weight norms into the weights, once for all, and go to eval mode."""
        self.net.remove_weight_norm()
        return self.eval()

    @property
    def _predictor(self) -> DurationPredictor:
        if self.durations is None:
            raise ConfigError("expected a model with durations: true, found one without")
        return self.durations

    def _sound(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Waveforms ``(B, T * hop)`` of conditions ``(B, S * E, T)``."""
        frames = x.size(2)
        lengths = lengths.to(x.device)
        if bool((lengths == frames).all()):
            return self.net(x)[:, 0]
        with masked_convolutions(self.net, lengths, frames):
            wav = self.net(x)[:, 0]
        return wav * (torch.arange(wav.size(1), device=x.device) < lengths[:, None] * self.hop)


def _hifigan(width: int, hop: int, params: dict[str, Any]) -> HiFiGANGenerator:
    """ESPnet's generator, also with kernels that are not double their scale.

    Raises:
        ConfigError: Options don't go together.
    """
    kernels, scales = params.pop("upsample_kernel_sizes"), params["upsample_scales"]
    if math.prod(scales) != hop or len(scales) != len(kernels):
        raise ConfigError(
            f"generator_params: expected upsample_scales that multiply to the hop, {hop} samples, "
            f"and as many upsample_kernel_sizes, found {scales} and {kernels}"
        )
    if params["channels"] % 2 ** len(scales):
        raise ConfigError(
            f"generator_params: channels: expected a multiple of {2 ** len(scales)}, as each of "
            f"{len(scales)} upsamplings halves them, found {params['channels']}"
        )
    wide = [2 * scale for scale in scales]
    try:
        net = HiFiGANGenerator(in_channels=width, upsample_kernel_sizes=wide, **params)
    except (TypeError, AssertionError) as error:
        raise ConfigError(f"generator_params: ESPnet's HiFi-GAN refuses them: {error}") from error
    for stage, kernel, scale in zip(net.upsamples, kernels, scales, strict=True):
        if kernel != 2 * scale:
            stage[1] = _upsampling(stage[1], kernel, params.get("use_weight_norm", True))
    return net


def _upsampling(like: nn.ConvTranspose1d, kernel: int, weight_norm: bool) -> nn.Module:
    """A transposed convolution of another kernel that gives exactly ``stride`` times the length."""
    [scale] = like.stride
    surplus = kernel - scale
    if surplus < 0 or (scale == 1 and surplus % 2):
        raise ConfigError(
            f"generator_params: expected a kernel of {scale} or more for an upsampling by {scale}"
            f"{', and an odd one' if scale == 1 else ''}, found {kernel}"
        )
    conv = nn.ConvTranspose1d(
        like.in_channels,
        like.out_channels,
        kernel,
        scale,
        padding=-(-surplus // 2),
        output_padding=surplus % 2,
    )
    # The old kind, which ESPnet's remove_weight_norm knows.
    return nn.utils.weight_norm(conv) if weight_norm else conv
