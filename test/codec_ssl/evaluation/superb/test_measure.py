"""Measures: values, and intervals of folds."""

import numpy as np
import pytest

from codec_ssl.evaluation.bootstrap import ratio_interval
from codec_ssl.evaluation.superb.measure import mean_of_folds, ratio


def test_a_ratio_is_of_sums_and_its_interval_that_of_the_bootstrap():
    errors, words = np.array([1, 0, 4, 2]), np.array([3, 5, 8, 4])
    measure = ratio(errors, words)
    assert measure.value == 7 / 20
    low, high = measure.interval(4000)
    expected = ratio_interval(errors, words, num_resamples=4000, seed=1)
    assert (low, high) == pytest.approx(expected, abs=0.03)


def test_folds_count_alike_whatever_their_sizes():
    folds = [ratio([1, 1, 1, 0]), ratio([0, 0])]
    both = mean_of_folds(folds)
    assert both.value == (0.75 + 0.0) / 2 and both.sizes == [4, 2]
    # The second fold is 0 however it is drawn; the first is between 0 and 1.
    low, high = both.interval(500)
    assert 0 <= low < both.value < high <= 0.5
    assert mean_of_folds(folds[:1]) is folds[0]


def test_draws_of_two_systems_on_the_same_items_are_pairs():
    errors = np.random.default_rng(0).integers(9, size=50)
    words = np.full(50, 10)
    gaps = ratio(errors + 1, words).draws() - ratio(errors, words).draws()
    np.testing.assert_allclose(gaps, 0.1)
    assert ratio(errors, words).interval() == pytest.approx(
        np.quantile(ratio(errors, words).draws(), [0.025, 0.975])
    )
