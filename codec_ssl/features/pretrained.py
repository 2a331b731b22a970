"""Encoders of other people: names of ``conf/encoders``, hub ids and local folders."""

from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.features.blocks import BlockEncoder

# conf/ stands beside the package.
CONF_DIR = Path(__file__).resolve().parents[2] / "conf" / "encoders"


@dataclass(frozen=True)
class EncoderSpec:
    """What a name stands for.

    Attributes:
        name: Name for tables and messages.
        model: Hub id, or folder with ``config.json``.
        layer: Layer that the papers take, if they take one.
        revision: Of the hub's repository.
    """

    name: str
    model: str
    layer: int | None = None
    revision: str | None = None


def encoder_names() -> list[str]:
    """Names of ``conf/encoders``."""
    return sorted(path.stem for path in CONF_DIR.glob("*.yaml"))


def read_spec(text: str) -> EncoderSpec | None:
    """Turn what the user gave into a model's source.

    Args:
        text: A name of ``conf/encoders``, a YAML file like those, a folder with ``config.json``,
            or a hub id (``owner/name``).

    Returns:
        The source; None if it is none of these.

    Raises:
        ConfigError: If the YAML file is missing or wrong.
    """
    named = CONF_DIR / f"{text}.yaml"
    if named.is_file() or Path(text).suffix in (".yaml", ".yml"):
        return _read_yaml(named if named.is_file() else Path(text))
    if (Path(text) / "config.json").is_file():
        return EncoderSpec(Path(text).resolve().name, text)
    owner, slash, name = text.partition("/")
    is_hub_id = slash and owner and name and "/" not in name and not Path(text).exists()
    return EncoderSpec(name, text) if is_hub_id else None


def _read_yaml(path: Path) -> EncoderSpec:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        spec = EncoderSpec(**{"name": path.stem, **content})
    except (OSError, yaml.YAMLError, TypeError) as error:
        raise ConfigError(
            f"{path}: expected an encoder: model, and if known layer and revision: {error}"
        ) from error
    folder = path.parent / Path(spec.model).expanduser()
    is_folder = (folder / "config.json").is_file()
    return EncoderSpec(
        spec.name, str(folder.resolve()) if is_folder else spec.model, spec.layer, spec.revision
    )


def load_pretrained(spec: EncoderSpec, device: str | torch.device = "cpu") -> BlockEncoder:
    """Load an encoder, downloading it into transformers' cache if it is a hub id.

    Raises:
        CheckpointError: If there is no such model here and the hub cannot be reached, or it is not
            a speech encoder with convolutions in front, nor Whisper.
    """
    # transformers takes seconds to import.
    from transformers import AutoConfig, AutoModel, WhisperFeatureExtractor

    from codec_ssl.features.huggingface import load_conv_encoder
    from codec_ssl.features.whisper import WhisperEncoder

    try:
        config = AutoConfig.from_pretrained(spec.model, revision=spec.revision)
        model = AutoModel.from_pretrained(spec.model, config=config, revision=spec.revision)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"encoder {spec.name}: expected a model of transformers in {spec.model} (a folder, or "
            f"downloaded from the hub), found none: {error}"
        ) from error
    if config.model_type == "whisper":
        extractor = WhisperFeatureExtractor(feature_size=config.num_mel_bins)
        return WhisperEncoder(model.get_encoder(), extractor, spec.name, device)
    if not hasattr(config, "conv_kernel") or not hasattr(model, "encoder"):
        raise CheckpointError(
            f"encoder {spec.name}: expected a model like HuBERT, data2vec or Whisper, found "
            f"{config.model_type} in {spec.model}"
        )
    return load_conv_encoder(model, spec.model, spec.name, device)
