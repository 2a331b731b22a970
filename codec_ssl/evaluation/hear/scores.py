"""HEAR's scores, as functions of how often each item counts: plain scores and intervals alike.

Letters: U sounds, C classes, R draws of a bootstrap.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.special

# From how often each item counts (R, U) to scores (R,).
type Statistic = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Score:
    """One measure; higher is better for all of them.

    Attributes:
        multilabel: Whether it is for sounds with any number of labels; None: for both kinds.
        statistic: From logits (U, C), targets and names of classes to a ``Statistic``.
    """

    multilabel: bool | None
    statistic: Callable[[np.ndarray, np.ndarray, Sequence[str]], Statistic]


def score(metric: str, logits: np.ndarray, targets: np.ndarray, classes: Sequence[str]) -> float:
    """One number: every item counts once.

    Args:
        metric: One of ``METRICS``.
        logits: (U, C).
        targets: Classes (U,), or (U, C) bool.
        classes: Names of the classes.
    """
    once = np.ones((1, len(logits)))
    return float(METRICS[metric].statistic(logits, targets, classes)(once)[0])


def accuracy(logits: np.ndarray, targets: np.ndarray, classes: Sequence[str]) -> Statistic:
    """Share of the sounds whose likeliest class is right."""
    return _share(logits.argmax(1) == targets)


def chroma_accuracy(logits: np.ndarray, targets: np.ndarray, classes: Sequence[str]) -> Statistic:
    """Share of the notes that are right but for octaves; classes are MIDI numbers."""
    chroma = np.array([int(name) for name in classes]) % 12
    return _share(chroma[logits.argmax(1)] == chroma[targets])


def mean_average_precision(
    logits: np.ndarray, targets: np.ndarray, classes: Sequence[str]
) -> Statistic:
    """Mean over classes of the area under precision and recall, as scikit-learn sums it.

    Where a sound has one label, sounds are ranked by its probability (softmax), as in HEAR; where
    it has any number, by the logit. Classes that no counted sound has are left out of the mean.
    """
    if targets.ndim == 1:
        logits = scipy.special.softmax(logits.astype(np.float64), axis=1)
        targets = np.eye(len(classes), dtype=bool)[targets]
    by_class = [
        _average_precision(logits[:, c], targets[:, c])
        for c in range(targets.shape[1])
        if targets[:, c].any()
    ]

    def statistic(counts: np.ndarray) -> np.ndarray:
        found = np.stack([each(counts) for each in by_class])
        present = ~np.isnan(found)
        return np.where(present, found, 0).sum(0) / np.maximum(present.sum(0), 1)

    return statistic


METRICS = {
    "accuracy": Score(False, accuracy),
    "chroma_accuracy": Score(False, chroma_accuracy),
    "map": Score(None, mean_average_precision),
}


def _share(correct: np.ndarray) -> Statistic:
    return lambda counts: counts @ correct / counts.sum(1)


def _average_precision(logits: np.ndarray, targets: np.ndarray) -> Statistic:
    """Of one class; NaN where it isn't drawn. Sounds of equal logits are found together."""
    order = np.argsort(-logits, kind="stable")
    logits, positive = logits[order], targets[order]
    # Where each run of equal logits ends, and which run every item is in.
    ends = np.flatnonzero(np.append(logits[1:] != logits[:-1], True))
    run_of = np.searchsorted(ends, np.flatnonzero(positive))

    def statistic(counts: np.ndarray) -> np.ndarray:
        drawn = counts[:, order].astype(np.float64)
        found = np.cumsum(drawn * positive, axis=1)[:, ends]
        precision = found / np.maximum(np.cumsum(drawn, axis=1)[:, ends], 1)
        weights = drawn[:, positive]
        total = weights.sum(1)
        with np.errstate(invalid="ignore"):
            return (weights * precision[:, run_of]).sum(1) / total

    return statistic
