"""Equal error rate and detection cost are those of s3prl."""

import numpy as np
import pytest
from s3prl.metric import compute_eer, compute_minDCF

from codec_ssl.evaluation.superb.metrics.eer import Trials, equal_error_rate, min_detection_cost


def draw(seed, count=300, ties=False):
    random = np.random.default_rng(seed)
    targets = random.random(count) < 0.3
    scores = random.normal(size=count) + 1.2 * targets
    return targets, np.round(scores, 1) if ties else scores


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_they_are_those_of_s3prl(seed, ties):
    targets, scores = draw(seed, ties=ties)
    rates = Trials(targets, scores).rates()
    labels = targets.astype(int).tolist()
    assert equal_error_rate(rates) == pytest.approx(compute_eer(labels, scores)[0], abs=1e-6)
    expected = compute_minDCF(labels, scores, p_target=0.01)[0]
    assert min_detection_cost(rates) == pytest.approx(expected)


def test_a_weight_is_so_many_trials():
    targets, scores = draw(7, 60)
    weights = np.random.default_rng(0).integers(0, 4, size=60)
    weighted = Trials(targets, scores).rates(weights.astype(float))
    repeated = Trials(np.repeat(targets, weights), np.repeat(scores, weights)).rates()
    assert equal_error_rate(weighted) == pytest.approx(equal_error_rate(repeated))
    assert min_detection_cost(weighted) == pytest.approx(min_detection_cost(repeated))


def test_perfect_scores_have_no_error_and_reversed_ones_nothing_else():
    targets = np.array([True, True, False, False])
    scores = np.array([4.0, 3.0, 2.0, 1.0])
    assert equal_error_rate(Trials(targets, scores).rates()) == 0
    assert equal_error_rate(Trials(targets, -scores).rates()) == 1
    assert min_detection_cost(Trials(targets, scores).rates()) == 0


def test_without_trials_of_a_kind_there_is_no_rate():
    assert np.isnan(equal_error_rate(Trials(np.ones(3), np.arange(3.0)).rates()))
