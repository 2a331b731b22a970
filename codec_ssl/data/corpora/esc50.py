"""ESC-50, environmental sounds in five folds of its authors: data dirs ``fold00`` to ``fold04``."""

from pathlib import Path

from codec_ssl.data.corpora.clips import Clip, read_csv, write_part
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError

_COLUMNS = ("filename", "fold", "category", "esc10", "src_file")


def prepare(
    corpus_dir: str | Path, out_dir: str | Path, *, esc10_only: bool = False
) -> list[DataDir]:
    """Write a data dir for each fold, with ``utt2category``.

    Pieces of one recording of Freesound, which is the speaker here, are in one fold, so only the
    corpus's own folds will do.

    Args:
        corpus_dir: The folder with ``meta/esc50.csv`` and ``audio``, or the folder above.
        out_dir: Where the data dirs go.
        esc10_only: Whether to keep only the ten classes of ESC-10.

    Raises:
        DataError: If the table is missing or malformed.
    """
    corpus_dir = Path(corpus_dir)
    if (corpus_dir / "ESC-50-master").is_dir():
        corpus_dir = corpus_dir / "ESC-50-master"
    folds: dict[int, dict[str, Clip]] = {}
    for where, row in read_csv(corpus_dir / "meta" / "esc50.csv", _COLUMNS):
        if esc10_only and row["esc10"] != "True":
            continue
        if not row["fold"].isdecimal() or int(row["fold"]) < 1:
            raise DataError(f"{where}: expected a fold from 1 up, found {row['fold']!r}")
        path = corpus_dir / "audio" / row["filename"]
        clip = Clip(path, {"category": row["category"]}, f"freesound_{row['src_file']}")
        folds.setdefault(int(row["fold"]) - 1, {})[path.stem] = clip
    if not folds:
        raise DataError(f"{corpus_dir}/meta/esc50.csv: expected clips, found none")
    return [
        write_part(Path(out_dir, f"fold{number:02d}"), clips)
        for number, clips in sorted(folds.items())
    ]
