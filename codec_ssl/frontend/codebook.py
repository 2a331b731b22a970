"""Reads a codec's codebook vectors, which extraction writes beside the codes.

Legend: Q codebooks, K entries of each, E width of the codec's latent.
"""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from codec_ssl.errors import ConfigError

_NAME = "vectors"


def codebook_shape(path: str | Path) -> tuple[int, int, int]:
    """Read (Q, K, E) from the header of a ``codebook.safetensors``.

    Raises:
        ConfigError: The file is missing, damaged or of another kind.
    """
    return tuple(_open(path).get_slice(_NAME).get_shape())


def read_codebook(path: str | Path) -> Tensor:
    """Read the vectors ``(Q, K, E)``, whose sum over Q is the codec's quantized latent.

    Raises:
        ConfigError: The file is missing, damaged or of another kind.
    """
    return _open(path).get_tensor(_NAME).float()


def _open(path: str | Path) -> safe_open:
    try:
        file = safe_open(str(path), framework="pt")
    except (OSError, SafetensorError) as error:
        raise ConfigError(f"cannot read the codebook {path}: {error}", stage="tokens") from error
    if _NAME not in file.keys() or len(file.get_slice(_NAME).get_shape()) != 3:  # noqa: SIM118
        raise ConfigError(
            f"{path} should hold a tensor '{_NAME}' (Q, K, dim), found {list(file.keys())}",
            stage="tokens",
        )
    return file
