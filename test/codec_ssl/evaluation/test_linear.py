"""The linear probe reaches scikit-learn's optimum, and validation chooses its strength."""

import numpy as np
import pytest
import torch

from codec_ssl.evaluation.linear import Spectrum, fit_probe, solve


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
    # Correlated features: the principal axes aren't the given ones.
    features = features @ torch.randn(20, 20)
    standard = (features - features.mean(0)) / features.std(0, correction=0)
    weight, _, converged = solve(Spectrum.of(standard), classes, 5, strength, tolerance=1e-6)
    peer = linear_model.LogisticRegression(C=1 / (len(classes) * strength), tol=1e-8, max_iter=5000)
    peer.fit(standard.numpy().astype(np.float64), classes.numpy())
    assert converged
    np.testing.assert_allclose(weight, peer.coef_.T, atol=0.02 * np.abs(peer.coef_).max())


def test_gradient_of_the_plain_loss_vanishes_at_the_solution():
    features, classes = problem(width=4, num_classes=3)
    standard = ((features - features.mean(0)) / features.std(0, correction=0)).double()
    weight, bias, _ = solve(Spectrum.of(standard), classes, 3, 0.1, tolerance=1e-9)

    def gradient(weight, bias):
        parameters = weight.clone().requires_grad_(), bias.clone().requires_grad_()
        loss = torch.nn.functional.cross_entropy(standard @ parameters[0] + parameters[1], classes)
        (loss + 0.05 * parameters[0].square().sum()).backward()
        return torch.cat([p.grad.flatten() for p in parameters]).abs().max()

    assert gradient(weight, bias) < 1e-3 * gradient(
        torch.zeros_like(weight), torch.zeros_like(bias)
    )


def test_a_start_from_another_strength_leads_to_the_same_solution():
    features, classes = problem()
    spectrum = Spectrum.of((features - features.mean(0)) / features.std(0, correction=0))
    near = solve(spectrum, classes, 5, 1.0)[:2]
    cold, warm = (
        solve(spectrum, classes, 5, 1e-2, start, tolerance=1e-6) for start in (None, near)
    )
    torch.testing.assert_close(warm[0], cold[0], atol=0.01, rtol=0.02)


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
