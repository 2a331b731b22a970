"""The mel codec of Codec-ASR (Mel-NAC of arXiv 2407.03495): mel bands in, HiFi-GAN out.

The encoder works at the frame rate: magnitudes of a Fourier transform, mel bands, and residual
convolutions, for each of several groups of neighbouring bands apart. The decoder is ESPnet's
HiFi-GAN generator. Values are NeMo's, whose mel codec this is after.

B batch, N samples, T frames, M mel bands, D latent width.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from espnet2.gan_tts.hifigan.hifigan import HiFiGANGenerator
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm
from torchaudio.functional import melscale_fbanks

from codec_ssl.codecs.framing import centred_magnitudes
from codec_ssl.codecs.quantizers import build_quantizer
from codec_ssl.errors import ConfigError

DEFAULTS: dict[str, Any] = {
    "hop_length": 200,
    "window_length": 1024,
    "n_mels": 80,
    "mel_guard": 1.0,
    "band_groups": 8,
    "encoder_blocks": 6,
    "encoder_width": 128,
    "encoder_filters": 256,
    "encoder_kernel_size": 3,
    "encoder_dropout": 0.1,
    "hidden_dim": 32,
    "quantizer": "fsq",
    "quantizer_n_q": 8,
    "quantizer_bins": 1024,
    "quantizer_levels": [8, 5, 5, 5],
    "decoder_channels": 1024,
    "decoder_upsample_scales": [5, 5, 4, 2],
    "decoder_resblock_kernel_sizes": [3, 7, 11],
    "decoder_resblock_dilations": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
}
_SLOPE = 0.1


class _ResidualBlock(nn.Module):
    """Two convolutions over ``(B, C, T)`` beside the identity, in groups that don't mix."""

    def __init__(self, width: int, filters: int, kernel: int, groups: int, dropout: float) -> None:
        super().__init__()
        self.expand = _conv(width, filters, kernel, groups)
        self.reduce = _conv(filters, width, kernel, groups)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = self.expand(F.leaky_relu(x, _SLOPE))
        return x + self.dropout(self.reduce(F.leaky_relu(y, _SLOPE)))


class MelEncoder(nn.Module):
    """Waveform ``(B, 1, N)`` to latent ``(B, D, ceil(N / hop))``.

    Args:
        conf: Complete ``generator_params``, see ``DEFAULTS``. ``band_groups`` groups of
            neighbouring mel bands have an encoder each, which gives its share of the latent; one
            group is a full-band encoder. ``mel_guard`` is added to the magnitudes before the
                logarithm.
        sample_rate: Of the waveform, in Hz.

    Raises:
        ConfigError: Bands or latent cannot be shared evenly among the groups.
    """

    def __init__(self, conf: Mapping[str, Any], sample_rate: int) -> None:
        super().__init__()
        bands, groups, width = conf["n_mels"], conf["band_groups"], conf["hidden_dim"]
        if bands % groups or width % groups:
            raise ConfigError(
                f"generator_params: expected n_mels and hidden_dim to be multiples of band_groups "
                f"{groups}, found {bands} and {width}"
            )
        self.hop_length = conf["hop_length"]
        self.window_length = conf["window_length"]
        self.guard = conf["mel_guard"]
        inner, filters = groups * conf["encoder_width"], groups * conf["encoder_filters"]
        kernel = conf["encoder_kernel_size"]
        self.network = nn.Sequential(
            _conv(bands, inner, kernel, groups),
            *(
                _ResidualBlock(inner, filters, kernel, groups, conf["encoder_dropout"])
                for _ in range(conf["encoder_blocks"])
            ),
            nn.LeakyReLU(_SLOPE),
            _conv(inner, width, kernel, groups),
        )
        shape = (self.window_length // 2 + 1, 0.0, sample_rate / 2, bands, sample_rate)
        bank = melscale_fbanks(*shape, norm="slaney", mel_scale="slaney")
        self.register_buffer("window", torch.hann_window(self.window_length), persistent=False)
        self.register_buffer("bank", bank.t().contiguous(), persistent=False)

    def spectrum(self, wav: Tensor) -> Tensor:
        """Log mel magnitudes ``(B, M, T)`` of windows centred on the frames."""
        magnitudes = centred_magnitudes(wav[:, 0], self.window, self.hop_length)
        return (self.bank @ magnitudes + self.guard).log()

    def forward(self, wav: Tensor) -> Tensor:
        """Encode waveforms of one length."""
        return self.network(self.spectrum(wav))


class MelGenerator(nn.Module):
    """Mel encoder, quantizer, HiFi-GAN decoder.

    Args:
        params: ``generator_params`` of the training configuration.
        sample_rate: Of the waveforms, in Hz.

    Raises:
        ConfigError: The parts don't fit together.
    """

    def __init__(self, params: Mapping[str, Any], sample_rate: int) -> None:
        super().__init__()
        conf = {**DEFAULTS, **params}
        self.conf = conf
        scales = conf["decoder_upsample_scales"]
        if math.prod(scales) != conf["hop_length"]:
            raise ConfigError(
                f"generator_params: expected decoder_upsample_scales whose product is hop_length "
                f"{conf['hop_length']}, found {scales}"
            )
        self.encoder = MelEncoder(conf, sample_rate)
        self.quantizer = build_quantizer(conf)
        self.decoder = HiFiGANGenerator(
            in_channels=conf["hidden_dim"],
            channels=conf["decoder_channels"],
            upsample_scales=scales,
            upsample_kernel_sizes=[2 * scale for scale in scales],
            resblock_kernel_sizes=conf["decoder_resblock_kernel_sizes"],
            resblock_dilations=conf["decoder_resblock_dilations"],
        )

    @property
    def hop_length(self) -> int:
        """Samples a frame."""
        return self.encoder.hop_length


def _conv(inputs: int, outputs: int, kernel: int, groups: int) -> nn.Module:
    return weight_norm(nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2, groups=groups))
