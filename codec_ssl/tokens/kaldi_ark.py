"""Kaldi ark files: the one place that uses kaldiio, which is optional.

One codebook is an int32 vector, several are a float32 matrix (T, Q), as Kaldi has no integer
matrices; floats hold codes up to 65535 exactly.

Letters: T frames, Q codebooks.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np

from codec_ssl.errors import TokenError


def write_ark(
    path: str | Path, items: Iterable[tuple[str, np.ndarray]], *, text: bool = False
) -> None:
    """Write ``PATH.ark`` and ``PATH.scp``.

    Args:
        path: Path without suffix.
        items: ``(utt_id, codes (T, Q))``.
        text: Whether to write numbers as text.

    Raises:
        TokenError: If kaldiio is not installed.
    """
    save_ark = _kaldiio().save_ark
    ark, scp = f"{path}.ark", f"{path}.scp"
    # Not through a specifier such as ark,scp:A,B, which has no way to write a comma in a path.
    for number, (utt_id, codes) in enumerate(items):
        one = codes.shape[1] == 1
        array = codes[:, 0].astype(np.int32) if one else codes.astype(np.float32)
        save_ark(ark, {utt_id: array}, scp=scp, append=number > 0, text=text)


def read_ark(path: str | Path) -> Iterator[tuple[str, np.ndarray]]:
    """Read ``(utt_id, codes (T, Q) int64)`` from an ``.ark`` or ``.scp`` file, in its order.

    Raises:
        TokenError: If kaldiio is not installed, the file cannot be read, or a value is no integer.
    """
    kaldiio = _kaldiio()
    try:
        if Path(path).suffix == ".scp":
            yield from ((utt, _codes(utt, m)) for utt, m in kaldiio.load_scp_sequential(str(path)))
        else:
            yield from ((utt, _codes(utt, m)) for utt, m in kaldiio.load_ark(str(path)))
    except (OSError, ValueError) as error:
        raise TokenError(f"{path}: cannot be read as a Kaldi ark: {error}") from error


def open_ark(path: str | Path) -> "Ark":
    """Open an ``.scp`` file for access by utterance id."""
    return Ark(_kaldiio().load_scp(str(path)))


class Ark:
    """Codes of an ark, read when asked for: ``ark[utt_id]`` gives (T, Q) int64."""

    def __init__(self, matrices: dict[str, np.ndarray]) -> None:
        self._matrices = matrices

    def __getitem__(self, utt_id: str) -> np.ndarray:
        return _codes(utt_id, self._matrices[utt_id])


def _codes(utt_id: str, matrix: np.ndarray) -> np.ndarray:
    codes = matrix.astype(np.int64)
    if not np.array_equal(codes, matrix):
        raise TokenError(f"utterance {utt_id!r}: expected whole numbers, found {matrix.dtype}")
    return codes.reshape(len(codes), -1)


def _kaldiio() -> ModuleType:
    try:
        import kaldiio  # optional, and under a licence of its own
    except ImportError as error:
        raise TokenError("Kaldi ark files need the package kaldiio: install it") from error
    return kaldiio
