"""A measure of a test set: its value, and its interval by drawing the set's items again.

Letters: U items (utterances, as a rule), R draws of a bootstrap.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from codec_ssl.evaluation.bootstrap import percentiles, statistic_draws

NUM_RESAMPLES = 1000


@dataclass(frozen=True)
class Measure:
    """One number about a set.

    Attributes:
        statistic: From how often each item counts (R, U) to values (R,).
        sizes: Items of each set that it is made of (of each fold), which sum to U.
        unit: Of the number.
    """

    statistic: Callable[[np.ndarray], np.ndarray]
    sizes: Sequence[int]
    unit: str = "fraction"

    @cached_property
    def value(self) -> float:
        """The number, every item counted once."""
        return float(self.statistic(np.ones((1, sum(self.sizes))))[0])

    def interval(self, num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> tuple[float, float]:
        """95 % percentile bootstrap interval; each fold is drawn from by itself."""
        return percentiles(self.draws(num_resamples, seed))

    def draws(self, num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> np.ndarray:
        """The bootstrap's values (R,); those of two systems on the same items are pairs."""
        return statistic_draws(self.statistic, self.sizes, num_resamples=num_resamples, seed=seed)


def ratio(parts: Sequence[float], wholes: Sequence[float] | None = None) -> Measure:
    """``sum(parts) / sum(wholes)``, such as a word error rate; a mean where wholes are None.

    Args:
        parts: Of each item (U,), such as its errors, or whether it is right.
        wholes: Of each item (U,), such as its words.
    """
    over = np.asarray(parts, dtype=np.float64)
    under = np.ones_like(over) if wholes is None else np.asarray(wholes, dtype=np.float64)

    def statistic(counts: np.ndarray) -> np.ndarray:
        # A draw may have no word at all; its rate is then that of one word.
        return (counts @ over) / np.maximum(counts @ under, 1)

    return Measure(statistic, [len(over)])


def mean_of_folds(folds: Sequence[Measure]) -> Measure:
    """The mean over folds of a measure, as the benchmark reports IEMOCAP's five."""
    if len(folds) == 1:
        return folds[0]
    sizes = [size for fold in folds for size in fold.sizes]
    edges = np.cumsum([0, *(sum(fold.sizes) for fold in folds)])

    def statistic(counts: np.ndarray) -> np.ndarray:
        pieces = zip(folds, edges[:-1], edges[1:], strict=True)
        return np.mean([fold.statistic(counts[:, a:b]) for fold, a, b in pieces], axis=0)

    return Measure(statistic, sizes, folds[0].unit)
