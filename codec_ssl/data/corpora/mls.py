"""Multilingual LibriSpeech: one data dir a language and part, and seeded subsets of so many hours.

Not through lhotse's ``prepare_mls``: that opens every audio file (10 million in English) and ends
at the first broken one, while the corpus's own ``segments.txt`` tells the durations.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import choose_hours, subset
from codec_ssl.data.tables import numbered_lines
from codec_ssl.errors import DataError

LANGUAGES = (
    "english",
    "german",
    "dutch",
    "french",
    "spanish",
    "italian",
    "portuguese",
    "polish",
)
PARTS = ("train", "dev", "test")
# The corpus comes as FLAC (mls_french) or as Opus (mls_french_opus).
_FORMATS = {"": ".flac", "_opus": ".opus"}

_logger = logging.getLogger(__name__)


def prepare(
    corpus_dir: str | Path,
    out_dir: str | Path,
    languages: Sequence[str],
    parts: Sequence[str] = PARTS,
    hours: float | None = None,
    seed: int = 0,
) -> list[DataDir]:
    """Write ``out_dir/<language>_<part>``, and ``<language>_train_<hours>h`` if hours are given.

    Utterance and speaker ids are the corpus's. No audio file is opened: one that is missing or
    broken stays in, and the tokens stage reports it in ``bad_audio.tsv``.

    Args:
        corpus_dir: The folder with ``mls_<language>`` or ``mls_<language>_opus`` in it.
        out_dir: Where the data dirs go.
        languages: Such as ``french``.
        parts: Of ``train``, ``dev`` and ``test``.
        hours: Hours of a random subset of ``train``.
        seed: Of the subset.

    Raises:
        DataError: If a language, a part or a table is missing, a table is malformed, or there are
            fewer hours than asked for.
    """
    made = []
    for language in languages:
        folder, suffix = _folder(Path(corpus_dir), language)
        for part in parts:
            data_dir = _part(folder / part, suffix, language, Path(out_dir) / f"{language}_{part}")
            made.append(data_dir)
            if part == "train" and hours is not None:
                seconds = _seconds(folder / part / "segments.txt")
                chosen = choose_hours(data_dir, seconds, hours, seed)
                made.append(subset(data_dir, chosen, f"{data_dir.path}_{hours:g}h"))
    return made


def _folder(corpus_dir: Path, language: str) -> tuple[Path, str]:
    """Folder of a language, and the ending of its audio files."""
    if language not in LANGUAGES:
        raise DataError(f"MLS: expected languages of {LANGUAGES}, found {language!r}")
    for ending, suffix in _FORMATS.items():
        if (folder := corpus_dir / f"mls_{language}{ending}").is_dir():
            return folder, suffix
    raise DataError(f"{corpus_dir}: expected mls_{language} or mls_{language}_opus, found neither")


def _part(folder: Path, suffix: str, language: str, out_dir: Path) -> DataDir:
    text = _table(folder / "transcripts.txt")
    genders = _genders(folder.parent / "metainfo.txt")
    speakers = {utt: utt.split("_")[0] for utt in text}
    return DataDir.write(
        out_dir,
        wav={utt: str(_audio(folder, utt, suffix).absolute()) for utt in text},
        utt2spk=speakers,
        text={utt: " ".join(row[0].split()) for utt, row in text.items()},
        labels={
            "lang": dict.fromkeys(text, language),
            "gender": {utt: genders[spk] for utt, spk in speakers.items() if spk in genders},
        },
    )


def _audio(folder: Path, utt: str, suffix: str) -> Path:
    """Path of an utterance; its id is ``<speaker>_<book>_<number>``."""
    speaker, book, *_ = utt.split("_")
    return folder / "audio" / speaker / book / f"{utt}{suffix}"


def _table(path: Path) -> dict[str, list[str]]:
    """Rows of a tab-separated table by utterance, in its order.

    Raises:
        DataError: If it is missing, empty, a row has another shape or repeats an utterance.
    """
    rows: dict[str, list[str]] = {}
    for number, line in numbered_lines(path):
        utt, *values = line.split("\t")
        if not values or utt.count("_") != 2:
            raise DataError(
                f"{path}, line {number}: expected speaker_book_number and a tab, found {line!r}"
            )
        if utt in rows:
            raise DataError(f"{path}, line {number}: utterance {utt} is there twice")
        rows[utt] = values
    if not rows:
        raise DataError(f"{path}: expected utterances, found none")
    return rows


def _genders(path: Path) -> dict[str, str]:
    """Gender of each speaker; empty if the table is missing."""
    if not path.is_file():
        _logger.warning("%s: no such file, so there will be no utt2gender", path)
        return {}
    rows = (line.split("|") for _, line in numbered_lines(path))
    return {row[0].strip(): row[1].strip() for row in rows if len(row) > 1}


def _seconds(path: Path) -> dict[str, float]:
    """Duration of each utterance, from the places in the book where it was cut."""
    try:
        return {utt: float(row[2]) - float(row[1]) for utt, row in _table(path).items()}
    except (IndexError, ValueError) as error:
        raise DataError(f"{path}: expected utterance, address, start and end: {error}") from error
