"""All kinds of tokenizers, by the name that ``tokenizer.yaml`` records."""

from importlib import import_module
from pathlib import Path

from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.tokenizers.base import Tokenizer, read_settings

# Modules are imported when they are asked for: faiss alone takes seconds.
_KINDS = {
    "kmeans": ("codec_ssl.tokenizers.kmeans", "KMeans"),
    "vq": ("codec_ssl.tokenizers.vq", "VQ"),
    "repcodec": ("codec_ssl.tokenizers.repcodec", "RepCodec"),
}


def tokenizer_class(kind: str) -> type[Tokenizer]:
    """The class of a kind.

    Raises:
        ConfigError: If there is no such kind.
    """
    if kind not in _KINDS:
        raise ConfigError(f"tokenizer: expected one of {sorted(_KINDS)}, found {kind!r}")
    module, name = _KINDS[kind]
    return getattr(import_module(module), name)


def load_tokenizer(path: str | Path) -> Tokenizer:
    """Read a saved tokenizer of any kind.

    Raises:
        CheckpointError: If it is missing, damaged, or of an unknown kind.
    """
    try:
        loaded = tokenizer_class(read_settings(Path(path))["kind"])
    except ConfigError as error:
        raise CheckpointError(f"{path}: {error}", stage="labels") from error
    return loaded.load(path)
