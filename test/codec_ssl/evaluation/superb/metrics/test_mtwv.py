"""Term-weighted values against counting every threshold by hand."""

import math

import numpy as np
import pytest

from codec_ssl.errors import DataError
from codec_ssl.evaluation.superb.metrics.mtwv import BETA, term_weighted_values


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
    found = term_weighted_values(scores, matches, beta)
    assert found.maximum == pytest.approx(by_hand(scores, matches, beta))
    assert len(found.values) == matches.any(1).sum()


def test_drawn_queries_count_as_often_as_they_were_drawn():
    random = np.random.default_rng(2)
    matches = random.random((5, 30)) < 0.2
    matches[:, 0], matches[:, 1] = True, False
    scores = random.normal(size=matches.shape) + matches
    drawn = [0, 0, 3, 4, 4]
    counts = np.bincount(drawn, minlength=5)[None].astype(float)
    once = term_weighted_values(scores, matches).best(counts)
    assert once == pytest.approx([by_hand(scores[drawn], matches[drawn], BETA)])


def test_the_evaluation_weighs_a_false_alarm_as_its_prior_and_costs_say():
    assert pytest.approx(12.49) == BETA


def test_perfect_scores_have_the_value_one_and_useless_ones_zero():
    matches = np.eye(3, 5, dtype=bool)
    perfect = term_weighted_values(matches.astype(float), matches)
    assert (perfect.maximum, perfect.threshold) == (1, 1)
    useless = term_weighted_values(1 - matches.astype(float), matches)
    assert (useless.maximum, useless.threshold) == (0, math.inf)


def test_sets_without_matches_or_without_others_are_refused():
    with pytest.raises(DataError, match="contain a query"):
        term_weighted_values(np.zeros((2, 3)), np.zeros((2, 3), dtype=bool))
    with pytest.raises(DataError, match="without a query"):
        term_weighted_values(np.zeros((2, 3)), np.ones((2, 3), dtype=bool))
