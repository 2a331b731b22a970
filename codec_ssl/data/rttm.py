"""Who speaks when: NIST's RTTM files, as diarization's references and answers are kept."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from codec_ssl.data.alignment import Segment
from codec_ssl.data.tables import numbered_lines, write_atomic
from codec_ssl.errors import DataError

NAME = "rttm"
_KIND = "SPEAKER"
_FEWEST_FIELDS = 8


def read_rttm(path: str | Path) -> dict[str, list[Segment]]:
    """Read the ``SPEAKER`` lines of an RTTM file; others are left out, as NIST's tools do.

    Returns:
        Segments of each file in seconds, ordered by start, labelled with speakers; segments of
        different speakers may overlap.

    Raises:
        DataError: If a line is malformed, a start is negative, or a duration is not positive.
    """
    found: dict[str, list[Segment]] = {}
    for number, line in numbered_lines(path):
        fields = line.split()
        if not fields or fields[0] != _KIND:
            continue
        where = f"{path}:{number}"
        if len(fields) < _FEWEST_FIELDS:
            raise DataError(
                f"{where}: expected '{_KIND} file 1 start duration <NA> <NA> speaker ...', found"
                f" {line!r}",
                stage="data",
            )
        try:
            start, duration = float(fields[3]), float(fields[4])
        except ValueError as error:
            raise DataError(f"{where}: expected seconds: {error}", stage="data") from error
        if not (start >= 0 and 0 < duration < float("inf")):
            raise DataError(
                f"{where}: expected a start from 0 on and a duration over 0, found {line!r}",
                stage="data",
            )
        # Rounded, as 0.1 + 0.2 would end after the next segment's 0.3.
        segment = Segment(start, round(start + duration, 6), fields[7])
        found.setdefault(fields[1], []).append(segment)
    for segments in found.values():
        segments.sort()
    return found


def write_rttm(path: str | Path, files: Mapping[str, Sequence[Segment]]) -> None:
    """Write an RTTM file sorted by file, times to a tenth of a millisecond, atomically.

    Raises:
        DataError: If the name of a file or speaker is empty or holds a blank.
    """
    lines = []
    for name in sorted(files):
        for start, end, speaker in files[name]:
            for word in (name, speaker):
                if not word or re.search(r"\s", word):
                    raise DataError(f"{path}: expected names without blanks, found {word!r}")
            # The difference of the rounded times, so that neighbours stay neighbours.
            duration = round(end, 4) - round(start, 4)
            lines.append(f"{_KIND} {name} 1 {start:.4f} {duration:.4f} <NA> <NA> {speaker} <NA>\n")
    write_atomic(path, "".join(lines))
