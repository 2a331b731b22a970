"""What the embedded corpus has besides speech: notes, sound events, and scenes of several events.

``notes/{train,valid,test}`` (``utt2pitch``, ``utt2instrument``), ``events/fold00`` to ``fold04``
(``utt2event``) and ``scenes/{train,valid,test}`` (``utt2events``: one to three, blanks between).
24 kHz, deterministic: a size and seed give the same bytes.
"""

import logging
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codec_ssl.data import mini_events, mini_notes
from codec_ssl.data.corpora.clips import Clip, write_part
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.folds import divide
from codec_ssl.data.splits import Unit, assign
from codec_ssl.data.wav_file import write_wav
from codec_ssl.errors import DataError

SAMPLE_RATE = 24000
SETS = ("notes", "events", "scenes")
_LOWEST_PITCH = 48  # C3
_FRACTIONS = {"train": 0.7, "valid": 0.1, "test": 0.2}
_NUM_FOLDS = 5

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Size:
    """How much to make.

    Attributes:
        pitches: Number of pitches, from C3 up in semitones.
        takes: Takes of each pitch on each instrument.
        events: Events of each class.
        scenes: Scenes in all.
        seconds: Length of a note; an event is up to twice, a scene three times as long.
    """

    pitches: int
    takes: int
    events: int
    scenes: int
    seconds: float


SIZES = {
    "ci": Size(pitches=8, takes=2, events=10, scenes=100, seconds=0.5),
    "small": Size(pitches=24, takes=3, events=30, scenes=400, seconds=1.0),
    "full": Size(pitches=36, takes=5, events=80, scenes=1500, seconds=2.0),
}


def make(
    out_dir: str | Path, size: str = "ci", seed: int = 0, sets: Sequence[str] = SETS
) -> list[DataDir]:
    """Render and write the data dirs.

    Args:
        out_dir: Folder for ``wav/`` and the data dirs.
        size: ``ci`` (5 minutes of audio), ``small`` (37) or ``full`` (240).
        seed: Other seeds give other takes and splits.
        sets: Of ``SETS``.

    Raises:
        DataError: If the size or a set is unknown.
    """
    if size not in SIZES or not set(sets) <= set(SETS):
        raise DataError(
            f"sounds: expected a size of {sorted(SIZES)} and sets of {SETS}, found {size!r} and"
            f" {list(sets)}"
        )
    out_dir = Path(out_dir).resolve()
    made: list[DataDir] = []
    if "notes" in sets:
        notes = _notes(out_dir / "wav" / "notes", SIZES[size], seed)
        made += _write_splits(out_dir / "notes", notes, "pitch", seed)
    if "events" in sets:
        events = write_part(
            out_dir / "events" / "all", _events(out_dir / "wav" / "events", SIZES[size], seed)
        )
        made += divide(events, out_dir / "events", _NUM_FOLDS, "event", seed=seed)
    if "scenes" in sets:
        scenes = _scenes(out_dir / "wav" / "scenes", SIZES[size], seed)
        made += _write_splits(out_dir / "scenes", scenes, "events", seed)
    _logger.info("%s: %s", out_dir, ", ".join(f"{len(each)} in {each.path.name}" for each in made))
    return made


def _write_splits(out_dir: Path, clips: Mapping[str, Clip], label: str, seed: int) -> list[DataDir]:
    units = [Unit(utt_id, clip.labels[label], (utt_id,)) for utt_id, clip in clips.items()]
    return [
        write_part(out_dir / name, {utt_id: clips[utt_id] for utt_id in utt_ids})
        for name, utt_ids in assign(units, _FRACTIONS, seed).items()
    ]


def _notes(folder: Path, size: Size, seed: int) -> dict[str, Clip]:
    clips = {}
    for instrument in mini_notes.INSTRUMENTS:
        for pitch in range(_LOWEST_PITCH, _LOWEST_PITCH + size.pitches):
            for take in range(size.takes):
                utt_id = f"{instrument}-{pitch:03d}-{take:02d}"
                rng = _random(utt_id, seed)
                wav = mini_notes.render(instrument, pitch, size.seconds, SAMPLE_RATE, rng)
                labels = {"pitch": str(pitch), "instrument": instrument}
                clips[utt_id] = _written(folder, utt_id, wav, labels, instrument)
    return clips


def _events(folder: Path, size: Size, seed: int) -> dict[str, Clip]:
    clips = {}
    for event in mini_events.EVENTS:
        for number in range(size.events):
            utt_id = f"{event}-{number:03d}"
            rng = _random(utt_id, seed)
            seconds = size.seconds * rng.uniform(1, 2)
            wav = mini_events.render(event, seconds, SAMPLE_RATE, rng)
            clips[utt_id] = _written(folder, utt_id, wav, {"event": event})
    return clips


def _scenes(folder: Path, size: Size, seed: int) -> dict[str, Clip]:
    """Events of one to three classes, each somewhere in the scene."""
    clips = {}
    names = list(mini_events.EVENTS)
    for number in range(size.scenes):
        utt_id = f"scene-{number:05d}"
        rng = _random(utt_id, seed)
        chosen = sorted(rng.choice(names, size=rng.integers(1, 4), replace=False).tolist())
        scene = np.zeros(round(3 * size.seconds * SAMPLE_RATE))
        for event in chosen:
            seconds = size.seconds * rng.uniform(1, 2)
            wav = mini_events.render(event, seconds, SAMPLE_RATE, rng)
            start = int(rng.integers(len(scene) - len(wav) + 1))
            scene[start : start + len(wav)] += wav
        scene *= 0.7 / max(0.7, np.abs(scene).max())
        clips[utt_id] = _written(folder, utt_id, scene, {"events": " ".join(chosen)})
    return clips


def _random(utt_id: str, seed: int) -> np.random.Generator:
    """Random state of one sound, whatever else is made."""
    return np.random.default_rng([seed, zlib.crc32(utt_id.encode())])


def _written(
    folder: Path, utt_id: str, wav: np.ndarray, labels: Mapping[str, str], speaker: str = ""
) -> Clip:
    path = folder / f"{utt_id}.wav"
    write_wav(path, wav, SAMPLE_RATE)
    return Clip(path, labels, speaker)
