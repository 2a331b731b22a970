"""Units are joined and repeated without loss, and other streams are found beside them."""

from itertools import groupby

import numpy as np
import pytest

from codec_ssl.vocoder.units import align, deduplicate, expand, positions_at


@pytest.mark.parametrize("streams", [1, 3])
@pytest.mark.parametrize("frames", [0, 1, 2, 200])
def test_units_are_the_groups_of_equal_frames_and_expanding_gives_the_frames_back(streams, frames):
    codes = np.random.default_rng(frames).integers(0, 2, (frames, streams))
    units, durations = deduplicate(codes)
    groups = [(key, len(list(rows))) for key, rows in groupby(map(tuple, codes.tolist()))]
    assert [tuple(unit) for unit in units.tolist()] == [key for key, _ in groups]
    assert durations.tolist() == [count for _, count in groups]
    np.testing.assert_array_equal(expand(units, durations), codes)


def test_a_frame_is_repeated_only_if_all_its_streams_are():
    units, durations = deduplicate(np.array([[1, 2], [1, 3], [1, 3], [1, 2]]))
    assert units.tolist() == [[1, 2], [1, 3], [1, 2]] and durations.tolist() == [1, 2, 1]


@pytest.mark.parametrize(
    ("rate", "frame_rate"), [(12.5, 50.0), (50.0, 12.5), (75.0, 50.0), (16000 / 186, 16000 / 320)]
)
def test_positions_are_those_of_the_middles_of_frames(rate, frame_rate):
    found = positions_at(range(1000), rate, frame_rate)
    middles = (np.arange(1000) + 0.5) / frame_rate * rate
    exact = np.abs(middles - np.round(middles)) < 1e-6  # where rounding decides, in floats
    np.testing.assert_array_equal(found[~exact], np.floor(middles[~exact]))
    np.testing.assert_array_equal(found[exact], np.round(middles[exact]))


def test_a_crop_of_the_aligned_is_the_aligned_of_a_crop_and_the_last_code_goes_on():
    codes = np.arange(5)[:, None]
    whole = align(codes, range(23), 12.5, 50.0)[:, 0]
    assert whole.tolist() == [*np.repeat(range(5), 4), 4, 4, 4]
    for start in range(20):
        crop = align(codes, range(start, start + 3), 12.5, 50.0)[:, 0]
        assert crop.tolist() == whole[start : start + 3].tolist()
