"""The frozen features that go into EnCodecMAE, of waveforms.

=============  ===============================================================================
``latent``     what a codec's quantizer gets (the paper's own)
``quantized``  the sum of the codebook vectors of the codes: all that a token store holds
``mel``        256 mel bands (the paper's second version)
=============  ===============================================================================
"""

from collections.abc import Mapping
from typing import Any

import torch

from codec_ssl.codecs.base import Codec
from codec_ssl.config_sections import make_part
from codec_ssl.errors import ConfigError
from codec_ssl.features.base import WaveEncoder
from codec_ssl.features.codec_latents import CodecLatents
from codec_ssl.features.kaldi_mel import KaldiMel

LATENT, QUANTIZED, MEL = "latent", "quantized", "mel"
INPUTS = (LATENT, QUANTIZED, MEL)


def on_grid(
    kind: str, conf: Mapping[str, Any], sample_rate: int, hop_length: int
) -> dict[str, Any]:
    """``input_conf`` with the grid of the targets, where the input has one and names no other.

    Args:
        kind: One of ``INPUTS``; only ``mel`` has a grid of its own.
        conf: ``input_conf``.
        sample_rate: Rate of the waveforms that the targets are of, Hz.
        hop_length: Samples a frame.
    """
    grid = {"sample_rate": sample_rate, "hop_length": hop_length} if kind == MEL else {}
    return {**grid, **conf}


def make_input(
    kind: str, conf: Mapping[str, Any], codec: Codec | None, device: str | torch.device = "cpu"
) -> WaveEncoder:
    """Make the input features of a model.

    Args:
        kind: One of ``INPUTS``.
        conf: ``input_conf``: the arguments of ``KaldiMel`` for ``mel``, else nothing but ``width``.
        codec: For ``latent`` and ``quantized``.
        device: Where to compute.

    Raises:
        ConfigError: An option is wrong, or the codec is missing.
    """
    if kind not in INPUTS:
        raise ConfigError(f"input must be one of {', '.join(INPUTS)}, not {kind!r}")
    given = {name: value for name, value in conf.items() if name != "width"}
    if kind == MEL:
        return make_part(KaldiMel, "input_conf", given, device=device)
    if given:
        raise ConfigError(f"input_conf: {kind} takes no {', '.join(sorted(given))}")
    if codec is None:
        raise ConfigError(f"input {kind}: expected --codec, found none", stage="codec")
    return CodecLatents(codec.to(device), quantized=kind == QUANTIZED)
