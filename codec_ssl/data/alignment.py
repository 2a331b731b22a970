"""Labelled stretches of time: Kaldi's CTM and Praat's TextGrid, and their label at each frame."""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from codec_ssl.data.tables import numbered_lines, write_atomic
from codec_ssl.errors import DataError

PAUSE = "sil"
# What aligners call a pause.
_PAUSES = ("", PAUSE, "sp", "<eps>")


class Segment(NamedTuple):
    """A label between two times in seconds."""

    start: float
    end: float
    label: str


def read_ctm(path: str | Path) -> dict[str, list[Segment]]:
    """Read ``utterance channel start duration label [confidence]`` lines.

    Returns:
        The segments of each utterance, ordered by start.

    Raises:
        DataError: If a line is malformed, a time is negative or no number, or the segments of an
            utterance overlap by more than a millisecond.
    """
    alignments: dict[str, list[Segment]] = {}
    for number, line in numbered_lines(path):
        where = f"{path}:{number}"
        fields = line.split()
        if len(fields) not in (5, 6):
            raise DataError(f"{where}: expected 'utt channel start duration label', found {line!r}")
        start, duration = (_seconds(field, where) for field in fields[2:4])
        # Rounded, as 0.1 + 0.2 would end after the next segment's 0.3.
        segment = Segment(start, round(start + duration, 6), fields[4])
        alignments.setdefault(fields[0], []).append(segment)
    for utt_id, segments in alignments.items():
        segments.sort(key=lambda segment: segment.start)
        for left, right in pairwise(segments):
            if left.end > right.start + 1e-3:
                raise DataError(f"{path}: utterance {utt_id}: {left} overlaps {right}")
    return alignments


def write_ctm(path: str | Path, alignments: Mapping[str, Sequence[Segment]]) -> None:
    """Write a CTM sorted by utterance, times to a tenth of a millisecond, atomically.

    Raises:
        DataError: If a label is empty or holds a blank.
    """
    lines = []
    for utt_id in sorted(alignments):
        for start, end, label in alignments[utt_id]:
            if not label or re.search(r"\s", label):
                raise DataError(f"{path}: {utt_id}: expected labels without blanks, got {label!r}")
            # The difference of the rounded times, so that neighbours stay neighbours.
            duration = round(end, 4) - round(start, 4)
            lines.append(f"{utt_id} 1 {start:.4f} {duration:.4f} {label}\n")
    write_atomic(path, "".join(lines))


def read_textgrid(path: str | Path, tier: str) -> list[Segment]:
    """Read an interval tier of a TextGrid in Praat's long or short text format.

    Args:
        path: The file, in UTF-8 or in UTF-16 with a byte order mark.
        tier: Name of the tier, such as ``phones``.

    Returns:
        Its intervals, those without a label included with the label ``""``.

    Raises:
        DataError: If the file is no TextGrid or has no interval tier of that name.
    """
    tiers = dict(_textgrid_tiers(path))
    if tier not in tiers:
        raise DataError(f"{path}: expected an interval tier {tier!r}, found {sorted(tiers)}")
    return tiers[tier]


def read_textgrids(
    folder: str | Path, utt_ids: Collection[str], tier: str = "phones", *, stress: bool = False
) -> dict[str, list[Segment]]:
    """Read the TextGrids ``<utterance>.TextGrid`` anywhere below a folder, as aligners write them.

    Args:
        folder: Such as the output folder of the Montreal Forced Aligner.
        utt_ids: Utterances to read; those without a file are left out.
        tier: Name of the interval tier.
        stress: Whether ``AH0`` and ``AH1`` stay two phones.

    Returns:
        The segments of each utterance; pauses, whatever the aligner calls them, are ``sil``.

    Raises:
        DataError: If no utterance has a file, two files have one name, or a file is damaged.
    """
    wanted = set(utt_ids)
    alignments: dict[str, list[Segment]] = {}
    for path in sorted(Path(folder).rglob("*.TextGrid")):
        utt_id = path.stem
        if utt_id in alignments:
            raise DataError(f"{path}: expected one TextGrid of {utt_id}, found another before it")
        if utt_id in wanted:
            alignments[utt_id] = [
                Segment(start, end, _phone(label, stress))
                for start, end, label in read_textgrid(path, tier)
                if end > start
            ]
    if not alignments:
        raise DataError(
            f"{folder}: expected TextGrids such as {next(iter(utt_ids), '')}.TextGrid in it or"
            " below, found none",
            stage="data",
        )
    return alignments


def is_pause(label: str) -> bool:
    """Whether a label is what an aligner calls a pause."""
    return label.strip().lower() in _PAUSES


def _phone(label: str, stress: bool) -> str:
    if is_pause(label):
        return PAUSE
    label = label.strip()
    return label if stress else label.rstrip("012")


def frame_labels(segments: Sequence[Segment], num_frames: int, frame_rate: float) -> list[str]:
    """Return the label at the centre of each frame.

    Args:
        segments: Segments that do not overlap; an interval holds its start and not its end.
        num_frames: Number of frames T.
        frame_rate: Frames a second; frame t is centred at ``(t + 0.5) / frame_rate``.

    Returns:
        T labels, ``""`` where no segment covers the centre.
    """
    ordered = sorted(segments, key=lambda segment: segment.start)
    if not ordered:
        return [""] * num_frames
    starts = np.array([segment.start for segment in ordered])
    ends = np.array([segment.end for segment in ordered])
    centres = (np.arange(num_frames) + 0.5) / frame_rate
    index = np.searchsorted(starts, centres, side="right") - 1
    covered = (index >= 0) & (centres < ends[index])
    labels = np.array([segment.label for segment in ordered] + [""], dtype=object)
    return labels[np.where(covered, index, len(ordered))].tolist()


def _seconds(field: str, where: str) -> float:
    try:
        value = float(field)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise DataError(f"{where}: expected a time in seconds, found {field!r}")
    return value


# A text TextGrid is a sequence of values; everything else in the long format is decoration.
# A string ends at a single quote mark, two stand for one. Numbers inside [brackets] are indices.
_TEXTGRID_VALUE = re.compile(
    r'"((?:[^"]|"")*)"|<(exists|absent)>|\[[^\]]*\]|(?<![\w.])(-?\d[\w.+-]*)'
)


def _textgrid_text(path: str | Path) -> str:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: expected UTF-8 or UTF-16 text: {error}") from error


def _textgrid_values(path: str | Path) -> Iterator[str]:
    """Yield the strings and numbers of a TextGrid in their order, without the field names."""
    for match in _TEXTGRID_VALUE.finditer(_textgrid_text(path)):
        string, flag, number = match.groups()
        if string is not None:
            yield string.replace('""', '"')
        elif flag or number:
            yield flag or number


def _textgrid_tiers(path: str | Path) -> Iterator[tuple[str, list[Segment]]]:
    values = _textgrid_values(path)
    try:
        if [next(values), next(values)] != ["ooTextFile", "TextGrid"]:
            raise DataError(f"{path}: expected a TextGrid in text format")
        next(values), next(values)  # times of the whole file
        if next(values) != "exists":
            return
        for _ in range(int(next(values))):
            kind, name = next(values), next(values)
            next(values), next(values)  # times of the tier
            count = int(next(values))
            if kind == "IntervalTier":
                yield name, [_textgrid_interval(path, values) for _ in range(count)]
            else:
                for _ in range(count * 2):  # a point is a time and a label
                    next(values)
    except (StopIteration, ValueError) as error:
        raise DataError(f"{path}: the TextGrid is damaged or ends too early") from error


def _textgrid_interval(path: str | Path, values: Iterator[str]) -> Segment:
    start, end = _seconds(next(values), str(path)), _seconds(next(values), str(path))
    return Segment(start, end, next(values))
