"""AudioSet as it lies on disk after a download: one data dir a segments table.

The tables (``eval_segments.csv``, ...) name ten-second clips of videos, of which downloaders get
what is still there, cut, and name files as they like: ``YTID.flac``, ``YYTID.wav`` (with a Y),
``YTID_30.wav``, ``YTID_30.000.wav``, ``YTID_30.0-40.0.wav`` or ``YTID_30000_40000.flac`` (ms), in
any folders. No audio file is opened.
"""

import csv
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codec_ssl.data.bad_audio import BadAudioLog
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import choose_hours, subset
from codec_ssl.data.tables import numbered_lines
from codec_ssl.errors import DataError

PARTS = ("eval", "balanced_train", "unbalanced_train")
CLASSES = "class_labels_indices.csv"
_TABLE = "{part}_segments.csv"
_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a"}
# A video's id has eleven characters, a dash or an underscore among them at times.
_NAME = re.compile(r"(?P<video>[\w-]{11})(?:_(?P<start>\d+(?:\.\d+)?)(?:[_-]\d+(?:\.\d+)?)?)?")
_TOLERANCE = 0.5  # seconds: some downloaders round

_logger = logging.getLogger(__name__)


class _NoClips(DataError):
    """Nothing of a part was downloaded."""


@dataclass(frozen=True)
class Clip:
    """A row of a segments table.

    Attributes:
        video: Id of the video.
        start: Seconds.
        end: Seconds.
        mids: Ids of its classes.
    """

    video: str
    start: float
    end: float
    mids: tuple[str, ...]

    @property
    def utt_id(self) -> str:
        """With a Y in front, as an id may begin with a dash."""
        return f"Y{self.video}_{self.start:g}"


def prepare(
    corpus_dir: str | Path,
    out_dir: str | Path,
    parts: Sequence[str] | None = None,
    hours: float | None = None,
    seed: int = 0,
) -> list[DataDir]:
    """Write ``out_dir/<part>``, and ``<part>_<hours>h`` if hours are given.

    A clip that was not downloaded is left out and listed in ``<part>_missing.tsv``; how many there
    are is logged. ``utt2label`` has the names of a clip's classes, ``utt2mid`` their ids.

    Args:
        corpus_dir: The folder with the tables and the clips below it, in any folders.
        out_dir: Where the data dirs go.
        parts: Of ``PARTS``; None takes those whose tables and clips are there.
        hours: Hours of a random subset of each part.
        seed: Of the subsets.

    Raises:
        DataError: If a table is missing or malformed, no clip of a part is there, or there are
            fewer hours than asked for.
    """
    corpus_dir, out_dir = Path(corpus_dir), Path(out_dir)
    tables, files = _walk(corpus_dir)
    wanted = parts or [part for part in PARTS if _TABLE.format(part=part) in tables]
    names = _class_names(tables)
    made: list[DataDir] = []
    for part in wanted or PARTS[:1]:
        clips = _read_clips(corpus_dir, tables, part)
        try:
            made.append(_write(clips, files, names, corpus_dir, out_dir / part))
        except _NoClips as error:
            if parts or (not made and part == wanted[-1]):
                raise
            _logger.warning("%s; the part is left out", error)
            continue
        if hours is not None:
            seconds = {clip.utt_id: clip.end - clip.start for clip in clips}
            chosen = choose_hours(made[-1], seconds, hours, seed)
            made.append(subset(made[-1], chosen, f"{made[-1].path}_{hours:g}h"))
    return made


type _Files = Mapping[str, list[tuple[float | None, Path]]]


def _walk(corpus_dir: Path) -> tuple[dict[str, Path], _Files]:
    """Tables by name, and clips by video: where they begin, if their names tell, and paths."""
    tables: dict[str, Path] = {}
    files: dict[str, list[tuple[float | None, Path]]] = {}
    for folder, subfolders, names in os.walk(corpus_dir, followlinks=True):
        subfolders.sort()
        for name in sorted(names):
            stem, suffix = os.path.splitext(name)
            if suffix.lower() in _SUFFIXES:
                if found := _NAME.fullmatch(stem) or _NAME.fullmatch(stem.removeprefix("Y")):
                    start = None if found["start"] is None else float(found["start"])
                    files.setdefault(found["video"], []).append((start, Path(folder, name)))
            elif suffix.lower() == ".csv":
                tables.setdefault(name, Path(folder, name))
    return tables, files


def _read_clips(corpus_dir: Path, tables: Mapping[str, Path], part: str) -> list[Clip]:
    name = _TABLE.format(part=part)
    if name not in tables:
        found = sorted(tables) if corpus_dir.is_dir() else "no such folder"
        raise DataError(f"{corpus_dir}: expected AudioSet's {name}, found {found}")
    clips = [
        _clip(row, f"{tables[name]}, line {number}")
        for number, row in _rows(tables[name])
        if row and not row[0].startswith("#")
    ]
    if not clips:
        raise DataError(f"{tables[name]}: expected clips, found none")
    return clips


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    for number, line in numbered_lines(path):
        yield number, next(csv.reader([line], skipinitialspace=True), [])


def _clip(row: Sequence[str], where: str) -> Clip:
    try:
        video, start, end, mids = row
        clip = Clip(video, float(start), float(end), tuple(mids.split(",")))
    except ValueError as error:
        raise DataError(f"{where}: expected video, start, end and labels, found {row}") from error
    if clip.start >= clip.end:
        raise DataError(f"{where}: expected a clip that ends after it begins, found {row}")
    return clip


def _class_names(tables: Mapping[str, Path]) -> dict[str, str]:
    """Name of each class; empty where the table is missing."""
    if CLASSES not in tables:
        _logger.warning("no %s, so utt2label has the ids of classes, not their names", CLASSES)
        return {}
    rows = [row for _, row in _rows(tables[CLASSES])]
    if any(len(row) != 3 for row in rows):
        raise DataError(f"{tables[CLASSES]}: expected rows of index, mid and display name")
    return {mid: name for _, mid, name in rows[1:]}


def _file_of(clip: Clip, files: _Files) -> Path | None:
    for start, path in files.get(clip.video, []):
        # A file without a start can only be the one clip that AudioSet has of a video.
        starts = (clip.start, 1000 * clip.start)
        if start is None or any(abs(start - each) <= _TOLERANCE for each in starts):
            return path
    return None


def _write(
    clips: Sequence[Clip],
    files: _Files,
    names: Mapping[str, str],
    corpus_dir: Path,
    out_dir: Path,
) -> DataDir:
    missing = BadAudioLog()
    there: dict[str, tuple[Clip, Path]] = {}
    for clip in clips:
        path = _file_of(clip, files)
        if path is None:
            missing.add(clip.utt_id, str(corpus_dir), "missing", f"no clip of {clip.video}")
        else:
            there[clip.utt_id] = clip, path.absolute()
    table = out_dir.with_name(f"{out_dir.name}_missing.tsv")
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    missing.write(table)
    if not there:
        raise _NoClips(
            f"{corpus_dir}: none of the {len(clips)} clips of {out_dir.name} is there under a name "
            f"such as {clips[0].video}.wav, Y{clips[0].video}.wav or "
            f"{clips[0].video}_{clips[0].start:g}.wav"
        )
    _logger.info(
        "%s: %d of %d clips are there, the other %d are listed in %s",
        out_dir,
        len(there),
        len(clips),
        len(missing),
        table,
    )
    labels = {
        utt: "; ".join(names.get(mid, mid) for mid in clip.mids) for utt, (clip, _) in there.items()
    }
    return DataDir.write(
        out_dir,
        wav={utt: str(path) for utt, (_, path) in there.items()},
        utt2spk={utt: utt for utt in there},
        labels={"label": labels, "mid": {u: ",".join(c.mids) for u, (c, _) in there.items()}},
    )
