"""The embedded corpus as data dirs of SUPERB's tasks: seven of the ten, at the smallest scale.

Emotions, intents and slots are not in it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from codec_ssl.data.alignment import PAUSE
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import combine, subset
from codec_ssl.data.splits import Unit, assign
from codec_ssl.data.superb.copies import copy_set
from codec_ssl.data.superb.dialogues import make_dialogues
from codec_ssl.data.superb.pairs import draw_trials
from codec_ssl.data.superb.tables import PHONES, write_matches, write_symbols, write_trials
from codec_ssl.errors import DataError

SETS = ("train", "valid", "test")
# Of speakers, who are in one set only, as in the benchmark.
_SPEAKERS = {"train": 0.5, "valid": 0.25, "test": 0.25}

type _Sets = Mapping[str, DataDir]


def make(
    corpus_dir: str | Path, out_dir: str | Path, tasks: Sequence[str] | None = None, seed: int = 0
) -> list[DataDir]:
    """Write ``out_dir/<task>/<set>`` for each task.

    Args:
        corpus_dir: Has train, valid and test, as ``prepare_data mini`` makes them.
        out_dir: Where the tasks go.
        tasks: Of ``TASKS``; None makes all.
        seed: Of what is drawn: speakers of verification, trials, who talks with whom.

    Raises:
        DataError: A task is not one of these, or a set is missing.
    """
    sets = {name: DataDir(Path(corpus_dir, name)) for name in SETS}
    made = []
    for task in TASKS if tasks is None else tasks:
        if task not in TASKS:
            raise DataError(f"embedded corpus: expected tasks of {sorted(TASKS)}, found {task!r}")
        made += TASKS[task](sets, Path(out_dir, task), seed)
    return made


def _keywords(sets: _Sets, out: Path, _: int) -> list[DataDir]:
    return [
        copy_set(source, out / name, labels={"command": source.labels("keyword")})
        for name, source in sets.items()
    ]


def _speakers(sets: _Sets, out: Path, _: int) -> list[DataDir]:
    return [copy_set(source, out / name) for name, source in sets.items()]


def _transcribed(sets: _Sets, out: Path, _: int) -> list[DataDir]:
    made = []
    for name, source in sets.items():
        text = {utt: source.text[utt].upper() for utt in _english(source)}
        made.append(copy_set(source, out / name, text=text))
    return made


def _phones(sets: _Sets, out: Path, seed: int) -> list[DataDir]:
    made = _transcribed(sets, out, seed)
    for data_dir in made:
        phones = {
            utt: [segment.label for segment in found if segment.label != PAUSE]
            for utt, found in data_dir.phones.items()
        }
        write_symbols(data_dir, PHONES, phones)
    return made


def _verification(sets: _Sets, out: Path, seed: int) -> list[DataDir]:
    """English speakers in one set each; those of other languages, lone ones, are trained on."""
    everything = combine(list(sets.values()), out / "all")
    english = set(_english(everything))
    spoken: dict[str, list[str]] = {}
    for utt in everything.utt_ids:
        spoken.setdefault(everything.utt2spk[utt], []).append(utt)
    units = [
        Unit(speaker, "", tuple(utts)) for speaker, utts in spoken.items() if utts[0] in english
    ]
    parts = assign(units, _SPEAKERS, seed)
    parts["train"] += [utt for utt in everything.utt_ids if utt not in english]
    made = [subset(everything, utts, out / name) for name, utts in parts.items()]
    for data_dir in made[1:]:
        write_trials(data_dir, draw_trials(data_dir.utt2spk, seed=seed))
    return made


def _dialogues(sets: _Sets, out: Path, seed: int) -> list[DataDir]:
    return [
        make_dialogues(source, _sentences(source), out / name, seed)
        for name, source in sets.items()
    ]


def _queries(sets: _Sets, out: Path, _: int) -> list[DataDir]:
    everything = combine(list(sets.values()), out / "all")
    docs = subset(everything, _sentences(everything), out / "docs")
    words = {doc: set(re.findall(r"\w+", text.lower())) for doc, text in docs.text.items()}
    made = [docs]
    for name in ("valid", "test"):
        matches = {
            (utt, doc)
            for utt, word in sets[name].labels("keyword").items()
            for doc in words
            if word in words[doc]
        }
        # Of a query that nothing contains, no term-weighted value exists.
        queries = subset(sets[name], {utt for utt, _ in matches}, out / f"queries_{name}")
        write_matches(queries, name, matches, docs)
        made.append(queries)
    return made


def _english(source: DataDir) -> list[str]:
    languages = source.labels("lang")
    return [utt for utt in source.utt_ids if languages[utt] == "en"]


def _sentences(source: DataDir) -> list[str]:
    keywords = source.labels("keyword")
    return [utt for utt in _english(source) if utt not in keywords]


TASKS: dict[str, Callable[[_Sets, Path, int], list[DataDir]]] = {
    "ks": _keywords,
    "sid": _speakers,
    "sv": _verification,
    "asr": _transcribed,
    "pr": _phones,
    "sd": _dialogues,
    "qbe": _queries,
}
