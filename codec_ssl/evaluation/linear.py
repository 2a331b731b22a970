"""Multinomial logistic regression on standardised features, solved to convergence.

The loss is convex, so L-BFGS on the full batch finds the one answer without a learning rate to
tune. Strengths are walked from strong to weak, each started from the last.

Letters: N items, D width, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

STRENGTHS = (1.0, 1e-1, 1e-2, 1e-3, 1e-4)


@dataclass(frozen=True)
class LinearProbe:
    """A fitted probe.

    Attributes:
        weight: (D, C), for standardised features.
        bias: (C,).
        mean: Train mean of the features (D,).
        scale: Train standard deviation (D,), 1 where a feature is constant.
        strength: L2 strength that validation chose.
        converged: Whether the solver reached its tolerance.
    """

    weight: Tensor
    bias: Tensor
    mean: Tensor
    scale: Tensor
    strength: float
    converged: bool

    def logits(self, features: Tensor) -> Tensor:
        """Scores (N, C) of raw features (N, D)."""
        return (features - self.mean) / self.scale @ self.weight + self.bias

    def predict(self, features: Tensor) -> Tensor:
        """Most likely class (N,) of raw features (N, D)."""
        return self.logits(features).argmax(1)


def fit_probe(
    train: tuple[Tensor, Tensor],
    valid: tuple[Tensor, Tensor],
    num_classes: int,
    *,
    strengths: Sequence[float] = STRENGTHS,
    max_iterations: int = 300,
) -> LinearProbe:
    """Fit on train; choose the L2 strength by accuracy on valid.

    Minimises mean cross-entropy + strength / 2 * |weight|^2 (the bias is free). In
    scikit-learn's terms C = 1 / (N * strength). The walk to weaker strengths ends when two in a
    row are below the best; on a tie the stronger one stays.

    Args:
        train: Features (N, D) float32 and classes (N,) int64.
        valid: The same for the choice of the strength.
        num_classes: C.
        strengths: L2 strengths, from strong to weak.
        max_iterations: Most L-BFGS iterations a strength.
    """
    features, classes = train
    mean, scale = features.mean(0), features.std(0, correction=0)
    # A constant feature has a deviation of rounding size only.
    scale = torch.where(scale > 1e-6 * mean.abs(), scale, torch.ones_like(scale))
    standard = (features - mean) / scale
    start = np.zeros((features.shape[1] + 1) * num_classes)
    best: LinearProbe | None = None
    best_accuracy, worse = -1.0, 0
    for strength in strengths:
        start, converged = solve(standard, classes, num_classes, strength, start, max_iterations)
        weight, bias = _split(start, features, num_classes)
        probe = LinearProbe(weight, bias, mean, scale, strength, converged)
        accuracy = (probe.predict(valid[0]) == valid[1]).float().mean().item()
        if accuracy > best_accuracy:
            best, best_accuracy, worse = probe, accuracy, 0
        else:
            worse += accuracy < best_accuracy
        if worse == 2:
            break
    if best is None:
        raise ValueError("no strengths to choose from")
    return best


def solve(
    features: Tensor,
    classes: Tensor,
    num_classes: int,
    strength: float,
    start: np.ndarray,
    max_iterations: int,
    tolerance: float = 1e-4,
) -> tuple[np.ndarray, bool]:
    """L-BFGS on the full batch.

    Args:
        features: Standardised (N, D).
        classes: (N,) int64.
        num_classes: C.
        strength: L2 strength.
        start: Flat parameters ((D + 1) * C,) to start from: weight, then bias.
        max_iterations: Most iterations.
        tolerance: Largest gradient entry at which to stop.

    Returns:
        Flat parameters, and whether the tolerance was reached.
    """
    rows = torch.arange(len(classes), device=features.device)

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight, bias = _split(flat, features, num_classes)
        log_probabilities = torch.log_softmax(features @ weight + bias, dim=1)
        loss = -log_probabilities[rows, classes].mean() + strength / 2 * weight.square().sum()
        error = log_probabilities.exp_()
        error[rows, classes] -= 1
        error /= len(classes)
        gradient = torch.cat([(features.T @ error + strength * weight).flatten(), error.sum(0)])
        return loss.item(), gradient.double().cpu().numpy()

    options = {"maxiter": max_iterations, "gtol": tolerance, "ftol": 1e-7, "maxcor": 20}
    found = minimize(objective, start, jac=True, method="L-BFGS-B", options=options)
    return found.x, bool(found.status == 0)


def _split(flat: np.ndarray, like: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Weight (D, C) and bias (C,) of flat parameters, on the device of ``like``."""
    values = torch.from_numpy(flat).to(like)
    return values[:-num_classes].view(-1, num_classes), values[-num_classes:]
