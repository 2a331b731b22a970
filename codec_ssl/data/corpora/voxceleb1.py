"""VoxCeleb1: who speaks (SUPERB's SID) and whether two clips are of one speaker (SV).

lhotse has a reader, but it opens each of 150,000 files for a header that nothing needs, and has no
split for identification.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import numpy as np

from codec_ssl.data.corpora.clips import Clip, write_part
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb.pairs import draw_trials
from codec_ssl.data.superb.tables import Trial, write_trials
from codec_ssl.data.tables import numbered_lines
from codec_ssl.errors import DataError

SPLIT = "iden_split.txt"
# The authors' name of the list without wrong labels, and that of OpenSLR's copy.
TRIALS = ("veri_test2.txt", "voxceleb1_test_v2.txt")
PARTS = {"1": "train", "2": "valid", "3": "test"}
# Speakers of the verification trials: no clip of theirs is for training.
_TESTED = range(10270, 10310)
VALID_SPEAKERS = 20
_VALID_PAIRS = 2


def prepare_identification(corpus_dir: str | Path, out_dir: str | Path) -> list[DataDir]:
    """Write train, valid and test by the authors' list: all 1251 speakers are in each.

    Args:
        corpus_dir: The folder with ``dev/wav``, ``test/wav`` and ``iden_split.txt``.
        out_dir: Where the data dirs go.

    Raises:
        DataError: The list or a speaker's folder is missing, or a line is malformed.
    """
    corpus_dir = Path(corpus_dir)
    parts: dict[str, dict[str, Clip]] = {name: {} for name in PARTS.values()}
    names = _split(corpus_dir)
    folders = _speakers(corpus_dir, names)
    for name, part in names.items():
        parts[part][_utt_id(name)] = _clip(folders, name)
    return [write_part(Path(out_dir, name), clips) for name, clips in parts.items()]


def prepare_verification(
    corpus_dir: str | Path,
    out_dir: str | Path,
    valid_speakers: int = VALID_SPEAKERS,
    seed: int = 0,
) -> list[DataDir]:
    """Write train, valid and test, the latter two with ``trials``.

    Test has the authors' trials without wrong labels, as SUPERB takes them. SUPERB has no
    validation: it trains on all other speakers and reports the checkpoint that is best on the test
    set. Here some speakers are left out of training, for trials to choose by.

    Args:
        corpus_dir: The folder with ``dev/wav``, ``test/wav``, ``iden_split.txt`` and
            ``veri_test2.txt`` or ``voxceleb1_test_v2.txt``.
        out_dir: Where the data dirs go.
        valid_speakers: How many are left out for validation.
        seed: Of these speakers and their trials.

    Raises:
        DataError: A list or a speaker's folder is missing, or a line is malformed.
    """
    corpus_dir = Path(corpus_dir)
    names = [name for name in _split(corpus_dir) if int(name[2:7]) not in _TESTED]
    speakers = sorted({_speaker(name) for name in names})
    if not 2 <= valid_speakers < len(speakers):
        raise DataError(
            f"{corpus_dir}: expected 2 to {len(speakers) - 1} speakers for validation, found "
            f"{valid_speakers}"
        )
    order = np.random.default_rng(seed).permutation(len(speakers))
    held_out = {speakers[place] for place in order[:valid_speakers]}
    trials = _trials(corpus_dir)
    tested = sorted({name for trial in trials for name in trial[1:]})
    folders = _speakers(corpus_dir, [*names, *tested])
    chosen = {
        "train": [name for name in names if _speaker(name) not in held_out],
        "valid": [name for name in names if _speaker(name) in held_out],
        "test": tested,
    }
    made = [
        write_part(Path(out_dir, part), {_utt_id(name): _clip(folders, name) for name in found})
        for part, found in chosen.items()
    ]
    write_trials(made[1], draw_trials(made[1].utt2spk, pairs=_VALID_PAIRS, seed=seed))
    write_trials(made[2], [Trial(each.target, *map(_utt_id, each[1:])) for each in trials])
    return made


def _split(corpus_dir: Path) -> dict[str, str]:
    """Part of each clip of the list, by its path below ``wav``."""
    path = corpus_dir / SPLIT
    found = {}
    for number, line in numbered_lines(path):
        fields = line.split()
        if len(fields) != 2 or fields[0] not in PARTS or not _is_clip(fields[1]):
            raise DataError(
                f"{path}:{number}: expected '1 id10001/video/00001.wav', found {line!r}"
            )
        found[fields[1]] = PARTS[fields[0]]
    return found


def _trials(corpus_dir: Path) -> list[Trial]:
    path = next((corpus_dir / name for name in TRIALS if (corpus_dir / name).is_file()), None)
    if path is None:
        raise DataError(f"{corpus_dir}: expected a list of trials, {' or '.join(TRIALS)}")
    trials = []
    for number, line in numbered_lines(path):
        fields = line.split()
        if len(fields) != 3 or fields[0] not in ("0", "1") or not all(map(_is_clip, fields[1:])):
            raise DataError(f"{path}:{number}: expected '1 enrolment test', found {line!r}")
        trials.append(Trial(fields[0] == "1", fields[1], fields[2]))
    return trials


def _is_clip(name: str) -> bool:
    """Whether a name is ``id10001/video/00001.wav``."""
    parts = name.split("/")
    return len(parts) == 3 and parts[0][:2] == "id" and parts[0][2:].isdecimal()


def _speaker(name: str) -> str:
    return name.split("/")[0]


def _utt_id(name: str) -> str:
    return name.removesuffix(".wav").replace("/", "-")


def _speakers(corpus_dir: Path, names: Iterable[str]) -> dict[str, Path]:
    """Folder of each speaker: in ``dev/wav``, ``test/wav``, or ``wav`` where both were unpacked."""
    wanted: Collection[str] = {_speaker(name) for name in names}
    folders: dict[str, Path] = {}
    for place in ("dev/wav", "test/wav", "wav"):
        for folder in Path(corpus_dir, place).glob("id*"):
            folders.setdefault(folder.name, folder)
    missing = sorted(wanted - folders.keys())
    if missing:
        raise DataError(
            f"{corpus_dir}: expected folders of speakers in dev/wav and test/wav, found none of "
            f"{missing[0]} ({len(missing)} such)"
        )
    return folders


def _clip(folders: Mapping[str, Path], name: str) -> Clip:
    speaker, rest = name.split("/", maxsplit=1)
    return Clip(folders[speaker] / rest, speaker=speaker)
