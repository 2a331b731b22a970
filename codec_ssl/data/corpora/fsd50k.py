"""FSD50K, sounds of Freesound with any number of labels: data dirs train, valid and test."""

import json
from pathlib import Path

from codec_ssl.data.corpora.clips import Clip, read_csv, write_part
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError

_PARTS = {"train": "train", "val": "valid"}
# Longer than a clip may be, by a fault of Freesound's records; HEAR leaves them out.
TOO_LONG = frozenset(
    {
        *("83298", "83299", "121351", "121426", "121471", "121472"),
        *("124796", "124797", "124800", "124834", "124858", "397150"),
    }
)


def prepare(corpus_dir: str | Path, out_dir: str | Path) -> list[DataDir]:
    """Write train, valid and test, with ``utt2label``: labels of a clip with blanks between.

    Whoever uploaded a clip is its speaker where ``FSD50K.metadata`` is there.

    Args:
        corpus_dir: The folder with ``FSD50K.dev_audio``, ``FSD50K.eval_audio`` and
            ``FSD50K.ground_truth``.
        out_dir: Where the data dirs go.

    Raises:
        DataError: If a table is missing or malformed.
    """
    corpus_dir = Path(corpus_dir)
    parts: dict[str, dict[str, Clip]] = {"train": {}, "valid": {}, "test": {}}
    for half in ("dev", "eval"):
        uploaders = _uploaders(corpus_dir, half)
        table = corpus_dir / "FSD50K.ground_truth" / f"{half}.csv"
        columns = ("fname", "labels", "split") if half == "dev" else ("fname", "labels")
        for where, row in read_csv(table, columns):
            part = _PARTS.get(row["split"]) if half == "dev" else "test"
            if part is None:
                raise DataError(f"{where}: expected split train or val, found {row['split']!r}")
            if half == "dev" and row["fname"] in TOO_LONG:
                continue
            path = corpus_dir / f"FSD50K.{half}_audio" / f"{row['fname']}.wav"
            labels = {"label": " ".join(row["labels"].split(","))}
            parts[part][f"fsd{row['fname']}"] = Clip(path, labels, uploaders.get(row["fname"], ""))
    return [write_part(Path(out_dir, name), clips) for name, clips in parts.items()]


def _uploaders(corpus_dir: Path, half: str) -> dict[str, str]:
    path = corpus_dir / "FSD50K.metadata" / f"{half}_clips_info_FSD50K.json"
    if not path.is_file():
        return {}
    try:
        clips = json.loads(path.read_text(encoding="utf-8"))
        return {fname: "_".join(clip["uploader"].split()) for fname, clip in clips.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: expected clips with their uploader: {error!r}") from error
