"""An exact uniform sample of a stream, in memory that doesn't grow with the stream.

Every row draws a random key; the rows with the smallest keys are the sample, so each subset of
that size is equally likely. Keys come in stream order from one generator and rows are thinned
out only when the buffer is exactly full: the result is the same however the stream is cut.

Letters: D width, M capacity.
"""

import numpy as np


class Reservoir:
    """Uniform sample without replacement of at most ``capacity`` rows.

    Args:
        capacity: M, most rows kept.
        width: D, values a row.
        seed: Seed of the keys.

    Attributes:
        num_seen: Rows that went by so far.
    """

    def __init__(self, capacity: int, width: int, seed: int) -> None:
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, found {capacity}")
        self._capacity = capacity
        self._random = np.random.default_rng(seed)
        # The slack lets one thinning serve many rows; its pages are touched only when needed.
        size = capacity + max(1024, capacity // 16)
        self._rows = np.empty((size, width), dtype=np.float32)
        self._keys = np.empty(size, dtype=np.float64)
        self._count = 0
        self._threshold = np.inf
        self.num_seen = 0

    def add(self, rows: np.ndarray) -> None:
        """Let rows (n, D) float32 go by.

        Raises:
            ValueError: If the width is another.
        """
        if rows.ndim != 2 or rows.shape[1] != self._rows.shape[1]:
            raise ValueError(f"expected rows (n, {self._rows.shape[1]}), found {rows.shape}")
        self.num_seen += len(rows)
        keys = self._random.random(len(rows))
        waiting = np.flatnonzero(keys < self._threshold)
        while len(waiting):
            taken, waiting = np.split(waiting, [len(self._keys) - self._count])
            self._rows[self._count : self._count + len(taken)] = rows[taken]
            self._keys[self._count : self._count + len(taken)] = keys[taken]
            self._count += len(taken)
            if self._count == len(self._keys):
                self._thin()
                waiting = waiting[keys[waiting] < self._threshold]

    def sample(self) -> np.ndarray:
        """The sample so far (at most M, D): a view, in stream order until M rows went by."""
        if self._count > self._capacity:
            self._thin()
        return self._rows[: self._count]

    def _thin(self) -> None:
        """Keep the smallest keys, moving kept rows of the tail into the holes of the head."""
        keys = self._keys[: self._count]
        kept = np.zeros(self._count, dtype=bool)
        kept[np.argpartition(keys, self._capacity - 1)[: self._capacity]] = True
        holes = np.flatnonzero(~kept[: self._capacity])
        movers = self._capacity + np.flatnonzero(kept[self._capacity :])
        self._rows[holes] = self._rows[movers]
        self._keys[holes] = self._keys[movers]
        self._count = self._capacity
        self._threshold = self._keys[: self._capacity].max()
