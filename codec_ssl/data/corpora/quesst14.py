"""QUESST 2014, spoken queries in speech: SUPERB's query by example, its English part."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from codec_ssl.data.corpora.clips import Clip, write_part
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb.tables import write_matches
from codec_ssl.data.tables import numbered_lines
from codec_ssl.errors import DataError

LANGUAGE = "nnenglish"
# Our name of a set of queries, and theirs.
SETS = {"valid": "dev", "test": "eval"}
_FOLDER = "quesst14Database"
_MATCH = re.compile(
    r"LEXEME\s+(?P<doc>quesst14_\d+)\s.*\s(?P<query>quesst14_(dev|eval)_\d+)(\s.*)?"
)


def prepare(corpus_dir: str | Path, out_dir: str | Path, language: str = LANGUAGE) -> list[DataDir]:
    """Write docs, queries_valid and queries_test, each set of queries with its matches.

    A query that occurs in no document of the language stays in; it has no match.

    Args:
        corpus_dir: The folder with ``Audio``, ``dev_queries``, ``eval_queries`` and ``scoring``, or
            the one above.
        out_dir: Where the data dirs go.
        language: As the corpus calls it; SUPERB takes ``nnenglish``, English of foreigners.

    Raises:
        DataError: A list is missing or malformed, or has nothing in that language.
    """
    corpus_dir = Path(corpus_dir)
    if (corpus_dir / _FOLDER).is_dir():
        corpus_dir = corpus_dir / _FOLDER
    docs = _write(corpus_dir, "utterances", Path(out_dir, "docs"), language)
    made = [docs]
    for name, theirs in SETS.items():
        queries = _write(corpus_dir, theirs, Path(out_dir, f"queries_{name}"), language)
        truth = corpus_dir / "scoring" / f"groundtruth_quesst14_{theirs}"
        known = (set(queries.utt_ids), set(docs.utt_ids))
        found = {
            (query, doc)
            for query, doc in _matches(truth / f"quesst14_{theirs}.rttm")
            if query in known[0] and doc in known[1]
        }
        write_matches(queries, name, found, docs)
        made.append(queries)
    return made


def _write(corpus_dir: Path, name: str, out_dir: Path, language: str) -> DataDir:
    """What ``language_key_<name>.lst`` lists in a language: ``folder/Audio/a.wav language``."""
    path = corpus_dir / "scoring" / f"language_key_{name}.lst"
    clips = {}
    for number, line in numbered_lines(path):
        fields = line.split()
        if len(fields) != 2 or "/" not in fields[0]:
            raise DataError(f"{path}:{number}: expected a path and a language, found {line!r}")
        if fields[1] == language:
            # The corpus's own folder comes first, whatever it is called here.
            below = PurePosixPath(fields[0]).parts[1:]
            clips[PurePosixPath(fields[0]).stem] = Clip(corpus_dir.joinpath(*below))
    if not clips:
        raise DataError(f"{path}: expected audio of language {language}, found none")
    return write_part(out_dir, clips)


def _matches(path: Path) -> Iterable[tuple[str, str]]:
    """Query and document of each ``LEXEME document … query …`` line."""
    for number, line in numbered_lines(path):
        if line.startswith("LEXEME"):
            found = _MATCH.fullmatch(line)
            if found is None:
                raise DataError(f"{path}:{number}: expected a document and a query, found {line!r}")
            yield found["query"], found["doc"]
