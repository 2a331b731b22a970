"""CSS10, books of LibriVox: data dirs ``css10_<language>_train``, ``_valid`` and ``_test``."""

from collections.abc import Sequence
from pathlib import Path

from codec_ssl.data.corpora.single_speaker import (
    NUM_EVAL,
    Sentence,
    by_utterance,
    read_bars,
    write_splits,
)
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError

LANGUAGES = (
    *("chinese", "dutch", "finnish", "french", "german"),
    *("greek", "hungarian", "japanese", "russian", "spanish"),
)


def prepare(
    corpus_dir: str | Path,
    out_dir: str | Path,
    languages: Sequence[str],
    num_eval: int = NUM_EVAL,
) -> list[DataDir]:
    """Write the data dirs; transcripts are the corpus's normalised ones.

    An utterance's id is the language and the name of its file. No audio file is opened: one that
    is missing or broken stays in, and the stage that reads it reports it.

    Args:
        corpus_dir: The folder with ``<language>/transcript.txt`` in it, and the audio beside that.
        out_dir: Where the data dirs go.
        languages: Such as ``german``.
        num_eval: See `codec_ssl.data.corpora.single_speaker.write_splits`.

    Raises:
        DataError: If a language or its table is missing, the table is malformed or names two
            files alike, or there are too few sentences.
    """
    made = []
    for language in languages:
        if language not in LANGUAGES:
            raise DataError(f"CSS10: expected languages of {LANGUAGES}, found {language!r}")
        folder = Path(corpus_dir, language)
        table = folder / "transcript.txt"
        rows = (
            (f"{language}_{Path(path).stem}", Sentence(folder / path, normalised or text))
            for path, text, normalised, _ in read_bars(table, num_columns=4)
        )
        made += write_splits(
            by_utterance(rows, table),
            Path(out_dir),
            f"css10_{language}",
            speaker=f"css10_{language}",
            labels={"lang": language},
            num_eval=num_eval,
        )
    return made
