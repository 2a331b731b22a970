"""What corpora of labelled clips share: clips as data dirs, and tables of them."""

import csv
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import numbered_lines
from codec_ssl.errors import DataError


@dataclass(frozen=True)
class Clip:
    """One clip, or a piece of a longer recording.

    Attributes:
        path: Its audio file.
        labels: By name; one that is empty is left out.
        speaker: Whoever or whatever made the sound; "" where unknown.
        piece: Start and end in seconds, None for the whole file.
    """

    path: Path
    labels: Mapping[str, str] = field(default_factory=dict)
    speaker: str = ""
    piece: tuple[float, float] | None = None


def write_part(path: str | Path, clips: Mapping[str, Clip]) -> DataDir:
    """Write clips, by utterance id, as one data dir.

    No audio file is opened: one that is missing or broken stays in, and whatever reads it reports
    it. There are ``segments`` only if a clip is a piece.

    Raises:
        DataError: If there is no clip.
    """
    if not clips:
        raise DataError(f"{path}: expected clips, found none")
    wav: dict[str, str] = {}
    segments: dict[str, tuple[str, float, float | None]] = {}
    labels: dict[str, dict[str, str]] = {}
    for utt_id, clip in clips.items():
        recording = utt_id if clip.piece is None else clip.path.stem
        wav[recording] = str(clip.path.absolute())
        segments[utt_id] = (recording, *(clip.piece or (0.0, None)))
        for name, value in clip.labels.items():
            if value:
                labels.setdefault(name, {})[utt_id] = value
    return DataDir.write(
        path,
        wav=wav,
        utt2spk={utt_id: clip.speaker or utt_id for utt_id, clip in clips.items()},
        segments=segments if any(clip.piece for clip in clips.values()) else None,
        labels=labels,
    )


def read_csv(path: Path, columns: Collection[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a comma separated table with a header.

    Args:
        path: The file.
        columns: What each row must have; there may be more.

    Yields:
        File and line for messages, and the row by column.

    Raises:
        DataError: If the file is missing or a column is.
    """
    lines = list(numbered_lines(path))
    rows = csv.DictReader(line.removeprefix("\ufeff") for _, line in lines)
    missing = set(columns) - set(rows.fieldnames or ())
    if missing:
        raise DataError(f"{path}: expected columns {sorted(columns)}, found {rows.fieldnames}")
    for row in rows:
        where = f"{path}, line {rows.line_num}"
        if any(row[column] is None for column in columns):
            raise DataError(f"{where}: expected {len(rows.fieldnames or ())} cells, found {row}")
        yield where, row
