"""Epochs of so many steps, whatever the files of a corpus are like.

ESPnet's chunk iterator ends an epoch with the corpus, or after so many *files*: how many steps that
makes depends on how long they are. Trainings on different data are then no longer comparable.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

from espnet2.iterators.abs_iter_factory import AbsIterFactory

# Passes within an epoch are shuffled like epochs that will never be reached.
_PASS_STRIDE = 1_000_003
# NumPy's seeds end at 2**32, and ESPnet adds its own to the number of the epoch.
_LAST_EPOCH = 2**31


class StepsPerEpoch(AbsIterFactory):
    """Batches of another factory, passing through the corpus as often as it takes.

    Args:
        factory: What makes the batches of a pass.
        steps: Batches of an epoch.
    """

    def __init__(self, factory: AbsIterFactory, steps: int) -> None:
        self._factory, self._steps = factory, steps

    def build_iter(self, epoch: int, shuffle: bool | None = None) -> Iterator[Any]:
        """Build the iterator of an epoch, counted from 1; empty if a pass has no batch."""
        done = 0
        for number in count():
            before = done
            shuffled_as = (epoch + _PASS_STRIDE * number) % _LAST_EPOCH
            for batch in self._factory.build_iter(shuffled_as, shuffle):
                yield batch
                done += 1
                if done == self._steps:
                    return
            if done == before:
                return
