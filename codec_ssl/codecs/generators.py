"""What ESPnet's trainer trains, without discriminators: encoder, quantizer and decoder by kind.

SoundStream, Encodec and DAC of ESPnet and our time-domain codec (TD-NAC of arXiv 2407.03495) are
SEANet around a quantizer, built from ESPnet's shared modules: the import of its task alone takes
longer than coding a small corpus.
"""

import math
from collections.abc import Mapping
from typing import Any

from espnet2.gan_codec.shared.decoder.seanet import SEANetDecoder
from espnet2.gan_codec.shared.encoder.seanet import SEANetEncoder
from torch import nn

from codec_ssl.codecs.mel import MelGenerator
from codec_ssl.codecs.quantizers import build_quantizer, shape_of
from codec_ssl.codecs.spectral import SpectralGenerator

SPECTRAL, TIME_DOMAIN, MEL = "spectral", "td_nac", "mel_nac"
SUPPORTED = ("soundstream", "encodec", "dac", SPECTRAL, TIME_DOMAIN, MEL)
_BANDWIDTHS = "quantizer_target_bandwidth"
# What the constructors of ESPnet's generators take where the configuration is silent.
_DEFAULTS: dict[str, Any] = {
    "hidden_dim": 128,
    # ESPnet's constructors of SoundStream and EnCodec fix it, those of DAC and ours take it.
    "codebook_dim": 512,
    "encdec_channels": 1,
    "encdec_n_filters": 32,
    "encdec_n_residual_layers": 1,
    "encdec_ratios": [8, 5, 4, 2],
    "encdec_activation": "ELU",
    "encdec_activation_params": {"alpha": 1.0},
    "encdec_norm": "weight_norm",
    "encdec_norm_params": {},
    "encdec_kernel_size": 7,
    "encdec_residual_kernel_size": 7,
    "encdec_last_kernel_size": 7,
    "encdec_dilation_base": 2,
    "encdec_causal": False,
    "encdec_pad_mode": "reflect",
    "encdec_true_skip": False,
    "encdec_compress": 2,
    "encdec_lstm": 2,
    "decoder_trim_right_ratio": 1.0,
    "decoder_final_activation": None,
    "decoder_final_activation_params": None,
    "quantizer_n_q": 8,
    "quantizer_bins": 1024,
    _BANDWIDTHS: [7.5, 15],
}
_DAC_DEFAULTS = {"codebook_dim": 8, "encdec_activation": "Snake", "encdec_activation_params": {}}
# 16 kHz and 80 frames a second, like NeMo's 16 kHz codec; the encoder takes the ratios from the
# right. All codebooks are always in use, and nothing is projected.
_TIME_DOMAIN_DEFAULTS = {
    "encdec_ratios": [5, 5, 4, 2],
    "encdec_residual_kernel_size": 3,
    "quantizer": "rvq",
    "quantizer_levels": [8, 5, 5, 5],
}
_WITHOUT = ("codebook_dim", _BANDWIDTHS)


class Generator(nn.Module):
    """SEANet encoder, quantizer, SEANet decoder.

    Args:
        kind: ``soundstream``, ``encodec``, ``dac`` or ``td_nac``.
        params: ``generator_params`` of the training configuration.
    """

    def __init__(self, kind: str, params: Mapping[str, Any]) -> None:
        super().__init__()
        conf = complete_params(kind, params)
        self.conf = conf
        shared = {
            name.removeprefix("encdec_"): value
            for name, value in conf.items()
            if name.startswith("encdec_")
        }
        shared["dimension"] = conf["hidden_dim"]
        final = {
            name.removeprefix("decoder_"): value
            for name, value in conf.items()
            if name.startswith("decoder_")
        }
        self.encoder = SEANetEncoder(**shared)
        self.quantizer = build_quantizer(conf)
        self.decoder = SEANetDecoder(**shared, **final)

    @property
    def hop_length(self) -> int:
        """Samples a frame."""
        return math.prod(self.conf["encdec_ratios"])


def complete_params(kind: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """``generator_params`` of SEANet codecs with the defaults of their kind."""
    if kind != TIME_DOMAIN:
        return {**_DEFAULTS, **(_DAC_DEFAULTS if kind == "dac" else {}), **params}
    ours = {name: value for name, value in _DEFAULTS.items() if name not in _WITHOUT}
    return {**ours, **_TIME_DOMAIN_DEFAULTS, **params}


def build_generator(kind: str, params: Mapping[str, Any], sample_rate: int) -> nn.Module:
    """Build what codes: a module with ``encoder``, ``quantizer``, ``decoder``, ``hop_length`` and
    ``conf``, the complete ``params``.

    Args:
        kind: One of ``SUPPORTED``.
        params: ``generator_params`` of the training configuration.
        sample_rate: Of the audio, in Hz.

    Raises:
        ConfigError: The quantizer does not fit, or there is no such quantizer.
    """
    if kind == SPECTRAL:
        return SpectralGenerator(params)
    if kind == MEL:
        return MelGenerator(params, sample_rate)
    return Generator(kind, params)


def trained_codebooks(generator: nn.Module, kind: str, sample_rate: int) -> int:
    """Codebooks that training used: those of its largest bandwidth, as ESPnet counts them."""
    books, _ = shape_of(generator.quantizer)
    if kind in (TIME_DOMAIN, MEL):
        return books
    bandwidths = generator.conf.get(_BANDWIDTHS, _DEFAULTS[_BANDWIDTHS])
    frame_rate = math.ceil(sample_rate / generator.hop_length)
    wanted = generator.quantizer.get_num_quantizers_for_bandwidth(frame_rate, max(bandwidths))
    return min(books, wanted)
