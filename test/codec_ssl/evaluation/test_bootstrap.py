"""Intervals cover what they claim, and treat an utterance as one draw."""

import numpy as np
import pytest

from codec_ssl.evaluation.bootstrap import accuracy_interval


def test_interval_equals_a_plain_loop_over_resampled_utterances():
    random = np.random.default_rng(0)
    groups = random.integers(30, size=400)
    correct = random.random(400) < 0.7
    low, high = accuracy_interval(correct, groups, num_resamples=4000, seed=1)
    means = []
    names = np.unique(groups)
    for _ in range(2000):
        drawn = np.concatenate([correct[groups == g] for g in random.choice(names, len(names))])
        means.append(drawn.mean())
    assert (low, high) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.012)


def test_interval_covers_the_true_accuracy_about_95_percent_of_the_time():
    random = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        # Utterances of 20 frames are right together: their accuracy varies around 0.6.
        means = random.beta(6, 4, size=80)
        correct = random.random((80, 20)) < means[:, None]
        groups = np.repeat(np.arange(80), 20)
        low, high = accuracy_interval(correct.ravel(), groups, num_resamples=400, seed=trial)
        covered += low <= 0.6 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_frames_that_fail_together_widen_the_interval():
    groups = np.repeat(np.arange(50), 40)
    together = np.repeat(np.arange(50) % 2 == 0, 40)
    alone = np.arange(2000) % 2 == 0
    wide, narrow = accuracy_interval(together, groups), accuracy_interval(alone, groups)
    assert wide[1] - wide[0] > 5 * (narrow[1] - narrow[0])


def test_same_seed_same_interval():
    correct, groups = np.arange(100) % 3 == 0, np.arange(100) // 4
    assert accuracy_interval(correct, groups, seed=3) == accuracy_interval(correct, groups, seed=3)
