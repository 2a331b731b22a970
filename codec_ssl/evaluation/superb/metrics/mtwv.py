"""Maximum term-weighted value of search by spoken examples (QUESST 2014).

A trial is a query and a document. With N_miss of N_true documents missed and N_fa of the others
found, a query costs ``N_miss / N_true + beta * N_fa / (N - N_true)`` at a threshold; the value is 1
less the mean cost of the queries that some document contains. 1 is perfect, 0 is finding nothing.

Letters: Q queries, N documents, H thresholds, R draws.
"""

from dataclasses import dataclass

import numpy as np

from codec_ssl.errors import DataError
from codec_ssl.evaluation.bootstrap import statistic_interval

# The evaluation's prior of a match and its costs of false alarms and misses.
PRIOR, COST_FALSE_ALARM, COST_MISS = 0.0008, 1.0, 100.0
BETA = COST_FALSE_ALARM / COST_MISS * (1 / PRIOR - 1)


@dataclass(frozen=True)
class TermWeightedValue:
    """The best value and where it is.

    Attributes:
        value: Maximum over thresholds.
        threshold: Scores from it on are detections; infinity: the best is to find nothing.
        interval: 95 % interval of the value, queries resampled.
        queries: Queries that some document contains; the others have no value.
    """

    value: float
    threshold: float
    interval: tuple[float, float]
    queries: int


def max_term_weighted_value(
    scores: np.ndarray, matches: np.ndarray, beta: float = BETA
) -> TermWeightedValue:
    """Find the best threshold for all queries together.

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
    values = np.stack(
        [_values(*pair, thresholds, beta) for pair in zip(scores, matches, strict=True)]
    )
    means = values.mean(0)
    # The highest threshold of equally good ones.
    best = len(means) - 1 - int(means[::-1].argmax())

    def statistic(counts: np.ndarray) -> np.ndarray:
        return (counts @ values).max(1) / counts.sum(1)

    return TermWeightedValue(
        value=float(means[best]),
        threshold=float(thresholds[best]),
        interval=statistic_interval(statistic, [len(values)]),
        queries=len(values),
    )


def _values(
    scores: np.ndarray, matches: np.ndarray, thresholds: np.ndarray, beta: float
) -> np.ndarray:
    """Value of one query at each threshold (H,)."""
    rights, wrongs = np.sort(scores[matches]), np.sort(scores[~matches])
    missed = np.searchsorted(rights, thresholds) / len(rights)
    false = 1 - np.searchsorted(wrongs, thresholds) / len(wrongs)
    return 1 - missed - beta * false
