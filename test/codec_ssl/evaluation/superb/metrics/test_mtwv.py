"""Term-weighted values against counting every threshold by hand."""

import math

import numpy as np
import pytest

from codec_ssl.errors import DataError
from codec_ssl.evaluation.superb.metrics.mtwv import BETA, max_term_weighted_value


def by_hand(scores, matches, beta):
    """Best mean value over all thresholds that change anything, trial by trial."""
    best = 0.0
    for threshold in sorted({float(score) for row in scores for score in row}):
        values = []
        for row, truth in zip(scores.tolist(), matches.tolist(), strict=True):
            if not any(truth):
                continue
            trials = list(zip(row, truth, strict=True))
            missed = sum(score < threshold for score, match in trials if match)
            false = sum(score >= threshold for score, match in trials if not match)
            others = len(truth) - sum(truth)
            values.append(1 - missed / sum(truth) - beta * false / others)
        best = max(best, sum(values) / len(values))
    return best


@pytest.mark.parametrize("beta", [0.3, BETA])
def test_the_value_is_the_best_of_all_thresholds(beta):
    random = np.random.default_rng(1)
    matches = random.random((12, 40)) < 0.1
    # Rounded, so that trials share scores.
    scores = np.round(random.normal(size=matches.shape) + 2.5 * matches, 1)
    found = max_term_weighted_value(scores, matches, beta)
    assert found.value == pytest.approx(by_hand(scores, matches, beta))
    assert found.queries == matches.any(1).sum()
    low, high = found.interval
    assert low <= found.value <= high


def test_the_evaluation_weighs_a_false_alarm_as_its_prior_and_costs_say():
    assert pytest.approx(12.49) == BETA


def test_perfect_scores_have_the_value_one_and_useless_ones_zero():
    matches = np.eye(3, 5, dtype=bool)
    perfect = max_term_weighted_value(matches.astype(float), matches)
    assert (perfect.value, perfect.threshold) == (1, 1)
    useless = max_term_weighted_value(1 - matches.astype(float), matches)
    assert (useless.value, useless.threshold) == (0, math.inf)


def test_sets_without_matches_or_without_others_are_refused():
    with pytest.raises(DataError, match="contain a query"):
        max_term_weighted_value(np.zeros((2, 3)), np.zeros((2, 3), dtype=bool))
    with pytest.raises(DataError, match="without a query"):
        max_term_weighted_value(np.zeros((2, 3)), np.ones((2, 3), dtype=bool))
