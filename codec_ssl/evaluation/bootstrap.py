"""Intervals of accuracies and error rates, by resampling whole utterances.

Frames of one utterance fail together, so resampling frames would give intervals far too small.
"""

from collections.abc import Callable, Sequence

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
    return percentiles(np.concatenate(means), level)


def statistic_interval(
    statistic: Callable[[np.ndarray], np.ndarray],
    sizes: Sequence[int],
    *,
    num_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of anything that weighs its items, see ``statistic_draws``.

    Returns:
        Low and high end.
    """
    draws = statistic_draws(statistic, sizes, num_resamples=num_resamples, seed=seed)
    return percentiles(draws, level)


def statistic_draws(
    statistic: Callable[[np.ndarray], np.ndarray],
    sizes: Sequence[int],
    *,
    num_resamples: int = 1000,
    seed: int = 0,
) -> np.ndarray:
    """A statistic of items that were drawn again, with replacement.

    Which items are drawn hangs on the sizes and the seed alone: values of two systems on the same
    items are pairs.

    Args:
        statistic: From how often each item was drawn (R, U) to values (R,).
        sizes: Items of each stratum, such as a fold, which sum to U; each is drawn from by itself.
        num_resamples: Number of draws.
        seed: Seed of the draws.

    Returns:
        A value for each draw.
    """
    random = np.random.default_rng(seed)
    rows = max(1, _CHUNK_CELLS // sum(sizes))
    values = []
    for begin in range(0, num_resamples, rows):
        count = min(rows, num_resamples - begin)
        drawn = [random.multinomial(size, np.full(size, 1 / size), size=count) for size in sizes]
        values.append(statistic(np.concatenate(drawn, axis=1)))
    return np.concatenate(values)


def percentiles(draws: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Ends of the middle ``level`` of values (R,)."""
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    return float(low), float(high)
