"""Equal error rate and minimum detection cost of verification trials.

Letters: N trials, K thresholds (distinct scores and one above them all).
"""

from typing import NamedTuple

import numpy as np

# Of the NIST 2016 plan, as s3prl computes it.
TARGET_PRIOR, MISS_COST, FALSE_ALARM_COST = 0.01, 1.0, 1.0


class ErrorRates(NamedTuple):
    """Rates at each threshold, from the highest to the lowest: above it a trial is accepted.

    Attributes:
        misses: Share of the target trials that are refused (K,), from 1 to 0.
        false_alarms: Share of the others that are accepted (K,), from 0 to 1.
    """

    misses: np.ndarray
    false_alarms: np.ndarray


class Trials:
    """Scored trials, sorted once, so that rates can be counted with any weights.

    Args:
        targets: Whether each trial is of one speaker (N,).
        scores: How alike its sides are (N,).
    """

    def __init__(self, targets: np.ndarray, scores: np.ndarray) -> None:
        self._order = np.argsort(-scores, kind="stable")
        ordered = scores[self._order]
        self._targets = np.asarray(targets, dtype=bool)[self._order]
        # Trials of equal scores are accepted together.
        self._ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))

    def rates(self, weights: np.ndarray | None = None) -> ErrorRates:
        """Rates with a weight for each trial (N,), 1 where None.

        They are NaN where no trial of a kind has a weight.
        """
        each = np.ones(len(self._order)) if weights is None else weights[self._order]
        accepted = [
            np.concatenate([[0.0], np.cumsum(each * kind)[self._ends]])
            for kind in (self._targets, ~self._targets)
        ]
        with np.errstate(invalid="ignore"):
            hits, alarms = (found / found[-1] for found in accepted)
        return ErrorRates(1 - hits, alarms)


def equal_error_rate(rates: ErrorRates) -> float:
    """Where misses and false alarms are equal, on straight lines between thresholds."""
    gap = rates.misses - rates.false_alarms  # falls from 1 to -1
    if np.isnan(gap).any():
        return float("nan")
    after = int(np.flatnonzero(gap <= 0)[0])
    before = after - 1
    share = gap[before] / (gap[before] - gap[after])
    steps = rates.false_alarms[before], rates.false_alarms[after]
    return float(steps[0] + share * (steps[1] - steps[0]))


def min_detection_cost(
    rates: ErrorRates,
    target_prior: float = TARGET_PRIOR,
    miss_cost: float = MISS_COST,
    false_alarm_cost: float = FALSE_ALARM_COST,
) -> float:
    """The least cost over thresholds, as a share of the cost of the best answer without a score."""
    missed, alarmed = miss_cost * target_prior, false_alarm_cost * (1 - target_prior)
    costs = missed * rates.misses + alarmed * rates.false_alarms
    return float(costs.min() / min(missed, alarmed))
