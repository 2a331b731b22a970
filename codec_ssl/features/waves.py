"""Encoders for whoever has waveforms and nothing else: models of codes get a codec in front."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from codec_ssl.codecs.base import load_codec
from codec_ssl.codecs.config import codec_names
from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.features.base import SpeechEncoder, WaveEncoder
from codec_ssl.features.baselines import CodecEmbeddings, LogMel
from codec_ssl.features.coded import CodedWaves
from codec_ssl.features.factory import CODES, make_encoder
from codec_ssl.features.mix import LayerMix, read_weights
from codec_ssl.features.ours import load_encoder
from codec_ssl.features.unit_embeddings import UnitEmbeddings
from codec_ssl.features.wave_units import CachedUnits, CodecUnits, WaveUnits
from codec_ssl.tokenizers.registry import load_tokenizer
from codec_ssl.tokenizers.wave_units import TokenizerUnits

LATEST = "latest"


def read_wave_spec(given: str) -> dict[str, Any]:
    """Read the options of ``make_wave_encoder`` from what a user names in one word.

    Args:
        given: An experiment directory, a checkpoint in one, a YAML file of ``encoder`` and
            options (paths from there), or any name of an encoder.

    Returns:
        ``encoder``, its name, and the options.

    Raises:
        ConfigError: If nothing is named, or the file is not such a YAML file.
    """
    path = Path(given)
    if not given:
        raise ConfigError("encoder: expected an experiment directory or a YAML file, found none")
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return _read_yaml(path)
    if path.suffix == ".pth" and path.is_file():
        return {"encoder": str(path.parent), "checkpoint": path.stem}
    return {"encoder": given}


def make_wave_encoder(
    name: str,
    device: str | torch.device = "cpu",
    *,
    codec: str | None = None,
    checkpoint: str = LATEST,
    untrained_seed: int | None = None,
    layer_weights: str | None = None,
    tokenizer: str | None = None,
    width: int | None = None,
    cache: str | None = None,
) -> WaveEncoder:
    """Build an encoder of waveforms.

    Args:
        name: ``logmel``, ``codec`` (raw embeddings of ``codec``), ``codes:CODEC`` (a codec's
            codes with embeddings to learn), an experiment directory of ours, or another encoder of
            waveforms that ``factory.make_encoder`` knows.
        device: Where to compute.
        codec: See ``load_codec``. A model that reads codes needs the one that made them; where
            none is given, the one of that name in ``conf/codecs`` is tried. Log-mel takes its
            sample rate and frame rate.
        checkpoint: Which checkpoint of an experiment directory.
        untrained_seed: In place of a checkpoint: fresh weights with this seed.
        layer_weights: Weights of a sum of all layers, see ``mix.read_weights``; the encoder's only
            layer is then 0.
        tokenizer: Folder of a k-means or RepCodec fitted on the encoder: its tokens, with
            embeddings to learn, take the place of the encoder's layers.
        width: Of embeddings to learn; None that of the vectors that they start from.
        cache: Folder where codes and tokens are kept by the content of the waveform, so that each
            is made once, see ``ContentCache``. Encoders without codes take none.

    Raises:
        ConfigError: If there is no such encoder, it needs a codec, or a checkpoint or fresh weights
            are asked for of what is no experiment.
        CheckpointError: If the codec is not the one that the experiment was trained with, or the
            tokenizer was fitted on another encoder.
    """
    if name.partition(":")[0] == CODES:
        units = CodecUnits(load_codec(name.partition(":")[2] or codec, device))
        return _embeddings(units, width, cache)
    # Tokens are kept in place of the codes that they are made of.
    kept = cache if tokenizer is None else None
    encoder = _encoder(name, device, codec, checkpoint, untrained_seed, kept)
    if tokenizer is not None:
        units = TokenizerUnits(encoder, load_tokenizer(tokenizer))
        return _embeddings(units, width, cache)
    if layer_weights is None:
        return encoder
    return LayerMix(encoder, read_weights(layer_weights))


def _embeddings(units: WaveUnits, width: int | None, cache: str | None) -> UnitEmbeddings:
    return UnitEmbeddings(_kept(units, cache), width or units.vectors().shape[-1])


def _kept(units: WaveUnits, cache: str | None) -> WaveUnits:
    return units if cache is None else CachedUnits(units, cache)


def _encoder(
    name: str,
    device: str | torch.device,
    codec: str | None,
    checkpoint: str,
    untrained_seed: int | None,
    cache: str | None,
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
    elif name == "codec" and codec is not None:
        loaded = load_codec(codec, device)
        encoder = CodecEmbeddings(loaded.codebook_vectors(), loaded.frame_rate, device)
        return CodedWaves(_kept(CodecUnits(loaded), cache), encoder)
    elif name == "logmel" and codec is not None:
        grid = load_codec(codec)
        encoder = LogMel(grid.sample_rate, grid.frame_rate, device=device)
    else:
        encoder = make_encoder(name, None, device)
    if isinstance(encoder, WaveEncoder):
        return encoder
    return _with_codec(encoder, name, codec, device, cache)


def _with_codec(
    encoder: SpeechEncoder,
    name: str,
    codec: str | None,
    device: str | torch.device,
    cache: str | None,
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
    return CodedWaves(_kept(CodecUnits(loaded), cache), encoder)


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: no YAML: {error}") from error
    if not isinstance(content, dict) or "encoder" not in content:
        raise ConfigError(f"{path}: expected encoder: and options, found {content!r}")
    for key in ("encoder", "codec", "tokenizer"):
        beside = path.parent / str(content.get(key, ""))
        if content.get(key) and beside.exists():
            content[key] = str(beside)
    return content
