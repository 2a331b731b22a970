"""Maximum term-weighted value of search by spoken examples (QUESST 2014).

A trial is a query and a document. With N_miss of N_true documents missed and N_fa of the others
found, a query costs ``N_miss / N_true + beta * N_fa / (N - N_true)`` at a threshold; the value is 1
less the mean cost of the queries that some document contains. 1 is perfect, 0 is finding nothing.

Letters: Q queries, N documents, H thresholds, R draws.
"""

from dataclasses import dataclass

import numpy as np

from codec_ssl.errors import DataError

# The evaluation's prior of a match and its costs of false alarms and misses.
PRIOR, COST_FALSE_ALARM, COST_MISS = 0.0008, 1.0, 100.0
BETA = COST_FALSE_ALARM / COST_MISS * (1 / PRIOR - 1)


@dataclass(frozen=True)
class TermWeightedValues:
    """Values of each query at each threshold where the best of all queries may be.

    Attributes:
        thresholds: Scores from one on are detections, ascending (H,); the last is infinity, which
            finds nothing.
        values: Of the queries that some document contains (Q', H); the others have no value.
    """

    thresholds: np.ndarray
    values: np.ndarray

    def best(self, counts: np.ndarray) -> np.ndarray:
        """Maximum over thresholds of the mean over queries (R,).

        Args:
            counts: How often each query counts (R, Q').
        """
        return (counts @ self.values).max(1) / counts.sum(1)

    @property
    def maximum(self) -> float:
        """MTWV: every query counted once."""
        return float(self.best(np.ones((1, len(self.values))))[0])

    @property
    def threshold(self) -> float:
        """Where the maximum is; the highest of equally good ones."""
        means = self.values.mean(0)
        return float(self.thresholds[len(means) - 1 - int(means[::-1].argmax())])


def term_weighted_values(
    scores: np.ndarray, matches: np.ndarray, beta: float = BETA
) -> TermWeightedValues:
    """Count misses and false alarms.

    Args:
        scores: Higher: the document rather contains the query, (Q, N).
        matches: Whether it does, bool (Q, N).
        beta: Weight of false alarms.

    Raises:
        DataError: No document contains a query, or all documents contain one.
    """
    wanted = matches.any(1)
    if not wanted.any():
        raise DataError("expected documents that contain a query, found none", stage="data")
    scores, matches = scores[wanted], matches[wanted]
    if matches.all(1).any():
        raise DataError("expected documents without a query for each query", stage="data")
    # Only where a match is gained can the value rise; finding nothing is worth 0.
    thresholds = np.append(np.unique(scores[matches]), np.inf)
    rows = zip(scores, matches, strict=True)
    return TermWeightedValues(
        thresholds, np.stack([_values(*row, thresholds, beta) for row in rows])
    )


def _values(
    scores: np.ndarray, matches: np.ndarray, thresholds: np.ndarray, beta: float
) -> np.ndarray:
    """Value of one query at each threshold (H,)."""
    rights, wrongs = np.sort(scores[matches]), np.sort(scores[~matches])
    missed = np.searchsorted(rights, thresholds) / len(rights)
    false = 1 - np.searchsorted(wrongs, thresholds) / len(wrongs)
    return 1 - missed - beta * false
