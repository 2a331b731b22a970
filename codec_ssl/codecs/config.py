"""What a codec's name, file or directory stands for: the loader and its arguments."""

import inspect
from pathlib import Path
from typing import Any

import yaml

from codec_ssl.codecs.loaders import KINDS, loader
from codec_ssl.errors import CodecError

# conf/ stands beside the package.
CONF_DIR = Path(__file__).resolve().parents[2] / "conf" / "codecs"
_PATHS = ("checkpoint", "exp_dir")


def codec_names() -> list[str]:
    """Names that `load_codec` knows: the files of ``conf/codecs``."""
    return sorted(path.stem for path in CONF_DIR.glob("*.yaml"))


def read_spec(spec: str | Path) -> dict[str, Any]:
    """Turn what the user gave into ``kind``, ``name`` and the loader's arguments.

    Args:
        spec: See `codec_ssl.codecs.base.load_codec`.

    Raises:
        CodecError: If it stands for nothing, or its YAML has an unknown kind or key.
    """
    text, path = str(spec), Path(spec)
    if path.is_dir():
        return _directory(path)
    if path.suffix in {".yaml", ".yml"}:
        return _read_yaml(path)
    if path.suffix in {".pth", ".th", ".pt"}:
        return _checkpoint(path)
    named = CONF_DIR / f"{text}.yaml"
    if named.is_file():
        return _read_yaml(named)
    raise CodecError(
        f"no codec {text!r}: neither a file or directory here, nor one of {CONF_DIR}: "
        f"{', '.join(codec_names())}"
    )


def _directory(path: Path) -> dict[str, Any]:
    if (path / "config.yaml").is_file():
        return {"kind": "espnet", "exp_dir": str(path)}
    if (path / "dac" / "weights.pth").is_file() or (path / "weights.pth").is_file():
        return {"kind": "dac", "name": path.name, "checkpoint": str(path)}
    raise CodecError(
        f"{path} is no codec: expected config.yaml and *.pth (ESPnet) or dac/weights.pth (DAC)",
        stage="codec",
    )


def _checkpoint(path: Path) -> dict[str, Any]:
    if (path.parent / "config.yaml").is_file():
        return {"kind": "espnet", "exp_dir": str(path.parent), "weights": path.name}
    for model_type in ("24khz", "48khz"):
        if path.name.startswith(f"encodec_{model_type}"):
            return {
                "kind": "encodec",
                "name": f"encodec_{model_type}",
                "checkpoint": str(path),
                "model_type": model_type,
            }
    if path.suffix == ".th":
        raise CodecError(
            f"{path}: a bare EnCodec state dict doesn't tell its sample rate; write a YAML with "
            "kind: encodec, model_type, checkpoint (conf/codecs/encodec_16k.yaml is an example)"
        )
    return {"kind": "dac", "name": path.stem, "checkpoint": str(path)}


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise CodecError(f"cannot read the codec configuration {path}: {error}") from error
    if not isinstance(config, dict) or config.get("kind") not in KINDS:
        raise CodecError(f"{path}: expected kind: one of {', '.join(KINDS)}")
    config.setdefault("name", path.stem)
    known = [*inspect.signature(loader(config["kind"])).parameters, "kind"]
    unknown = sorted(set(config) - set(known))
    if unknown:
        raise CodecError(f"{path}: unknown keys {unknown}; expected some of {sorted(known)}")
    for key in _PATHS:
        if config.get(key) is not None:
            config[key] = str((path.parent / Path(config[key]).expanduser()).resolve())
    return config
