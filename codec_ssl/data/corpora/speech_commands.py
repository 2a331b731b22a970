"""Speech Commands as twelve classes: data dirs train, valid and test.

Version 0.02 as HEAR takes it, version 0.01 as SUPERB does. lhotse downloads them; they are read
here, since lhotse opens each of 100,000 files for a header that nothing needs, and has neither the
twelve classes nor pieces of the background noises.
"""

import math
import re
from collections.abc import Iterator
from pathlib import Path

from codec_ssl.data.audio import audio_info
from codec_ssl.data.corpora.clips import Clip, write_part
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import numbered_lines
from codec_ssl.errors import DataError

WORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
UNKNOWN, SILENCE = "_unknown_", "_silence_"
HEAR, SUPERB = "0.02", "0.01"
VERSIONS = (HEAR, SUPERB)
TRAIN_DIR, TEST_DIR = "speech_commands_v{}", "speech_commands_test_set_v{}"
_DOWNLOADED = {HEAR: "SpeechCommands2", SUPERB: "SpeechCommands1"}  # lhotse's folders
_NOISE = "_background_noise_"
# Training has no silence for validation: HEAR and TensorFlow's data sets take this noise.
_VALID_NOISE = "running_tap"
_STEP = {HEAR: 0.5, SUPERB: 1.0}  # seconds between pieces of a noise, each a second long
# Unknown words' files of the test set begin with the word, but not in all versions.
_TEST_NAME = re.compile(r"(?:(?P<word>[a-z]+)_)?(?P<speaker>[0-9a-z]+)_nohash_\d+")


def download(target_dir: str | Path, version: str = HEAR) -> Path:
    """Download and unpack it with lhotse; returns the corpus folder."""
    from lhotse.recipes.speechcommands import download_speechcommands  # takes seconds to import

    return Path(download_speechcommands(version[-1], target_dir))


def prepare(corpus_dir: str | Path, out_dir: str | Path, version: str = HEAR) -> list[DataDir]:
    """Write train, valid and test, with ``utt2command`` (twelve classes) and ``utt2word``.

    The ten words, ``_unknown_`` for all others, and ``_silence_``: seconds of the background
    noises. HEAR takes one every half second, and one noise for validation; SUPERB cuts each noise
    into seconds, the last of which may be shorter, and has all of them in train and in valid. Train
    is what neither list names; test is the archive for it. A speaker's clips are all in one part,
    as the corpus's lists divide them.

    Args:
        corpus_dir: The folder with ``speech_commands_v0.02`` and, for test,
            ``speech_commands_test_set_v0.02``, or the one that ``download`` was given; likewise
            for the other version.
        out_dir: Where the data dirs go.
        version: ``0.02`` as in HEAR, or ``0.01`` as in SUPERB.

    Raises:
        DataError: If a folder or list is missing, a noise cannot be opened, or the version is
            another.
    """
    if version not in VERSIONS:
        raise DataError(f"Speech Commands: expected a version of {VERSIONS}, found {version!r}")
    unpacked = Path(corpus_dir, _DOWNLOADED[version])
    root = unpacked if unpacked.is_dir() else Path(corpus_dir)
    train_dir, test_dir = root / TRAIN_DIR.format(version), root / TEST_DIR.format(version)
    lists = {part: _listed(train_dir / f"{part}_list.txt") for part in ("validation", "testing")}
    parts: dict[str, dict[str, Clip]] = {"train": {}, "valid": {}, "test": {}}
    for path in _clips_of(train_dir):
        name = f"{path.parent.name}/{path.name}"
        if path.parent.name != _NOISE and name not in lists["testing"]:
            part = "valid" if name in lists["validation"] else "train"
            parts[part][f"{path.parent.name}_{path.stem}"] = _word(path, path.parent.name)
    for path in sorted((train_dir / _NOISE).glob("*.wav")):
        pieces = dict(_pieces(path, version))
        if version == SUPERB or path.stem != _VALID_NOISE:
            parts["train"].update(pieces)
        if version == SUPERB or path.stem == _VALID_NOISE:
            parts["valid"].update(pieces)
    for path in _clips_of(test_dir):
        parts["test"][f"{path.parent.name.strip('_')}_{path.stem}"] = _test_clip(path)
    return [write_part(Path(out_dir, name), clips) for name, clips in parts.items()]


def _clips_of(folder: Path) -> Iterator[Path]:
    found = sorted(folder.glob("*/*.wav"))
    if not found:
        raise DataError(f"{folder}: expected folders of words such as yes, found no WAV in any")
    yield from found


def _listed(path: Path) -> set[str]:
    return {line.strip() for _, line in numbered_lines(path)}


def _word(path: Path, word: str) -> Clip:
    """A clip of the training archive; its speaker's hash begins its name."""
    labels = {"word": word, "command": word if word in WORDS else UNKNOWN}
    return Clip(path, labels, path.stem.partition("_")[0])


def _test_clip(path: Path) -> Clip:
    if path.parent.name == SILENCE:
        return Clip(path, {"command": SILENCE})
    if path.parent.name != UNKNOWN:
        return _word(path, path.parent.name)
    found = _TEST_NAME.fullmatch(path.stem)
    if found is None:
        return Clip(path, {"command": UNKNOWN})
    return Clip(path, {"word": found["word"] or "", "command": UNKNOWN}, found["speaker"])


def _pieces(path: Path, version: str) -> Iterator[tuple[str, Clip]]:
    """Seconds of a noise; HEAR's last one ends within it, SUPERB's where the noise ends."""
    step, duration = _STEP[version], audio_info(path).duration
    count = math.ceil((duration - (1 if version == HEAR else 0)) / step)
    for number in range(count):
        start = number * step
        piece = (start, min(start + 1, duration))
        yield f"noise_{path.stem}_{number:04d}", Clip(path, {"command": SILENCE}, path.stem, piece)
