"""Token histograms and what they say: entropy, perplexity, usage.

Letters: T frames, Q codebooks, K codebook size.
"""

from collections.abc import Sequence

import numpy as np

from codec_ssl.errors import TokenError


def count(codes: np.ndarray, sizes: Sequence[int]) -> list[np.ndarray]:
    """How often each token of each codebook occurs.

    Args:
        codes: (T, Q), not negative.
        sizes: K of each column.

    Returns:
        Q arrays (K,) int64.

    Raises:
        TokenError: If a code is not below its K.
    """
    counts = [np.bincount(codes[:, q], minlength=size) for q, size in enumerate(sizes)]
    for codebook, (size, column) in enumerate(zip(sizes, counts, strict=True)):
        if len(column) > size:
            found = len(column) - 1
            raise TokenError(
                f"codebook {codebook}: expected codes from 0 to {size - 1}, found {found}"
            )
    return counts


def entropy(counts: np.ndarray) -> float:
    """Entropy of a histogram (K,) in bits a token; 0 for an empty one."""
    used = counts[counts > 0]
    if len(used) == 0:
        return 0.0
    shares = used / used.sum()
    return float(-(shares * np.log2(shares)).sum()) + 0.0


def perplexity(counts: np.ndarray) -> float:
    """``2 ** entropy``: how many equally likely tokens would be as uncertain."""
    return float(2.0 ** entropy(counts))


def usage(counts: np.ndarray) -> float:
    """Share of the K tokens that occur at all."""
    return float(np.count_nonzero(counts) / len(counts))


def top_share(counts: np.ndarray) -> float:
    """Share of the most frequent token among all tokens; 0 for an empty histogram."""
    total = int(counts.sum())
    return float(counts.max() / total) if total else 0.0
