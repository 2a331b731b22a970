"""The reservoir is an exact uniform sample that doesn't depend on how the stream is cut."""

import tracemalloc

import numpy as np
import pytest

from codec_ssl.tokenizers.reservoir import Reservoir


def numbered(count, width=3, start=0):
    rows = np.zeros((count, width), dtype=np.float32)
    rows[:, 0] = np.arange(start, start + count)
    return rows


def fill(rows, capacity, seed, sizes):
    reservoir = Reservoir(capacity, rows.shape[1], seed)
    begin = 0
    while begin < len(rows):
        size = next(sizes)
        reservoir.add(rows[begin : begin + size])
        begin += size
    assert reservoir.num_seen == len(rows)
    return reservoir.sample()


def cycle(*sizes):
    while True:
        yield from sizes


def test_same_sample_and_order_however_the_stream_is_cut():
    rows = numbered(20_000)
    whole = fill(rows, 700, 5, cycle(20_000)).copy()
    for sizes in (cycle(1, 2, 997), cycle(64), cycle(5000, 3)):
        np.testing.assert_array_equal(fill(rows, 700, 5, sizes), whole)


def test_sample_is_the_rows_with_the_smallest_keys():
    rows = numbered(9000)
    keys = np.random.default_rng(11).random(9000)
    expected = np.sort(np.argsort(keys)[:500])
    np.testing.assert_array_equal(np.sort(fill(rows, 500, 11, cycle(123))[:, 0]), expected)


def test_every_row_is_equally_likely():
    # 400 draws of 50 from 2000: each tenth of the stream gets 2000 +- 4 deviations.
    tenths = np.zeros(10)
    for seed in range(400):
        drawn = fill(numbered(2000, 1), 50, seed, cycle(300))[:, 0].astype(int)
        assert len(np.unique(drawn)) == 50
        tenths += np.bincount(drawn // 200, minlength=10)
    deviation = np.sqrt(400 * 50 * 0.1 * 0.9)
    assert np.abs(tenths - 2000).max() < 4 * deviation


def test_a_short_stream_is_kept_whole_and_in_order():
    rows = numbered(300)
    np.testing.assert_array_equal(fill(rows, 300, 0, cycle(77)), rows)


def test_memory_does_not_grow_with_the_stream():
    def peak(num_batches):
        tracemalloc.start()
        reservoir = Reservoir(2000, 64, seed=0)
        for number in range(num_batches):
            reservoir.add(numbered(1000, 64, start=1000 * number))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(400) < 1.05 * peak(20)


def test_a_wrong_width_or_capacity_is_refused():
    with pytest.raises(ValueError, match="expected rows"):
        Reservoir(5, 3, 0).add(np.zeros((2, 4), dtype=np.float32))
    with pytest.raises(ValueError, match="capacity"):
        Reservoir(0, 3, 0)
