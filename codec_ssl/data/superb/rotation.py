"""Cross-validation as in the benchmark's emotion recognition: each group is the test set once."""

from collections.abc import Sequence
from pathlib import Path

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import subset
from codec_ssl.data.splits import Unit, assign
from codec_ssl.errors import DataError

VALID_SHARE = 0.2


def rotate(
    source: DataDir,
    groups: Sequence[Sequence[str]],
    out_dir: str | Path,
    label: str,
    *,
    valid_share: float = VALID_SHARE,
    seed: int = 0,
) -> list[DataDir]:
    """Write ``fold1/{train,valid,test}``, ``fold2/…``, one fold for each group.

    Args:
        source: The data dir.
        groups: Utterances, such as those of a session; fold ``n`` is tested on group ``n``.
        out_dir: Where the folds go.
        label: Train and valid have as much of every value of it as can be.
        valid_share: Of what a fold is not tested on.
        seed: Of valid.

    Raises:
        DataError: There are not two groups, or one is empty, or an utterance has no label.
    """
    if len(groups) < 2 or not all(groups):
        raise DataError(f"{source.path}: expected 2 groups or more, found {list(map(len, groups))}")
    labels = source.labels(label)
    shares = {"train": 1 - valid_share, "valid": valid_share}
    made = []
    for number, tested in enumerate(groups, start=1):
        left = [utt for group in groups if group is not tested for utt in group]
        missing = next((utt for utt in left if utt not in labels), None)
        if missing:
            raise DataError(f"{source.path}/utt2{label}: no line for utterance {missing}")
        parts = assign([Unit(utt, labels[utt], (utt,)) for utt in left], shares, seed)
        for name, utt_ids in (*parts.items(), ("test", tested)):
            made.append(subset(source, utt_ids, Path(out_dir, f"fold{number}", name)))
    return made
