"""Encoders for whoever has waveforms and nothing else: models of codes get a codec in front."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from codec_ssl.codecs.base import load_codec
from codec_ssl.codecs.config import codec_names
from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.features.base import SpeechEncoder, WaveEncoder
from codec_ssl.features.baselines import LogMel
from codec_ssl.features.coded import CodedWaves
from codec_ssl.features.factory import make_encoder
from codec_ssl.features.mix import LayerMix, read_weights
from codec_ssl.features.ours import load_encoder

LATEST = "latest"


def make_wave_encoder(
    name: str,
    device: str | torch.device = "cpu",
    *,
    codec: str | None = None,
    checkpoint: str = LATEST,
    untrained_seed: int | None = None,
    layer_weights: str | None = None,
) -> WaveEncoder:
    """Build an encoder of waveforms.

    Args:
        name: ``logmel``, an experiment directory of ours, or another encoder of waveforms that
            ``factory.make_encoder`` knows.
        device: Where to compute.
        codec: See ``load_codec``. A model that reads codes needs the one that made them; where
            none is given, the one of that name in ``conf/codecs`` is tried. Log-mel takes its
            sample rate and frame rate.
        checkpoint: Which checkpoint of an experiment directory.
        untrained_seed: In place of a checkpoint: fresh weights with this seed.
        layer_weights: Weights of a sum of all layers, see ``mix.read_weights``; the encoder's only
            layer is then 0.

    Raises:
        ConfigError: If there is no such encoder, it needs a codec, or a checkpoint or fresh weights
            are asked for of what is no experiment.
        CheckpointError: If the codec is not the one that the experiment was trained with.
    """
    encoder = _encoder(name, device, codec, checkpoint, untrained_seed)
    if layer_weights is None:
        return encoder
    return LayerMix(encoder, read_weights(layer_weights))


def _encoder(
    name: str,
    device: str | torch.device,
    codec: str | None,
    checkpoint: str,
    untrained_seed: int | None,
) -> WaveEncoder:
    encoder: SpeechEncoder
    if (Path(name) / "config.yaml").is_file():
        encoder = load_encoder(name, device, checkpoint, untrained_seed=untrained_seed)
    elif checkpoint != LATEST or untrained_seed is not None:
        raise ConfigError(
            f"encoder {name}: expected an experiment directory, which alone has checkpoints and"
            " fresh weights, found no config.yaml there",
            stage="pretrain",
        )
    elif name == "logmel" and codec is not None:
        grid = load_codec(codec)
        encoder = LogMel(grid.sample_rate, grid.frame_rate, device=device)
    else:
        encoder = make_encoder(name, None, device)
    if isinstance(encoder, WaveEncoder):
        return encoder
    return _with_codec(encoder, name, codec, device)


def _with_codec(
    encoder: SpeechEncoder, name: str, codec: str | None, device: str | torch.device
) -> CodedWaves:
    """Put the codec in front that made the codes of the training."""
    recorded: Mapping[str, Any] = getattr(encoder, "codes", {})
    if not recorded:
        raise ConfigError(f"encoder {name}: expected one of waveforms or of codes")
    if codec is None and recorded["name"] not in codec_names():
        raise ConfigError(
            f"encoder {name} reads the codes of {recorded['name']!r}, which is none of"
            f" {codec_names()}: say where that codec is (--codec)"
        )
    loaded = load_codec(codec or recorded["name"], device)
    if loaded.fingerprint != recorded["maker"]:
        raise CheckpointError(
            f"encoder {name}: trained with codes of {recorded['name']}"
            f" ({recorded['maker'][:12]}), found codec {loaded.name}"
            f" ({loaded.fingerprint[:12]})",
            stage="codec",
        )
    return CodedWaves(loaded, encoder)
