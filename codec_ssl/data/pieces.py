"""Cutting long recordings into utterances of near-equal length."""

import math
from itertools import pairwise

Piece = tuple[float, float]


def even_pieces(duration: float, max_duration: float) -> list[Piece]:
    """Start and end in seconds of the fewest equal pieces that are no longer than asked for.

    Args:
        duration: Of the recording, seconds.
        max_duration: Of a piece, seconds.
    """
    count = max(1, math.ceil(duration / max_duration))
    edges = [index * duration / count for index in range(count + 1)]
    return list(pairwise(edges))
