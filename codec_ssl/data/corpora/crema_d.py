"""CREMA-D, acted emotions: data dirs ``fold00`` to ``fold04``."""

import logging
import re
from pathlib import Path

from codec_ssl.data.corpora.clips import Clip, read_csv, write_part
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.folds import divide
from codec_ssl.errors import DataError

EMOTIONS = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
LEVELS = {"LO": "low", "MD": "medium", "HI": "high", "XX": "", "X": ""}
DEMOGRAPHICS = "VideoDemographics.csv"
_NAME = re.compile(r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?P<level>\w+)")

_logger = logging.getLogger(__name__)


def prepare(
    corpus_dir: str | Path,
    out_dir: str | Path,
    num_folds: int = 5,
    *,
    split_by: str = "utterance",
    seed: int = 0,
) -> list[DataDir]:
    """Write a data dir for each fold, and ``all``, with ``utt2emotion`` and ``utt2level``.

    There is ``utt2sentence`` too, and ``utt2gender`` where ``VideoDemographics.csv`` is there.

    Args:
        corpus_dir: The folder with ``AudioWAV``.
        out_dir: Where the data dirs go.
        num_folds: How many folds.
        split_by: ``utterance`` as in HEAR, where actors are in all folds, or ``speaker``.
        seed: Of the folds.

    Raises:
        DataError: If there is no clip, or one has another name than the corpus gives.
    """
    corpus_dir = Path(corpus_dir)
    genders = _genders(corpus_dir / DEMOGRAPHICS)
    clips = {path.stem: _clip(path, genders) for path in sorted(corpus_dir.glob("AudioWAV/*.wav"))}
    if not clips:
        raise DataError(f"{corpus_dir}/AudioWAV: expected files such as 1001_DFA_ANG_XX.wav")
    whole = write_part(Path(out_dir, "all"), clips)
    return divide(whole, out_dir, num_folds, "emotion", split_by=split_by, seed=seed)


def _clip(path: Path, genders: dict[str, str]) -> Clip:
    found = _NAME.fullmatch(path.stem)
    if found is None or found["emotion"] not in EMOTIONS or found["level"] not in LEVELS:
        raise DataError(f"{path}: expected a name such as 1001_DFA_ANG_XX.wav")
    labels = {
        "emotion": EMOTIONS[found["emotion"]],
        "level": LEVELS[found["level"]],
        "sentence": found["sentence"],
        "gender": genders.get(found["actor"], ""),
    }
    return Clip(path, labels, found["actor"])


def _genders(path: Path) -> dict[str, str]:
    if not path.is_file():
        _logger.warning("no %s: no genders", path)
        return {}
    rows = read_csv(path, ("ActorID", "Sex"))
    return {row["ActorID"]: row["Sex"][:1].lower() for _, row in rows}
