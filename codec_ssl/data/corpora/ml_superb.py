"""ML-SUPERB (arXiv 2305.10615): data dirs ``train_<duration>``, ``dev_10min`` and ``test_10min``.

The layout of the public release, once unpacked::

    <corpus>/<language>/transcript_<10min|1h>_train.txt
    <corpus>/<language>/transcript_10min_<dev|test>.txt      lines of: utterance, a field, text
    <corpus>/<language>/wav/<utterance>.wav

A language is an ISO 639-3 code (and ``org_jpn``), and comes from up to 14 corpora with ten minutes
or an hour each. Twenty languages are reserved: of these, training has five utterances each. What
the benchmark's own recipe (ESPnet, egs2/ml_superb/asr1) does to the data is done here: the same
utterances, the same spelling, no training utterance of more than 20 seconds.
"""

import logging
import re
import string
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from codec_ssl.data.audio import BadAudio, audio_info
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import numbered_lines
from codec_ssl.errors import DataError

DURATIONS = ("10min", "1h")
MAX_SECONDS = 20.0

# The few-shot utterances of the reserved languages, by the benchmark's choice: prefix and numbers
# of their names, so that cv:26 of lit is cv_lit_000026.
_FEW_SHOT = {
    "bos": "fleurs:67,78,80,88,90",
    "ceb": "fleurs:54,64,69,71,80",
    "dan": "NST:7,72 cv:158 fleurs:58,71",
    "epo": "cv:6,39,63,66,76",
    "frr": "cv:23,86,95,102,104",
    "ful": "fleurs:55,59,67,76,81",
    "kaz": "cv:80,97,111 fleurs:36,66",
    "kea": "fleurs:52,70,78,83,85",
    "lit": "cv:26,105 fleurs:97 mls:40 voxpopuli:1707",
    "luo": "fleurs:56,62,67,73,77",
    "srp": "cv:78,145 fleurs:68,93,105",
    "sun": "googlei18n-asr:1,7,41,99,106",
    "tok": "cv:4,11,30,84,101",
    "tos": "mexico-el:6,122,152,496,563",
    "tsn": "googlei18n-tts:26,44,108 nchlt:1,32",
    "tso": "nchlt:35,40,89,104,125",
    "tur": "cv:95,101 fleurs:60,69,95",
    "umb": "fleurs:28,29,33,40,47",
    "vie": "cv:105,128 fleurs:67,68,77",
    "zul": "fleurs:49,57 nchlt:27,90,104",
}
RESERVED = frozenset(_FEW_SHOT)
# The settings of the monolingual track: corpus and language.
MONOLINGUAL = {
    "eng1": ("mls", "eng"),
    "eng2": ("nchlt", "eng"),
    "eng3": ("voxpopuli", "eng"),
    "fra1": ("voxforge", "fra"),
    "fra2": ("voxpopuli", "fra"),
    "deu1": ("swc", "deu"),
    "deu2": ("voxpopuli", "deu"),
    "rus": ("M-AILABS", "rus"),
    "swa": ("ALFFA", "swa"),
    "swe": ("NST", "swe"),
    "jpn": ("commonvoice", "jpn"),
    "cmn": ("fleurs", "cmn"),
    "xty": ("mexico-el", "xty"),
}
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Utterance:
    """A line of a transcript, and where its audio belongs."""

    corpus: str
    language: str
    path: Path
    text: str


def prepare(
    corpus_dir: str | Path,
    out_dir: str | Path,
    duration: str = "10min",
    *,
    corpora: Collection[str] = (),
    languages: Collection[str] = (),
    max_seconds: float = MAX_SECONDS,
) -> list[DataDir]:
    """Write the three data dirs, with ``utt2lang`` and ``utt2corpus``.

    Speakers are not known: each utterance has its own. Of the audio, only headers are read, and
    only those of training. A file that is missing or broken stays in: the stage that reads it
    reports it.

    Args:
        corpus_dir: The folder with ``commonvoice``, ``fleurs``, ... in it.
        out_dir: Where the data dirs go.
        duration: Training data of each corpus and language: ``10min`` or ``1h``. Validation and
            test sets are of ten minutes in either case.
        corpora: Only these; all there are if empty.
        languages: Only these; all there are if empty.
        max_seconds: Longer training utterances are left out.

    Raises:
        DataError: If the duration or a filter fits nothing, a transcript is missing or malformed,
            or an utterance comes twice.
    """
    if duration not in DURATIONS:
        raise DataError(f"ML-SUPERB: expected a duration of {DURATIONS}, found {duration!r}")
    folders = find(corpus_dir, corpora, languages)
    made = []
    for part, hours in (("train", duration), ("dev", "10min"), ("test", "10min")):
        found = _read(folders, f"transcript_{hours}_{part}.txt")
        if part == "train":
            found = _for_training(found, max_seconds)
        made.append(_write(Path(out_dir) / f"{part}_{hours}", found))
    return made


def find(
    corpus_dir: str | Path, corpora: Collection[str] = (), languages: Collection[str] = ()
) -> list[Path]:
    """Folders ``<corpus>/<language>`` that have transcripts, sorted.

    Raises:
        DataError: If there is none, or one that was asked for is not there.
    """
    root = Path(corpus_dir)
    there = sorted({path.parent for path in root.glob("*/*/transcript_*.txt")})
    if not there:
        raise DataError(
            f"{root}: expected <corpus>/<language>/transcript_*.txt of ML-SUPERB, found none",
            stage="data",
        )
    for what, wanted, known in (
        ("corpora", corpora, {path.parent.name for path in there}),
        ("languages", languages, {path.name for path in there}),
    ):
        if missing := sorted(set(wanted) - known):
            raise DataError(f"{root}: expected {what} {missing}, found {sorted(known)}", "data")
    chosen = [
        path
        for path in there
        if (not corpora or path.parent.name in corpora)
        and (not languages or path.name in languages)
    ]
    if not chosen:
        raise DataError(f"{root}: expected languages {languages} in {corpora}, found none", "data")
    return chosen


@cache
def few_shot_utterances(language: str) -> frozenset[str]:
    """Names of the training utterances of a reserved language; none of the others."""
    groups = (group.split(":") for group in _FEW_SHOT.get(language, "").split())
    return frozenset(
        f"{prefix}_{language}_{int(number):06d}"
        for prefix, numbers in groups
        for number in numbers.split(",")
    )


def spell(text: str) -> str:
    """A transcript as the benchmark spells it: upper case, without ASCII punctuation and notes.

    A note reaches from the first bracket to the last, unless parentheses are between, as in the
    benchmark's own pattern. Runs of blanks become one.
    """
    return " ".join(re.sub(r"\[[^()]*\]", "", text).translate(_PUNCTUATION).upper().split())


def _read(folders: Collection[Path], name: str) -> dict[str, _Utterance]:
    """Utterances of one transcript a folder; those without a word left are left out."""
    found: dict[str, _Utterance] = {}
    silent = []
    for folder in folders:
        for utt, text in _lines(folder / name):
            if utt in found:
                raise DataError(f"{folder / name}: expected each utterance once, found {utt} again")
            audio = (folder / "wav" / f"{utt}.wav").absolute()
            found[utt] = _Utterance(folder.parent.name, folder.name, audio, spell(text))
            if not found[utt].text:
                silent.append(utt)
    for utt in silent:
        del found[utt]
    if silent:
        shown = ", ".join(silent[:5]) + ", ..." * (len(silent) > 5)
        _logger.warning("%s: %d transcripts without words: left out: %s", name, len(silent), shown)
    return found


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Utterance and text of each line; the field between them is not used."""
    for number, line in numbered_lines(path):
        fields = line.split(maxsplit=2)
        if len(fields) < 2:
            raise DataError(f"{path}:{number}: expected 'utterance field text', found {line!r}")
        yield fields[0], fields[2] if len(fields) > 2 else ""


def _for_training(found: dict[str, _Utterance], max_seconds: float) -> dict[str, _Utterance]:
    """Without the reserved languages but for their few shots, and without what is too long."""
    kept, long, shots = {}, 0, set()
    for utt, each in found.items():
        if each.language in RESERVED:
            if utt not in few_shot_utterances(each.language):
                continue
            shots.add(utt)
        try:
            seconds = audio_info(each.path).duration
        except BadAudio as error:
            _logger.warning("%s; left in, the stage that reads it will report it", error)
            seconds = 0.0
        if seconds > max_seconds:
            long += 1
        else:
            kept[utt] = each
    if long:
        _logger.info("%d training utterances are longer than %g s: left out", long, max_seconds)
    for language in sorted({each.language for each in found.values()} & RESERVED):
        if missing := sorted(few_shot_utterances(language) - shots):
            _logger.warning("%s: of its few-shot utterances, missing: %s", language, missing)
    return kept


def _write(path: Path, found: dict[str, _Utterance]) -> DataDir:
    if not found:
        raise DataError(f"{path}: expected utterances, found none", stage="data")
    return DataDir.write(
        path,
        wav={utt: str(each.path) for utt, each in found.items()},
        utt2spk={utt: utt for utt in found},
        text={utt: each.text for utt, each in found.items()},
        labels={
            "lang": {utt: each.language for utt, each in found.items()},
            "corpus": {utt: each.corpus for utt, each in found.items()},
        },
    )
