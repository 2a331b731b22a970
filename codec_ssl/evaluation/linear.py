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
    spectrum = Spectrum.of((features - mean) / scale)
    start: tuple[Tensor, Tensor] | None = None
    best: LinearProbe | None = None
    best_accuracy, worse = -1.0, 0
    for strength in strengths:
        weight, bias, converged = solve(
            spectrum, classes, num_classes, strength, start, max_iterations
        )
        start = weight, bias
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


@dataclass(frozen=True)
class Spectrum:
    """Standardised features in the basis of their principal axes.

    Attributes:
        axes: Orthonormal (D, D).
        rotated: The features along them, (N, D).
        variances: Of each axis (D,).
    """

    axes: Tensor
    rotated: Tensor
    variances: Tensor

    @classmethod
    def of(cls, features: Tensor) -> "Spectrum":
        """Principal axes of features (N, D) with mean 0."""
        covariance = (features.T @ features).double() / len(features)
        variances, axes = torch.linalg.eigh(covariance)
        axes = axes.to(features.dtype)
        return cls(axes, features @ axes, variances.clamp_min(0).to(features.dtype))


def solve(
    spectrum: Spectrum,
    classes: Tensor,
    num_classes: int,
    strength: float,
    start: tuple[Tensor, Tensor] | None = None,
    max_iterations: int = 300,
    tolerance: float = 1e-3,
) -> tuple[Tensor, Tensor, bool]:
    """L-BFGS on the full batch.

    Variances of a network's features span many orders, and so do the frequencies of phones: both
    make L-BFGS crawl. Each parameter is therefore scaled by the inverse root of the loss's
    curvature at the class frequencies, p (1 - p) times the variance of its axis: the same
    problem in other units, with the same optimum, in a tenth of the iterations.

    Args:
        spectrum: Standardised features (N, D).
        classes: (N,) int64.
        num_classes: C.
        strength: L2 strength.
        start: Weight (D, C) and bias (C,) to start from.
        max_iterations: Most iterations.
        tolerance: Largest gradient entry, in the scaled units, at which to stop; a step that
            lowers the loss by less than ``tolerance / 1000`` of itself ends the walk as well.

    Returns:
        Weight (D, C), bias (C,), and whether the solver reached its tolerance.
    """
    inputs, axes = spectrum.rotated, spectrum.axes
    rows = torch.arange(len(classes), device=inputs.device)
    # Half an item is added to each class, so that one that never occurs has a finite bias.
    shares = (torch.bincount(classes, minlength=num_classes) + 0.5) / (
        len(classes) + 0.5 * num_classes
    )
    curvature = (shares * (1 - shares)).to(inputs.dtype)
    scales = torch.cat([spectrum.variances[:, None] * curvature + strength, curvature[None]])
    scales = scales.rsqrt()

    def unscaled(flat: np.ndarray) -> Tensor:
        return torch.from_numpy(flat).to(inputs).view(-1, num_classes) * scales

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = unscaled(flat)
        weight, bias = parameters[:-1], parameters[-1]
        error = torch.addmm(bias, inputs, weight)
        error -= error.amax(1, keepdim=True)
        chosen = error[rows, classes]
        error.exp_()
        totals = error.sum(1, keepdim=True)
        loss = (totals[:, 0].log() - chosen).mean() + strength / 2 * weight.square().sum()
        error /= totals * len(classes)
        error[rows, classes] -= 1 / len(classes)
        gradient = torch.cat([inputs.T @ error + strength * weight, error.sum(0, keepdim=True)])
        return loss.item(), (gradient * scales).flatten().double().cpu().numpy()

    if start is None:
        start = torch.zeros_like(scales[:-1]), shares.log().to(inputs.dtype)
    first = torch.cat([axes.T @ start[0], start[1][None]]) / scales
    options = {"maxiter": max_iterations, "gtol": tolerance, "ftol": tolerance / 1000}
    first = first.flatten().double().cpu().numpy()
    found = minimize(objective, first, jac=True, method="L-BFGS-B", options=options)
    parameters = unscaled(found.x)
    return axes @ parameters[:-1], parameters[-1], bool(found.status == 0)
