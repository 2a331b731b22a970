"""Kaldi's two-column text tables: ``key value``, one entry a line, UTF-8, sorted by key."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from codec_ssl.errors import DataError

# Kaldi separates by blanks only; other Unicode spaces may stand in a value.
_ENTRY = re.compile(r"([^ \t]+)(?:[ \t]+(.*?))?[ \t]*", re.DOTALL)


def write_atomic(path: str | Path, text: str) -> None:
    """Write a text file so that readers see the old content or the new one, never a part."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def numbered_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yield ``(line number from 1, line without its newline)`` of a UTF-8 text file.

    Raises:
        DataError: If the file is missing or a line is not UTF-8.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}", stage="data") from error
    lines = content.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    for number, line in enumerate(lines, start=1):
        try:
            yield number, line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(f"{path}:{number}: expected UTF-8 text, found {line!r}") from error


def parse_entry(line: str, where: str) -> tuple[str, str]:
    """Split one line into its key and its value (empty if the line holds only a key).

    Args:
        line: The line, without its newline.
        where: File and line number for the error message.

    Raises:
        DataError: If the line is empty, starts with a blank, or ends as Windows ends lines.
    """
    if line.endswith("\r"):
        raise DataError(f"{where}: expected lines that end in \\n, found \\r\\n (Windows)")
    match = _ENTRY.fullmatch(line)
    if match is None:
        found = "an empty line" if not line.strip() else repr(line)
        raise DataError(f"{where}: expected 'key value', found {found}")
    return match[1], match[2] or ""


def read_table(path: str | Path, allow_empty: bool = False) -> dict[str, str]:
    """Read a two-column table; the order of the file is kept.

    Args:
        path: The file.
        allow_empty: Whether a key may stand alone, as an empty transcript does in ``text``.

    Raises:
        DataError: If the file is missing, a line is empty or malformed, or a key comes twice.
    """
    table: dict[str, str] = {}
    for number, line in numbered_lines(path):
        where = f"{path}:{number}"
        key, value = parse_entry(line, where)
        if key in table:
            raise DataError(f"{where}: expected each key once, found {key!r} again")
        if not value and not allow_empty:
            raise DataError(f"{where}: expected a value after {key!r}, found none")
        table[key] = value
    return table


def write_table(path: str | Path, table: Mapping[str, str]) -> None:
    """Write a two-column table, sorted by key in byte order as Kaldi's tools ask, atomically.

    Raises:
        DataError: If a key holds a blank, or a key or value would break the line.
    """
    for key, value in table.items():
        if not key or re.search(r"\s", key):
            raise DataError(f"{path}: expected keys without blanks, found {key!r}")
        if "\n" in value or value.endswith("\r"):
            raise DataError(f"{path}: expected one line a key, found {value!r} for {key!r}")
    lines = (f"{key} {value}".rstrip(" ") for key, value in sorted(table.items()))
    write_atomic(path, "".join(line + "\n" for line in lines))
