"""The linear probe reaches scikit-learn's optimum, and validation chooses its strength."""

import numpy as np
import pytest
import torch

from codec_ssl.evaluation.linear import fit_probe, solve


def problem(num_items=600, width=20, num_classes=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(width, num_classes, generator=generator)
    features = torch.randn(num_items, width, generator=generator) * torch.logspace(-2, 2, width) + 3
    logits = (features - 3) / torch.logspace(-2, 2, width) @ weight
    noise = torch.distributions.Gumbel(0.0, 1.0).sample(logits.shape)
    return features, (logits + noise).argmax(1)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.mark.parametrize("strength", [1e-1, 1e-3])
def test_solution_equals_scikit_learns(strength):
    linear_model = pytest.importorskip("sklearn.linear_model")
    features, classes = problem()
    standard = (features - features.mean(0)) / features.std(0, correction=0)
    found, converged = solve(standard, classes, 5, strength, np.zeros(21 * 5), 1000, 1e-6)
    peer = linear_model.LogisticRegression(C=1 / (len(classes) * strength), tol=1e-8, max_iter=5000)
    peer.fit(standard.numpy().astype(np.float64), classes.numpy())
    weight = found[:-5].reshape(20, 5)
    assert converged
    np.testing.assert_allclose(weight, peer.coef_.T, atol=0.01 * np.abs(peer.coef_).max())


def test_gradient_is_that_of_autograd():
    features, classes = problem(width=4, num_classes=3)
    start = torch.randn(15, dtype=torch.float64, requires_grad=True)
    weight, bias = start[:12].view(4, 3), start[12:]
    standard = features.double() / features.double().std(0)
    loss = torch.nn.functional.cross_entropy(standard @ weight + bias, classes)
    (loss + 0.05 * weight.square().sum()).backward()
    # At the optimum that solve finds, autograd's gradient vanishes.
    flat, _ = solve(standard, classes, 3, 0.1, start.detach().numpy(), 2000, 1e-9)
    optimum = torch.tensor(flat, requires_grad=True)
    weight, bias = optimum[:12].view(4, 3), optimum[12:]
    loss = torch.nn.functional.cross_entropy(standard @ weight + bias, classes)
    (loss + 0.05 * weight.square().sum()).backward()
    assert optimum.grad.abs().max() < 1e-3 * start.grad.abs().max()


def test_validation_chooses_the_strength_that_generalises():
    # 30 items of 200 noisy features: a weak strength overfits.
    generator = torch.Generator().manual_seed(0)
    classes = torch.arange(1030) % 2
    features = torch.randn(1030, 200, generator=generator)
    features[:, 0] += 2.0 * classes
    train, valid = (features[:30], classes[:30]), (features[30:], classes[30:])
    chosen = fit_probe(train, valid, 2)
    accuracy = {
        strength: (fit_probe(train, valid, 2, strengths=[strength]).predict(valid[0]) == valid[1])
        .float()
        .mean()
        .item()
        for strength in (1.0, 1e-1, 1e-2, 1e-3, 1e-4)
    }
    assert accuracy[chosen.strength] >= max(accuracy.values()) - 0.01


def test_scale_and_constant_features_do_not_matter():
    features, classes = problem()
    scaled = torch.cat([features * 1e-4 + 50 * 1e-4, torch.full((len(features), 2), 7.0)], 1)
    split = (slice(0, 400), slice(400, None))
    plain = fit_probe(*[(features[s], classes[s]) for s in split], 5)
    other = fit_probe(*[(scaled[s], classes[s]) for s in split], 5)
    same = plain.predict(features[split[1]]) == other.predict(scaled[split[1]])
    assert same.float().mean() > 0.98
    assert torch.isfinite(other.logits(scaled)).all()


def test_a_probe_beats_the_majority_on_separable_classes():
    features, classes = problem(2000)
    parts = [(features[s], classes[s]) for s in (slice(0, 1000), slice(1000, 1500))]
    probe = fit_probe(*parts, 5)
    accuracy = (probe.predict(features[1500:]) == classes[1500:]).float().mean()
    assert accuracy > 0.7
    assert probe.converged
