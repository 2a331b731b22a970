"""NSynth, single notes of instruments: data dirs train, valid and test."""

import json
from pathlib import Path
from typing import Any

from codec_ssl.data.corpora.clips import Clip, write_part
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import choose_hours, subset
from codec_ssl.errors import DataError

PARTS = ("train", "valid", "test")
# HEAR's range, that of a piano, as MIDI numbers.
LOWEST, HIGHEST = 21, 108
NOTE_SECONDS = 4.0
# Of HEAR's hours for train and valid, train has 8 of 9 and valid 1; test has 1/9 on top.
_SHARES = {"train": 8 / 9, "valid": 1 / 9, "test": 1 / 9}


def prepare(
    corpus_dir: str | Path,
    out_dir: str | Path,
    hours: float | None = None,
    seed: int = 0,
) -> list[DataDir]:
    """Write train, valid and test, with ``utt2pitch`` (MIDI), ``utt2family`` and ``utt2source``.

    Notes outside HEAR's range of pitches are left out. The instrument is the speaker; NSynth
    shares none between train and the others.

    Args:
        corpus_dir: The folder with ``nsynth-train``, ``nsynth-valid`` and ``nsynth-test``, each
            with ``examples.json`` and ``audio``.
        out_dir: Where the data dirs go; with ``hours`` everything is in ``<part>_all`` as well.
        hours: HEAR's size of the task: 5 or 50 hours of train and valid, and a ninth of that of
            test or what there is; None takes everything.
        seed: Of the notes that are drawn.

    Raises:
        DataError: If a part is missing or malformed, or has fewer hours.
    """
    out_dir = Path(out_dir)
    made = []
    for part in PARTS:
        clips = _read(Path(corpus_dir, f"nsynth-{part}"))
        whole = write_part(out_dir / (part if hours is None else f"{part}_all"), clips)
        if hours is None:
            made.append(whole)
            continue
        count = int(hours * _SHARES[part] * 3600 / NOTE_SECONDS + 1e-6)
        if part == "test":
            count = min(count, len(whole))
        # Half a note less: sums of seconds are not to decide on the last one.
        wanted = (count - 0.5) * NOTE_SECONDS / 3600
        chosen = choose_hours(whole, dict.fromkeys(whole.utt_ids, NOTE_SECONDS), wanted, seed)
        made.append(subset(whole, chosen, out_dir / part))
    return made


def _read(folder: Path) -> dict[str, Clip]:
    path = folder / "examples.json"
    try:
        notes: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: Clip(folder / "audio" / f"{name}.wav", _labels(note), note["instrument_str"])
            for name, note in notes.items()
            if LOWEST <= note["pitch"] <= HIGHEST
        }
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: expected NSynth's notes: {error!r}") from error


def _labels(note: dict[str, Any]) -> dict[str, str]:
    return {
        "pitch": str(note["pitch"]),
        "velocity": str(note["velocity"]),
        "family": note["instrument_family_str"],
        "source": note["instrument_source_str"],
    }
