"""Files of a store: safetensors read through a memory map, and whole-or-nothing writing."""

import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from safetensors.numpy import save

from codec_ssl.errors import TokenError

# safetensors writes several entries in an order that changes from process to process: use one.
_METADATA_KEY = "codec_ssl"
_LENGTH_BYTES = 8
_TYPES = {"U8": "u1", "I32": "<i4", "U32": "<u4", "I64": "<i8", "F32": "<f4"}
_TEMPORARY = ".{name}.{unique}.tmp"


class Damaged(TokenError):
    """A file is shorter than its header says, or its header cannot be read."""


class Tensors(NamedTuple):
    """What a safetensors file holds: read-only views of its mapped bytes, and its metadata."""

    arrays: dict[str, np.ndarray]
    metadata: dict[str, Any]


@contextmanager
def replacing(path: str | Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a file to write that is there whole or not at all.

    Args:
        path: The file.
        sync: Whether that holds after a power cut too; waits for the disk.

    Raises:
        TokenError: If the disk is full or the folder cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(_TEMPORARY.format(name=path.name, unique=uuid.uuid4().hex))
    try:
        try:
            with open(temporary, "xb") as file:
                yield file
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            os.replace(temporary, path)
            if sync:
                _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise TokenError(
            f"{path}: could not be written: {error.strerror}; nothing of this file was kept, mend "
            "that (disk full?) and run the same command again"
        ) from error


def write_file(path: str | Path, content: bytes) -> None:
    """Write a file through :func:`replacing`."""
    with replacing(path) as file:
        file.write(content)


def remove_temporaries(folder: str | Path) -> None:
    """Remove what killed processes left; call only while nothing else writes there."""
    for path in Path(folder).glob(_TEMPORARY.format(name="*", unique="*")):
        path.unlink(missing_ok=True)


def write_tensors(
    path: str | Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]
) -> None:
    """Write a safetensors file atomically; equal content gives equal bytes.

    Args:
        path: The file.
        arrays: Tensors by name.
        metadata: Anything that JSON can hold.
    """
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_file(path, save(contiguous, metadata={_METADATA_KEY: canonical(metadata)}))


def map_tensors(path: str | Path) -> Tensors:
    """Map a safetensors file; nothing but its header is read yet.

    Raises:
        Damaged: If the file is not there, or not whole.
    """
    try:
        # A plain array: slicing np.memmap itself costs several microseconds.
        mapped = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
    except (OSError, ValueError) as error:
        raise Damaged(f"{path}: cannot be mapped: {error}") from error
    header, start = _parse_header(path, mapped[: read_length(path, mapped)], len(mapped))
    arrays = {
        name: _view(
            mapped[start + entry["data_offsets"][0] : start + entry["data_offsets"][1]], entry
        )
        for name, entry in header.items()
        if name != "__metadata__"
    }
    return Tensors(arrays, json.loads(header.get("__metadata__", {}).get(_METADATA_KEY, "{}")))


def canonical(value: Any) -> str:
    """JSON text that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def text_digest(text: str) -> str:
    """SHA-256 of a text, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        Damaged: If the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Damaged(f"{path}: cannot be read: {error.strerror}") from error


def read_length(path: str | Path, mapped: np.ndarray) -> int:
    """Bytes of the header, its own length included.

    Raises:
        Damaged: If the file ends before its header does.
    """
    length = _LENGTH_BYTES + int.from_bytes(mapped[:_LENGTH_BYTES].tobytes(), "little")
    if len(mapped) < max(length, _LENGTH_BYTES):
        raise Damaged(f"{path}: expected a safetensors file, found {len(mapped)} bytes")
    return length


def _parse_header(
    path: str | Path, head: np.ndarray, file_bytes: int
) -> tuple[dict[str, Any], int]:
    """The header's entries, and where the data starts."""
    try:
        header = json.loads(head[_LENGTH_BYTES:].tobytes())
    except ValueError as error:
        raise Damaged(f"{path}: header cannot be read: {error}") from error
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    expected = len(head) + max(ends, default=0)
    if file_bytes != expected:
        raise Damaged(f"{path}: expected {expected} bytes, found {file_bytes}")
    return header, len(head)


def _view(data: np.ndarray, entry: Mapping[str, Any]) -> np.ndarray:
    return data.view(_TYPES[entry["dtype"]]).reshape(entry["shape"])


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
