"""Folds of a data dir, for cross-validation."""

from pathlib import Path

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import subset
from codec_ssl.data.splits import Unit, assign
from codec_ssl.errors import DataError

SPLIT_BY = ("utterance", "speaker")


def divide(
    source: DataDir,
    out_dir: str | Path,
    num_folds: int,
    label: str,
    *,
    split_by: str = "utterance",
    seed: int = 0,
) -> list[DataDir]:
    """Divide a data dir into ``fold00``, ``fold01``, …

    Args:
        source: The data dir; utterances without the label are left out.
        out_dir: Where the folds go.
        num_folds: How many, 3 at least: train, valid and test.
        label: Each fold has as much of every value of it as can be.
        split_by: ``utterance``, or ``speaker``: no speaker is in two folds; labels are then spread
            as the speakers spread them.
        seed: Other seeds give other folds.

    Raises:
        DataError: If there is no such label, too few folds, utterances or speakers, another
            ``split_by``, or the folder has more folds already.
    """
    if num_folds < 3 or split_by not in SPLIT_BY:
        raise DataError(
            f"{source.path}: expected 3 folds or more by one of {SPLIT_BY}, found {num_folds} by"
            f" {split_by!r}"
        )
    labels = source.labels(label)
    if split_by == "utterance":
        units = [Unit(utt_id, value, (utt_id,)) for utt_id, value in labels.items()]
    else:
        spoken: dict[str, list[str]] = {}
        for utt_id in labels:
            spoken.setdefault(source.utt2spk[utt_id], []).append(utt_id)
        units = [Unit(speaker, "", tuple(utt_ids)) for speaker, utt_ids in spoken.items()]
    names = _names(out_dir, num_folds)
    parts = assign(units, dict.fromkeys(names, 1 / num_folds), seed)
    return [subset(source, utt_ids, Path(out_dir, name)) for name, utt_ids in parts.items()]


def divide_by(source: DataDir, out_dir: str | Path, label: str) -> list[DataDir]:
    """Make the values of a label, in their order, ``fold00``, ``fold01``, …

    Args:
        source: The data dir; utterances without the label are left out.
        out_dir: Where the folds go.
        label: It names the fold that the corpus's authors put an utterance in.

    Raises:
        DataError: If there is no such label, it has fewer than 3 values, or the folder has more
            folds already.
    """
    folds: dict[str, list[str]] = {}
    for utt_id, value in source.labels(label).items():
        folds.setdefault(value, []).append(utt_id)
    if len(folds) < 3:
        raise DataError(f"{source.path}/utt2{label}: expected 3 folds, found {sorted(folds)}")
    names = _names(out_dir, len(folds))
    return [
        subset(source, folds[value], Path(out_dir, name))
        for name, value in zip(names, sorted(folds), strict=True)
    ]


def _names(out_dir: str | Path, num_folds: int) -> list[str]:
    """Names of the folds; others in their folder would be taken for folds of the same task."""
    names = [f"fold{number:02d}" for number in range(num_folds)]
    others = sorted(path.name for path in Path(out_dir).glob("fold*") if path.name not in names)
    if others:
        raise DataError(f"{out_dir}: expected no folds but {names}, found {others}: remove them")
    return names
