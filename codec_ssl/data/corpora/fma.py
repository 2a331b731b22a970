"""The Free Music Archive data set as it is unpacked: ``fma_large/000/000002.mp3``, ...

No audio file is opened: one that is broken (some of the clips are) is reported by whoever reads it.
"""

import csv
import logging
from collections.abc import Mapping
from pathlib import Path

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError

_TRACKS = "tracks.csv"
# Columns of interest by the two lines of the table's head.
_COLUMNS = {
    "artist": ("artist", "id"),
    "genre": ("track", "genre_top"),
    "split": ("set", "split"),
}

_logger = logging.getLogger(__name__)


def prepare(
    corpus_dir: str | Path, out_dir: str | Path, metadata: str | Path | None = None
) -> list[DataDir]:
    """Write ``out_dir/<name of corpus_dir>``.

    Args:
        corpus_dir: The folder of one size, such as ``fma_large``, with clips in subfolders.
        out_dir: Where the data dir goes.
        metadata: ``tracks.csv``; None looks for it in the folder and in ``fma_metadata`` beside
            it. With it the artist is the speaker, and ``utt2genre`` and ``utt2split`` are written.

    Raises:
        DataError: If there are no clips, or the table is malformed.
    """
    corpus_dir = Path(corpus_dir)
    clips = {path.stem: path for path in sorted(corpus_dir.glob("*/*.mp3")) if path.stem.isdigit()}
    if not clips:
        found = "none" if corpus_dir.is_dir() else "no such folder"
        raise DataError(f"{corpus_dir}: expected clips such as 000/000002.mp3, found {found}")
    table = _find_table(corpus_dir, metadata)
    tracks = {} if table is None else _read_tracks(table)
    if table is None:
        _logger.warning("%s: no %s, so neither artists nor genres are known", corpus_dir, _TRACKS)
    utts = {stem: f"fma{stem}" for stem in clips}
    known = {stem: tracks.get(int(stem), {}) for stem in clips}
    labels = {
        name: {utts[stem]: row[name] for stem, row in known.items() if row.get(name)}
        for name in ("genre", "split")
    }
    made = DataDir.write(
        Path(out_dir) / corpus_dir.name,
        wav={utts[stem]: str(path.absolute()) for stem, path in clips.items()},
        utt2spk={utts[stem]: _artist(row, utts[stem]) for stem, row in known.items()},
        labels=labels,
    )
    return [made]


def _artist(row: Mapping[str, str], utt: str) -> str:
    return f"artist{row['artist']}" if row.get("artist") else utt


def _find_table(corpus_dir: Path, metadata: str | Path | None) -> Path | None:
    if metadata is not None:
        return Path(metadata)
    places = (corpus_dir / _TRACKS, corpus_dir.absolute().parent / "fma_metadata" / _TRACKS)
    return next((path for path in places if path.is_file()), None)


def _read_tracks(path: Path) -> dict[int, dict[str, str]]:
    """Artist, genre and split by track.

    The head has two lines, groups and names; a third one has the name of the index alone.

    Raises:
        DataError: A column is missing, or a line is no track.
    """
    rows = None
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            head = list(zip(next(rows), next(rows), strict=True))
            places = {name: head.index(column) for name, column in _COLUMNS.items()}
            next(rows)
            return {
                int(row[0]): {name: row[at].strip() for name, at in places.items()}
                for row in rows
                if row
            }
    except (OSError, StopIteration, ValueError, IndexError, csv.Error) as error:
        place = "" if rows is None else f" line {rows.line_num}:"
        raise DataError(
            f"{path}:{place} expected FMA's table of tracks, with {list(_COLUMNS.values())}:"
            f" found {error or 'its end'}",
            stage="data",
        ) from error
