"""Intervals of accuracies and error rates, by resampling whole utterances.

Frames of one utterance fail together, so resampling frames would give intervals far too small.
"""

import numpy as np

_CHUNK_CELLS = 1 << 22


def accuracy_interval(
    correct: np.ndarray,
    groups: np.ndarray,
    *,
    num_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of ``correct``.

    Args:
        correct: Whether each item is right, (N,).
        groups: Utterance of each item, integers (N,); utterances are drawn with replacement.
        num_resamples: Number of draws.
        level: Coverage.
        seed: Seed of the draws.

    Returns:
        Low and high end.
    """
    _, owner = np.unique(groups, return_inverse=True)
    rights = np.bincount(owner, weights=correct.astype(np.float64))
    sizes = np.bincount(owner)
    return ratio_interval(rights, sizes, num_resamples=num_resamples, level=level, seed=seed)


def ratio_interval(
    parts: np.ndarray,
    wholes: np.ndarray,
    *,
    num_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of ``sum(parts) / sum(wholes)``, such as a word error rate.

    Args:
        parts: Of each utterance (U,), such as its errors; utterances are drawn with replacement.
        wholes: Of each utterance (U,), such as its words.
        num_resamples: Number of draws.
        level: Coverage.
        seed: Seed of the draws.

    Returns:
        Low and high end.
    """
    parts, wholes = parts.astype(np.float64), wholes.astype(np.float64)
    random = np.random.default_rng(seed)
    rows = max(1, _CHUNK_CELLS // len(wholes))
    means = []
    for begin in range(0, num_resamples, rows):
        shape = (min(rows, num_resamples - begin), len(wholes))
        drawn = random.integers(len(wholes), size=shape)
        means.append(parts[drawn].sum(1) / np.maximum(wholes[drawn].sum(1), 1))
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)
