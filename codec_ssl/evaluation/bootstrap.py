"""Intervals of accuracies, by resampling whole utterances.

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
    sizes = np.bincount(owner).astype(np.float64)
    random = np.random.default_rng(seed)
    rows = max(1, _CHUNK_CELLS // len(sizes))
    means = []
    for begin in range(0, num_resamples, rows):
        shape = (min(rows, num_resamples - begin), len(sizes))
        drawn = random.integers(len(sizes), size=shape)
        means.append(rights[drawn].sum(1) / sizes[drawn].sum(1))
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)
