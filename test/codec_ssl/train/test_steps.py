"""Epochs of so many steps."""

import itertools

import numpy as np
import pytest

from codec_ssl.train.steps import StepsPerEpoch


class Corpus:
    """A pass is the numbers up to a size, after the number of the epoch it was asked for."""

    def __init__(self, size: int) -> None:
        self.size = size

    def build_iter(self, epoch, shuffle=None):
        return ((epoch, shuffle, batch) for batch in range(self.size))


@pytest.mark.parametrize("steps", [1, 3, 5, 10, 12])
def test_an_epoch_has_its_steps_however_large_the_corpus_is(steps):
    epochs = [list(StepsPerEpoch(Corpus(5), steps).build_iter(e, True)) for e in (1, 2)]
    for number, batches in enumerate(epochs, 1):
        assert len(batches) == steps and batches[0] == (number, True, 0)
        assert [batch for _, _, batch in batches] == [i % 5 for i in range(steps)]
    passes = {seed for seed, _, _ in itertools.chain(*epochs)}
    assert len(passes) == 2 * -(-steps // 5), "every pass is shuffled in its own way"


def test_a_tiny_corpus_is_passed_through_thousands_of_times_with_seeds_that_numpy_takes():
    *_, (last, _, _) = StepsPerEpoch(Corpus(1), 5000).build_iter(360)
    assert np.random.RandomState(last + 777)


def test_a_corpus_without_a_batch_ends_the_epoch():
    assert list(StepsPerEpoch(Corpus(0), 3).build_iter(1)) == []
