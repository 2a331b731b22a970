"""Audio SNIPS, commands with slots: SUPERB's slot filling, with sixteen synthetic speakers."""

import logging
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb.slots import Value, from_tags, marked
from codec_ssl.data.superb.tables import SLOTS, write_symbols
from codec_ssl.data.tables import numbered_lines
from codec_ssl.errors import DataError

TABLE = "all.iob.snips.txt"
# SUPERB's speakers of each set: nobody is in two.
SPEAKERS = {
    "train": ("Ivy", "Joanna", "Joey", "Justin", "Kendra", "Kimberly", "Matthew", "Salli"),
    "valid": ("Aditi", "Amy", "Geraint", "Nicole"),
    "test": ("Brian", "Emma", "Raveena", "Russell"),
}
_FOLDER = "SNIPS"
_AUDIO = (".wav", ".mp3")
# Signs that are no letter with an accent, and a title in a script that nobody pronounces as such.
_SPELT = {"Æ": "A", "Ð": "D", "Ø": "O", "’": "'", "–": "-", "&": "AND", "楽園追放": "EXPELLED"}
_PUNCTUATION = re.compile(r"[?!.,;…-]+")

_logger = logging.getLogger(__name__)


class _Command(NamedTuple):
    """What is said, by slots, and what for."""

    values: list[Value]
    intent: str


def prepare(corpus_dir: str | Path, out_dir: str | Path) -> list[DataDir]:
    """Write train, valid and test, with ``text``, ``slots`` and ``utt2intent``.

    Words are in capitals, without accents and marks of punctuation, as the benchmark spells them.

    Args:
        corpus_dir: The folder with ``all.iob.snips.txt``, ``train``, ``valid`` and ``test``, or the
            one above.
        out_dir: Where the data dirs go.

    Raises:
        DataError: The table is missing or malformed, or a set has no audio of its speakers.
    """
    corpus_dir = Path(corpus_dir)
    if (corpus_dir / _FOLDER).is_dir():
        corpus_dir = corpus_dir / _FOLDER
    commands = dict(_commands(corpus_dir / TABLE))
    return [_write(corpus_dir / name, Path(out_dir, name), commands) for name in SPEAKERS]


def _write(folder: Path, out_dir: Path, commands: dict[str, _Command]) -> DataDir:
    files = {path.stem: path for path in sorted(folder.rglob("*")) if path.suffix in _AUDIO}
    spoken = {utt: path for utt, path in files.items() if _speaker(utt) in SPEAKERS[folder.name]}
    wav = {utt: str(path.absolute()) for utt, path in spoken.items() if utt in commands}
    if not wav:
        raise DataError(f"{folder}: expected audio such as Ivy-snips-train-0.wav, found none")
    if len(wav) < len(spoken):
        _logger.warning("%s: %d files are not in %s", folder, len(spoken) - len(wav), TABLE)
    said = {utt: [word for value in commands[utt].values for word in value.words] for utt in wav}
    data_dir = DataDir.write(
        out_dir,
        wav=wav,
        utt2spk={utt: _speaker(utt) for utt in wav},
        text={utt: " ".join(words) for utt, words in said.items()},
        labels={"intent": {utt: commands[utt].intent for utt in wav}},
    )
    write_symbols(data_dir, SLOTS, {utt: marked(commands[utt].values) for utt in wav})
    return data_dir


def _speaker(utt_id: str) -> str:
    return utt_id.partition("-")[0]


def _commands(path: Path) -> Iterator[tuple[str, _Command]]:
    """Lines ``utterance BOS words EOS<tab>O tags intent``; the tags are of BOS and the words."""
    for number, line in numbered_lines(path):
        where = f"{path}:{number}"
        spoken, tab, tagged = line.rstrip().partition("\t")
        utt_id, *words = spoken.split(" ")
        tags = tagged.split(" ")
        if not tab or len(words) < 2 or len(words) != len(tags):
            raise DataError(
                f"{where}: expected 'utt BOS words EOS<tab>O tags intent', got {line!r}"
            )
        pairs = zip(words[1:-1], tags[1:-1], strict=True)
        spelt = [(part, tag) for word, tag in pairs if (part := spell(word))]
        try:
            values = from_tags([word for word, _ in spelt], [tag for _, tag in spelt])
        except DataError as error:
            raise DataError(f"{where}: {error.message}") from error
        if values:
            yield utt_id, _Command(values, tags[-1])


def spell(word: str) -> str:
    """A word in capitals of the Latin alphabet, "" for a mark of punctuation or another script."""
    word = word.upper()
    for letters, latin in _SPELT.items():
        word = word.replace(letters, latin)
    plain = unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode().replace('"', "")
    return "" if _PUNCTUATION.fullmatch(plain) else plain
