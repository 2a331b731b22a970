"""A folder of free recordings, laid out as the corpora of SUPERB's tasks.

The folder's manifest has the corpora wakewords and fsdd (keywords), librispeech (speakers, text),
emodb_2s (emotions) and barista_intent (orders of coffee); see ``audio_folder.read_manifest``.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path

from codec_ssl.data import audio_folder
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import combine
from codec_ssl.data.splits import Unit, assign
from codec_ssl.data.superb.copies import copy_set
from codec_ssl.data.superb.pairs import draw_trials
from codec_ssl.data.superb.rotation import rotate
from codec_ssl.data.superb.slots import Value, marked
from codec_ssl.data.superb.tables import SLOTS, write_symbols, write_trials
from codec_ssl.errors import DataError

SHARES = {"train": 0.6, "valid": 0.2, "test": 0.2}
EMOTIONS = {"anger": "angry", "happiness": "happy", "neutral": "neutral", "sadness": "sad"}
# What stands for Fluent Speech Commands' three parts of an intent, each of which an order may lack.
INTENT = {"action": "coffeeDrink", "object": "numberOfShots", "location": "roast"}
NONE = "none"
_FOLDS = 5
# Of each digit of a speaker, where hundreds would drown the others.
_DIGITS = 4
_MIN_UTTERANCES = 10
_LIBRISPEECH = {
    "train": ("train-clean-100",),
    "valid": ("dev-clean",),
    "test": ("test-clean", "test-other"),
}

type _Read = Callable[[str], DataDir]


def make(
    recordings: str | Path,
    out_dir: str | Path,
    tasks: Sequence[str] | None = None,
    *,
    manifest: str | Path | None = None,
    seed: int = 0,
) -> list[DataDir]:
    """Write ``out_dir/<task>/<set>`` for each task; ``er`` in five folds.

    Args:
        recordings: The folder.
        out_dir: Where the tasks go; whole corpora are in ``corpora`` there.
        tasks: Of ``TASKS``; None makes all.
        manifest: Its table; None: ``manifest.tsv`` in it.
        seed: Of the splits and trials.

    Raises:
        DataError: A task is not one of these, or a corpus is not in the manifest.
    """
    table = manifest or Path(recordings, "manifest.tsv")

    @cache
    def read(corpus: str) -> DataDir:
        folder = Path(out_dir, "corpora", corpus)
        where = {"corpus": {corpus}}
        return audio_folder.prepare(
            recordings, folder, manifest=table, where=where, fractions={"all": 1.0}
        )[0]

    made = []
    for task in TASKS if tasks is None else tasks:
        if task not in TASKS:
            raise DataError(f"recordings: expected tasks of {sorted(TASKS)}, found {task!r}")
        made += TASKS[task](read, Path(out_dir, task), seed)
    return made


def _keywords(read: _Read, out: Path, seed: int) -> list[DataDir]:
    """Digits by speakers that no other set has, and wake words, whose speakers nobody knows."""
    digits, words = read("fsdd"), read("wakewords")
    parts = _by_speaker(digits, digits.utt_ids, SHARES, seed)
    spread = _by_label(words.utt_ids, words.labels("label"), seed)
    both = combine([digits, words], out / "all")
    said = {utt: text.replace(" ", "_") for utt, text in both.text.items()}
    return [
        copy_set(both, out / name, utt_ids=parts[name] + spread[name], labels={"command": said})
        for name in SHARES
    ]


def _speakers(read: _Read, out: Path, seed: int) -> list[DataDir]:
    """Speakers with ten utterances or more; each set has all of them."""
    digits, books = read("fsdd"), read("librispeech")
    counts: dict[str, list[str]] = {}
    for utt, speaker in books.utt2spk.items():
        counts.setdefault(speaker, []).append(utt)
    enough = [utts for utts in counts.values() if len(utts) >= _MIN_UTTERANCES]
    both = combine([digits, books], out / "all")
    chosen = [*_few_digits(digits), *(utt for utts in enough for utt in utts)]
    parts = _by_label(chosen, both.utt2spk, seed)
    return [copy_set(both, out / name, utt_ids=utts) for name, utts in parts.items()]


def _verification(read: _Read, out: Path, seed: int) -> list[DataDir]:
    """Other speakers in each set: digits in training and validation, books in all."""
    digits, books = read("fsdd"), read("librispeech")
    both = combine([digits, books], out / "all")
    spoken = _by_speaker(digits, _few_digits(digits), {"train": 0.6, "valid": 0.4}, seed)
    corpora = both.labels("corpus")
    made = []
    for name in SHARES:
        utts = [*spoken.get(name, ()), *_of_parts(books, name)]
        data_dir = copy_set(both, out / name, utt_ids=utts)
        if name != "train":
            write_trials(data_dir, draw_trials(data_dir.utt2spk, corpora, seed=seed))
        made.append(data_dir)
    return made


def _emotions(read: _Read, out: Path, seed: int) -> list[DataDir]:
    """The benchmark's four emotions; a fold's test speakers are in no other set of it."""
    acted = read("emodb_2s")
    found = {
        utt: EMOTIONS[label] for utt, label in acted.labels("label").items() if label in EMOTIONS
    }
    whole = copy_set(acted, out / "all", labels={"emotion": found})
    names = [f"group{number}" for number in range(_FOLDS)]
    groups = _by_speaker(whole, whole.utt_ids, dict.fromkeys(names, 1 / _FOLDS), seed)
    return rotate(whole, list(groups.values()), out, "emotion", seed=seed)


def _intents(read: _Read, out: Path, seed: int) -> list[DataDir]:
    orders = read("barista_intent")
    found = {utt: dict(_order(label)) for utt, label in orders.labels("label").items()}
    labels = {
        name: {utt: slots.get(slot, NONE).replace(" ", "_") for utt, slots in found.items()}
        for name, slot in INTENT.items()
    }
    parts = _by_label(orders.utt_ids, labels["action"], seed)
    return [
        copy_set(orders, out / name, utt_ids=utts, labels=labels) for name, utts in parts.items()
    ]


def _slots(read: _Read, out: Path, seed: int) -> list[DataDir]:
    """The values that an order has, one slot after another: nobody wrote down all its words."""
    orders = read("barista_intent")
    found = {utt: _order(label) for utt, label in orders.labels("label").items()}
    text = {utt: " ".join(value.upper() for _, value in slots) for utt, slots in found.items()}
    drinks = {utt: dict(slots).get(INTENT["action"], NONE) for utt, slots in found.items()}
    made = []
    for name, utts in _by_label(orders.utt_ids, drinks, seed).items():
        data_dir = copy_set(orders, out / name, utt_ids=utts, text=text)
        values = {utt: [Value(slot, value.upper().split()) for slot, value in found[utt]]
                  for utt in utts}  # fmt: skip
        write_symbols(data_dir, SLOTS, {utt: marked(each) for utt, each in values.items()})
        made.append(data_dir)
    return made


def _books(read: _Read, out: Path, _: int) -> list[DataDir]:
    books = read("librispeech")
    return [
        copy_set(books, out / name, utt_ids=_of_parts(books, name), text=books.text)
        for name in SHARES
    ]


def _order(label: str) -> list[tuple[str, str]]:
    """Slots and values of ``orderDrink|size=small|roast=dark roast``."""
    pairs = [part.partition("=") for part in label.split("|")[1:]]
    if not pairs or not all(name and value for name, _, value in pairs):
        raise DataError(f"barista_intent: expected intent|slot=value|…, found {label!r}")
    return [(name, value) for name, _, value in pairs]


def _of_parts(books: DataDir, name: str) -> list[str]:
    parts = books.labels("note")
    return [utt for utt in books.utt_ids if parts[utt] in _LIBRISPEECH[name]]


def _few_digits(digits: DataDir) -> list[str]:
    seen: dict[tuple[str, str], int] = {}
    labels, chosen = digits.labels("label"), []
    for utt in digits.utt_ids:
        kind = (digits.utt2spk[utt], labels[utt])
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= _DIGITS:
            chosen.append(utt)
    return chosen


def _by_speaker(
    source: DataDir, utt_ids: Iterable[str], shares: Mapping[str, float], seed: int
) -> dict[str, list[str]]:
    spoken: dict[str, list[str]] = {}
    for utt in utt_ids:
        spoken.setdefault(source.utt2spk[utt], []).append(utt)
    units = [Unit(speaker, "", tuple(utts)) for speaker, utts in spoken.items()]
    return assign(units, shares, seed)


def _by_label(utt_ids: Iterable[str], labels: Mapping[str, str], seed: int) -> dict[str, list[str]]:
    return assign([Unit(utt, labels[utt], (utt,)) for utt in utt_ids], SHARES, seed)


TASKS: dict[str, Callable[[_Read, Path, int], list[DataDir]]] = {
    "ks": _keywords,
    "sid": _speakers,
    "sv": _verification,
    "er": _emotions,
    "ic": _intents,
    "sf": _slots,
    "asr": _books,
    "pr": _books,
}
