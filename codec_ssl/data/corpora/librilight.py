"""Libri-Light: chapters of audiobooks, cut into pieces of about a minute; one data dir a part.

Not through lhotse's ``prepare_librilight``: that makes an utterance of each stretch of voice
activity, seconds long, and ends at the first broken file; a pre-training on crops wants whole
recordings, and their ends.
"""

import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from codec_ssl.data.audio import BadAudio, audio_info
from codec_ssl.data.bad_audio import BadAudioLog
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.pieces import even_pieces
from codec_ssl.errors import DataError

PARTS = ("small", "medium", "large")
MAX_DURATION = 60.0

_logger = logging.getLogger(__name__)


def prepare(
    corpus_dir: str | Path,
    out_dir: str | Path,
    parts: Sequence[str] | None = None,
    max_duration: float = MAX_DURATION,
    num_jobs: int = 8,
) -> list[DataDir]:
    """Write ``out_dir/<part>`` for each part.

    Recordings lie in ``<part>/<speaker>/<book>/<chapter>.flac``, each with a JSON file beside it
    that names the speaker. Headers are read for the durations; files that cannot be opened are
    left out and listed in ``<part>_bad_audio.tsv``.

    Args:
        corpus_dir: The folder with the parts in it.
        out_dir: Where the data dirs go.
        parts: Of ``PARTS``; None takes all that are there.
        max_duration: Longer recordings are cut into equal pieces of at most so many seconds.
        num_jobs: Files opened at a time.

    Raises:
        DataError: If a part is unknown, missing, or has no recording that can be opened.
    """
    corpus_dir, out_dir = Path(corpus_dir), Path(out_dir)
    wanted = parts or [part for part in PARTS if (corpus_dir / part).is_dir()]
    if not wanted:
        raise DataError(f"{corpus_dir}: expected folders of {PARTS}, found none")
    if unknown := sorted(set(wanted) - set(PARTS)):
        raise DataError(f"Libri-Light: expected parts of {PARTS}, found {unknown[0]!r}")
    return [_part(corpus_dir / part, out_dir / part, max_duration, num_jobs) for part in wanted]


def _part(folder: Path, out_dir: Path, max_duration: float, num_jobs: int) -> DataDir:
    files = sorted(folder.rglob("*.flac"))
    with ThreadPoolExecutor(num_jobs) as pool:
        durations = list(pool.map(_duration, files))
    bad = BadAudioLog()
    wav: dict[str, str] = {}
    utt2spk: dict[str, str] = {}
    segments: dict[str, tuple[str, float, float | None]] = {}
    for path, duration in zip(files, durations, strict=True):
        recording = "-".join(path.relative_to(folder).with_suffix("").parts)
        if isinstance(duration, BadAudio):
            bad.add_error(recording, duration)
            continue
        wav[recording] = str(path.absolute())
        speaker = _speaker(path)
        for index, (start, end) in enumerate(even_pieces(duration, max_duration)):
            utt = f"{recording}-{index:04d}"
            segments[utt] = (recording, start, end)
            utt2spk[utt] = speaker
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    table = out_dir.with_name(f"{out_dir.name}_bad_audio.tsv")
    bad.write(table)
    if not wav:
        raise DataError(f"{folder}: expected recordings in *.flac, found none that can be opened")
    if bad:
        _logger.warning("%s: %d files cannot be opened, see %s", folder, len(bad), table)
    labels = {"lang": dict.fromkeys(segments, "english")}
    return DataDir.write(out_dir, wav=wav, utt2spk=utt2spk, segments=segments, labels=labels)


def _duration(path: Path) -> float | BadAudio:
    try:
        return audio_info(path).duration
    except BadAudio as error:
        return error


def _speaker(path: Path) -> str:
    """Speaker as the JSON beside the recording says, else by the folder."""
    try:
        return str(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["speaker"])
    except (OSError, ValueError, KeyError, TypeError):
        return path.parent.parent.name
