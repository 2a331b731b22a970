"""Speech Commands v0.02 as twelve classes: data dirs train, valid and test.

lhotse downloads it; it is read here, since lhotse opens each of 100,000 files for a header that
nothing needs, and has neither the twelve classes nor pieces of the background noises.
"""

import math
from collections.abc import Iterator
from pathlib import Path

from codec_ssl.data.audio import audio_info
from codec_ssl.data.corpora.clips import Clip, write_part
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import numbered_lines
from codec_ssl.errors import DataError

WORDS = ("down", "go", "left", "no", "off", "on", "right", "stop", "up", "yes")
UNKNOWN, SILENCE = "_unknown_", "_silence_"
TRAIN_DIR, TEST_DIR = "speech_commands_v0.02", "speech_commands_test_set_v0.02"
_DOWNLOADED = "SpeechCommands2"  # lhotse's folder for both
_NOISE = "_background_noise_"
# Training has no silence for validation: HEAR and TensorFlow's data sets take this noise.
_VALID_NOISE = "running_tap"
_STEP = 0.5  # seconds between pieces of a noise, each a second long


def download(target_dir: str | Path) -> Path:
    """Download and unpack it with lhotse; returns the corpus folder."""
    from lhotse.recipes.speechcommands import download_speechcommands  # takes seconds to import

    return Path(download_speechcommands("2", target_dir))


def prepare(corpus_dir: str | Path, out_dir: str | Path) -> list[DataDir]:
    """Write train, valid and test, with ``utt2command`` (twelve classes) and ``utt2word``.

    As HEAR takes the corpus: the ten words, ``_unknown_`` for all others, and ``_silence_``:
    seconds of the background noises, every half second. Train is what neither list names; test is
    the archive for it. A speaker's clips are all in one part, as the corpus's lists divide them.

    Args:
        corpus_dir: The folder with ``speech_commands_v0.02`` and, for test,
            ``speech_commands_test_set_v0.02``, or the one that ``download`` was given.
        out_dir: Where the data dirs go.

    Raises:
        DataError: If a folder or list is missing, or a noise cannot be opened.
    """
    unpacked = Path(corpus_dir, _DOWNLOADED)
    root = unpacked if unpacked.is_dir() else Path(corpus_dir)
    train_dir, test_dir = root / TRAIN_DIR, root / TEST_DIR
    lists = {part: _listed(train_dir / f"{part}_list.txt") for part in ("validation", "testing")}
    parts: dict[str, dict[str, Clip]] = {"train": {}, "valid": {}, "test": {}}
    for path in _clips_of(train_dir):
        name = f"{path.parent.name}/{path.name}"
        if path.parent.name != _NOISE and name not in lists["testing"]:
            part = "valid" if name in lists["validation"] else "train"
            parts[part][f"{path.parent.name}_{path.stem}"] = _word(path, path.parent.name)
    for path in sorted((train_dir / _NOISE).glob("*.wav")):
        part = "valid" if path.stem == _VALID_NOISE else "train"
        parts[part].update(_pieces(path))
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
    # Unknown words' files are called <word>_<speaker>_nohash_0.
    word, _, rest = path.stem.partition("_")
    return Clip(path, {"word": word, "command": UNKNOWN}, rest.partition("_")[0])


def _pieces(path: Path) -> Iterator[tuple[str, Clip]]:
    """Seconds of a noise, the last of which ends within it."""
    count = math.ceil((audio_info(path).duration - 1) / _STEP)
    for number in range(count):
        start = number * _STEP
        piece = (start, start + 1)
        yield f"noise_{path.stem}_{number:04d}", Clip(path, {"command": SILENCE}, path.stem, piece)
