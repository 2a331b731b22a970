"""Reading checkpoints without running what is in them."""

import pickle
from pathlib import Path
from typing import Any

import torch

from codec_ssl.errors import CodecError


def read_weights(path: Path, how: str) -> dict[str, Any]:
    """Read a checkpoint of tensors and plain values onto the CPU.

    Args:
        path: The file.
        how: How to get it, for the message when it isn't there.

    Raises:
        CodecError: If the file is missing or damaged, or holds anything but tensors, containers,
            numbers and strings: other objects could run code and are not opened.
    """
    if not path.is_file():
        raise CodecError(f"no codec weights at {path}. To get them: {how}")
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise CodecError(
            f"{path}: damaged, or not a file of plain tensors, the only kind that is opened "
            f"({reason})"
        ) from error


def check_codebooks_used(name: str, wanted: int | None, available: int) -> int:
    """Return how many codebooks to use: those wanted, or all.

    Raises:
        CodecError: If the model has fewer.
    """
    used = available if wanted is None else wanted
    if not 1 <= used <= available:
        raise CodecError(f"codec {name}: num_codebooks is 1..{available}, found {wanted}")
    return used
