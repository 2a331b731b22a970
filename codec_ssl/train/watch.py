"""An iterator between ESPnet's data loader and its training loop, which sees every step's outcome.

ESPnet's loop asks for the next batch when a step is done. That is the moment to read what the
step reported, to count its frames, and to keep its batches if it went wrong.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any

from espnet2.train.reporter import SubReporter

from codec_ssl.train.bad_batch import BadBatches, Batch, is_finite_batch


class WatchedBatches:
    """Batches of one training epoch.

    Args:
        batches: ESPnet's iterator.
        reporter: Where the training loop reports.
        bad: Keeper of bad batches.
        accum_grad: Batches of one optimizer step.
        size: Frames (or samples) of a batch.
        outcome: Says what was wrong with the step just done, or None.

    Attributes:
        total: Frames seen so far.
    """

    def __init__(
        self,
        batches: Iterable[Batch],
        reporter: SubReporter,
        bad: BadBatches,
        accum_grad: int,
        size: Callable[[Any], int],
        outcome: Callable[[SubReporter], str | None],
    ) -> None:
        self._batches = batches
        self._reporter = reporter
        self._bad = bad
        self._accum_grad = accum_grad
        self._size = size
        self._outcome = outcome
        self.total = 0

    def __len__(self) -> int:
        if not isinstance(self._batches, Sized):
            raise TypeError("the number of batches is not known")
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        window: list[tuple[int, Batch]] = []
        done = 0
        for number, (utt_ids, tensors) in enumerate(self._batches, 1):
            if not is_finite_batch(tensors):
                # Not even a forward pass: it would poison running averages such as codebooks.
                self._bad.bad_step([(number, (utt_ids, tensors))], self._epoch, "non-finite input")
                continue
            # A copy, since the training loop adds to the dict that it gets.
            window.append((number, (utt_ids, dict(tensors))))
            self.total += self._size(tensors)
            yield utt_ids, tensors
            done += 1
            if done % self._accum_grad == 0:
                self._judge(window)
                window = []

    @property
    def _epoch(self) -> int:
        return self._reporter.get_epoch()

    def _judge(self, window: list[tuple[int, Batch]]) -> None:
        reason = self._outcome(self._reporter)
        if reason is None:
            self._bad.good_step()
            return
        losses = [last_value(self._reporter, "loss", -back) for back in range(len(window), 0, -1)]
        pairs = zip(window, losses, strict=True)
        culprits = [entry for entry, loss in pairs if loss is not None and not math.isfinite(loss)]
        self._bad.bad_step(culprits or window, self._epoch, reason)


def last_value(reporter: SubReporter, stat: str, position: int = -1) -> float | None:
    """What a step reported; None if it did not report the statistic.

    Where other steps did, ESPnet fills in a NaN: of weight 0 if the others have weights.
    """
    values = reporter.stats.get(stat)
    if not values or len(values) < -position:
        return None
    reported = values[position]
    if getattr(reported, "weight", None) == 0:
        return None
    return float(reported.value)
