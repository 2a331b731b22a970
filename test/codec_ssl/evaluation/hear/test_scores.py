"""Scores agree with scikit-learn, counted items with items written out."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score

from codec_ssl.evaluation.bootstrap import accuracy_interval, statistic_interval
from codec_ssl.evaluation.hear.scores import METRICS, score

CLASSES = [str(number) for number in range(5)]


def sounds(num_sounds=200, seed=0, decimals=1):
    """Logits with many ties, and labels that they say something about."""
    rng = np.random.default_rng(seed)
    targets = rng.random((num_sounds, 5)) < [0.5, 0.3, 0.2, 0.1, 0.05]
    logits = np.round(targets + rng.normal(size=targets.shape), decimals)
    return logits, targets


def test_map_is_that_of_scikit_learn_with_and_without_ties():
    for decimals in (0, 1, 9):
        logits, targets = sounds(decimals=decimals)
        expected = average_precision_score(targets, logits, average="macro")
        assert score("map", logits, targets, CLASSES) == pytest.approx(expected, abs=1e-9)


def test_map_of_drawn_sounds_is_that_of_them_written_out():
    logits, targets = sounds(50)
    drawn = np.random.default_rng(1).integers(50, size=(4, 50))
    counts = np.stack([np.bincount(row, minlength=50) for row in drawn])
    found = METRICS["map"].statistic(logits, targets, CLASSES)(counts)
    for row, value in zip(drawn, found, strict=True):
        present = targets[row].any(0)
        expected = average_precision_score(targets[row][:, present], logits[row][:, present])
        assert value == pytest.approx(expected, abs=1e-9)


def test_map_leaves_out_classes_that_no_sound_has():
    logits, targets = sounds()
    targets[:, 4] = False
    expected = average_precision_score(targets[:, :4], logits[:, :4], average="macro")
    assert score("map", logits, targets, CLASSES) == pytest.approx(expected)


def test_map_of_one_label_a_sound_is_one_against_the_others():
    logits, _ = sounds()
    rng = np.random.default_rng(2)
    targets = rng.integers(5, size=len(logits))
    logits += 3 * rng.normal(size=(len(logits), 1))  # says nothing of the sound's probabilities
    likely = torch.from_numpy(logits).softmax(1).numpy()
    expected = average_precision_score(np.eye(5)[targets], likely, average="macro")
    assert score("map", logits, targets, CLASSES) == pytest.approx(expected)


def test_accuracy_and_accuracy_but_for_octaves():
    pitches = ["48", "55", "60", "67", "72"]  # C, G, C, G, C
    logits = np.eye(5)[[0, 1, 2, 3, 4, 0]]
    targets = np.array([0, 1, 0, 1, 1, 3])
    assert score("accuracy", logits, targets, pitches) == pytest.approx(2 / 6)
    assert score("chroma_accuracy", logits, targets, pitches) == pytest.approx(4 / 6)


def test_intervals_of_one_stratum_are_the_known_ones():
    rng = np.random.default_rng(0)
    correct = rng.random(300) < 0.7
    statistic = METRICS["accuracy"].statistic(
        np.eye(2)[correct.astype(int)], np.ones(300, int), ["0", "1"]
    )
    found = statistic_interval(statistic, [300])
    expected = accuracy_interval(correct, np.arange(300))
    np.testing.assert_allclose(found, expected, atol=0.012)
    # The normal approximation, which is good for so many.
    half = 1.96 * np.sqrt(correct.mean() * (1 - correct.mean()) / 300)
    np.testing.assert_allclose(found, [correct.mean() - half, correct.mean() + half], atol=0.012)


def test_strata_are_drawn_from_each_by_itself():
    sizes, seen = [3, 5], []

    def statistic(counts):
        seen.append(counts)
        return counts[:, 0].astype(float)

    statistic_interval(statistic, sizes, num_resamples=50)
    counts = np.concatenate(seen)
    assert (counts[:, :3].sum(1) == 3).all() and (counts[:, 3:].sum(1) == 5).all()
    assert len(np.unique(counts, axis=0)) > 10
