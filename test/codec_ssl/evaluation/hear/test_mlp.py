"""HEAR's network: its layers, its early stopping, and that it learns what can be learnt."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from codec_ssl.evaluation.hear.downstream import Grid
from codec_ssl.evaluation.hear.mlp import GridPoint, Material, Schedule, build, predict, train
from codec_ssl.evaluation.hear.scores import score

POINT = GridPoint(1, 32, 0.1, 1e-2, "xavier_uniform")
CPU = torch.device("cpu")


def clusters(num_sounds, seed=0, noise=0.3):
    """Three classes around three points."""
    rng = np.random.default_rng(seed)
    centres = 3 * np.eye(3, 8)
    targets = rng.integers(3, size=num_sounds)
    vectors = centres[targets] + noise * rng.normal(size=(num_sounds, 8))
    return vectors.astype(np.float32), targets


def accuracy_on(targets):
    return lambda logits: score("accuracy", logits, targets, ["a", "b", "c"])


@pytest.mark.parametrize("layers", [1, 2])
def test_the_network_is_the_one_of_hear(layers):
    network = build(20, 7, GridPoint(layers, 1024, 0.1, 1e-3, "xavier_normal"))
    block = [nn.Linear, nn.BatchNorm1d, nn.Dropout, nn.ReLU]
    assert [type(part) for part in network] == block * layers + [nn.Linear]
    hidden = 20 * 1024 + 1024 + 2 * 1024 + (layers - 1) * (1024 * 1024 + 3 * 1024)
    assert sum(p.numel() for p in network.parameters()) == hidden + 1024 * 7 + 7
    # Glorot's variances: 2 / (in + out), twice that behind ReLU.
    assert float(network[0].weight.detach().var()) == pytest.approx(2 / (20 + 1024), rel=0.1)
    assert float(network[-1].weight.detach().var()) == pytest.approx(2 * 2 / (7 + 1024), rel=0.1)


def test_the_default_grid_is_hears():
    grid = Grid()
    points = grid.draw(0)
    assert len(points) == len(set(points)) == 8
    everything = Grid(points=100).draw(0)
    assert len(everything) == 16
    assert {(p.hidden_layers, p.lr, p.init) for p in everything} == set(
        itertools.product((1, 2), (3.2e-3, 1e-3, 3.2e-4, 1e-4), ("xavier_uniform", "xavier_normal"))
    )
    assert {(p.hidden_dim, p.dropout) for p in everything} == {(1024, 0.1)}
    assert grid.draw(0) == points != grid.draw(1)
    default = Schedule()
    assert (default.max_epochs, default.check_every, default.patience) == (500, 3, 20)
    assert default.batch_size == 1024


def test_it_learns_classes_and_the_same_seed_gives_the_same_network():
    vectors, targets = clusters(200)
    valid, wanted = clusters(60, 1)
    schedule = Schedule(max_epochs=30, patience=3, batch_size=64)
    runs = [
        train(
            Material(vectors, targets, CPU), Material(valid, wanted, CPU), 3, POINT, schedule,
            accuracy_on(wanted), seed,
        )
        for seed in (0, 0, 1)
    ]  # fmt: skip
    assert runs[0].valid_score > 0.95
    logits = [predict(run.network, Material(valid, wanted, CPU)) for run in runs]
    np.testing.assert_array_equal(logits[0], logits[1])
    assert not np.array_equal(logits[0], logits[2])
    assert accuracy_on(wanted)(logits[0]) == runs[0].valid_score


def test_several_labels_a_sound_are_learnt_too():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 6)).astype(np.float32)
    targets = vectors[:, :3] > 0.5
    sounds = Material(vectors, targets, CPU)
    schedule = Schedule(max_epochs=60, patience=10, batch_size=64)
    names = ["a", "b", "c"]
    fitted = train(
        sounds, sounds, 3, POINT, schedule, lambda logits: score("map", logits, targets, names), 0
    )
    assert fitted.valid_score > 0.9


def test_training_ends_when_the_score_no_longer_rises_and_keeps_the_best():
    vectors, targets = clusters(50)
    sounds = Material(vectors, targets, CPU)
    scores = iter([0.1, 0.5, 0.5, 0.4, 0.3, 0.9])
    seen = []

    def scored(logits):
        seen.append(logits)
        return next(scores)

    schedule = Schedule(max_epochs=100, check_every=2, patience=3)
    fitted = train(sounds, sounds, 3, POINT, schedule, scored, 0)
    # Looks after epochs 2, 4, 6, 8, 10: three in a row are no better than the second one.
    assert len(seen) == 5 and (fitted.epoch, fitted.valid_score) == (4, 0.5)
    np.testing.assert_allclose(predict(fitted.network, sounds), seen[1], rtol=1e-6, atol=1e-6)


def test_a_last_batch_of_one_sound_is_passed_over():
    vectors, targets = clusters(9)
    sounds = Material(vectors, targets, CPU)
    schedule = Schedule(max_epochs=4, check_every=2, patience=3, batch_size=8)
    fitted = train(sounds, sounds, 3, POINT, schedule, accuracy_on(targets), 0)
    assert np.isfinite(predict(fitted.network, sounds)).all()


def test_the_random_state_is_left_alone():
    vectors, targets = clusters(20)
    sounds = Material(vectors, targets, CPU)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    train(sounds, sounds, 3, POINT, Schedule(max_epochs=3), accuracy_on(targets), 0)
    assert torch.equal(torch.rand(1), expected)
