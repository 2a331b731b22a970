"""GTZAN, thirty seconds of music in ten genres: data dirs ``fold00`` to ``fold09``."""

from pathlib import Path

from codec_ssl.data.corpora.clips import Clip, write_part
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.folds import divide
from codec_ssl.errors import DataError

GENRES = (
    *("blues", "classical", "country", "disco", "hiphop"),
    *("jazz", "metal", "pop", "reggae", "rock"),
)
_FOLDERS = ("genres", "genres_original", "Data/genres_original", ".")
_SUFFIXES = (".au", ".wav")


def prepare(
    corpus_dir: str | Path, out_dir: str | Path, num_folds: int = 10, seed: int = 0
) -> list[DataDir]:
    """Write a data dir for each fold, and ``all``, with ``utt2genre``.

    As many random folds as in HEAR, with as much of each genre, which HEAR leaves to chance. (Some
    of its recordings come twice, which no fold of HEAR's minds.) One file, ``jazz.00054``, is
    damaged in copies that are around; it stays in, and whatever reads it reports it.

    Args:
        corpus_dir: The folder with ``blues``, ``classical``, …, or one or two above, as archives
            unpack: ``genres``, ``genres_original`` or ``Data/genres_original``.
        out_dir: Where the data dirs go.
        num_folds: How many folds.
        seed: Of the folds.

    Raises:
        DataError: If a genre is missing.
    """
    root = _root(Path(corpus_dir))
    clips: dict[str, Clip] = {}
    for genre in GENRES:
        found = sorted(path for path in root.glob(f"{genre}/*") if path.suffix in _SUFFIXES)
        if not found:
            raise DataError(f"{root}/{genre}: expected files such as {genre}.00000.au, found none")
        clips.update({path.stem: Clip(path, {"genre": genre}) for path in found})
    whole = write_part(Path(out_dir, "all"), clips)
    return divide(whole, out_dir, num_folds, "genre", seed=seed)


def _root(corpus_dir: Path) -> Path:
    for name in _FOLDERS:
        if (corpus_dir / name / GENRES[0]).is_dir():
            return corpus_dir / name
    raise DataError(f"{corpus_dir}: expected a folder {GENRES[0]} in one of {_FOLDERS}, found none")
