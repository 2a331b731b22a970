"""Durations from alignments: they add up, and each frame belongs to the phone at its centre."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec_ssl.data.alignment import Segment, frame_labels
from codec_ssl.errors import DataError
from codec_ssl.tts.durations import FrameGrid, codec_grid, phone_frames, phone_means

CODEC = codec_grid(16000, 50.0)
SPECTRUM = FrameGrid(16000, 256, 0.0)


def segments(*pieces):
    return [Segment(start, end, label) for start, end, label in pieces]


def spread(symbols, durations):
    return [s for s, count in zip(symbols, durations, strict=True) for _ in range(count)]


def test_a_hand_made_alignment():
    found = segments((0.0, 0.05, "h"), (0.05, 0.09, "a"), (0.09, 0.1, "i"), (0.2, 0.3, "o"))
    symbols, durations = phone_frames(found, 16, CODEC)
    # Centres at 10, 30, 50 ... ms: 50 lies in "a", 90 in "i", 0.1 to 0.2 is nobody's.
    assert symbols == ["h", "a", "i", "sil", "o", "sil"]
    assert durations.tolist() == [2, 2, 1, 5, 5, 1]


@st.composite
def alignments(draw):
    lengths = draw(st.lists(st.integers(1, 900), min_size=1, max_size=15))
    labels = draw(st.lists(st.sampled_from(["a", "b", "sil", "sp", "SIL"]), min_size=15))
    borders = np.cumsum([0, *lengths]) / 2000
    kept = draw(st.lists(st.booleans(), min_size=15, max_size=15))
    found = [
        Segment(float(start), float(end), label)
        for start, end, label, keep in zip(borders, borders[1:], labels, kept, strict=False)
        if keep
    ]
    return found or [Segment(0.0, 0.1, "a")]


@settings(max_examples=100, deadline=None)
@given(alignments(), st.integers(1, 400), st.sampled_from([CODEC, SPECTRUM]))
def test_frames_add_up_and_belong_to_the_phone_at_their_centre(found, num_frames, grid):
    try:
        symbols, durations = phone_frames(found, num_frames, grid)
    except DataError:
        assert found[-1].end > num_frames / grid.frame_rate - 0.02
        return
    assert durations.sum() == num_frames and (durations >= 0).all()
    centres = grid.centres(num_frames)
    owners = [
        next((s.label for s in found if s.start <= t + 1e-9 < s.end - 1e-12), "sil")
        for t in np.round(centres, 9)
    ]
    owners = ["sil" if owner in ("sp", "SIL") else owner for owner in owners]
    assert spread(symbols, durations) == owners
    pauses = [symbol == "sil" for symbol in symbols]
    assert not any(a and b for a, b in pairwise(pauses))
    assert all(count for count, pause in zip(durations, pauses, strict=True) if pause)
    spoken = [segment.label for segment in found if segment.label in "ab"]
    assert [symbol for symbol in symbols if symbol != "sil"] == spoken


def test_it_agrees_with_the_labels_that_probes_use():
    rng = np.random.default_rng(0)
    borders = np.cumsum(rng.uniform(0.021, 0.2, 30))
    found = [
        Segment(float(a), float(b), f"p{n}")
        for n, (a, b) in enumerate(zip([0.0, *borders], borders, strict=False))
    ]
    num_frames = int(found[-1].end * 50)
    expected = frame_labels(found, num_frames, 50.0)
    assert spread(*phone_frames(found, num_frames, CODEC)) == expected


def test_a_phone_shorter_than_a_frame_stays_without_one():
    found = segments((0.0, 0.032, "a"), (0.032, 0.045, "t"), (0.045, 0.1, "o"))
    symbols, durations = phone_frames(found, 5, CODEC)
    assert symbols == ["a", "t", "o"] and durations.tolist() == [2, 0, 3]


@pytest.mark.parametrize(
    ("found", "num_frames"),
    [([], 5), (segments((0, 1, "a")), 0), (segments((0, 1, "a"), (1, 2, "b")), 20)],
)
def test_what_cannot_be_aligned_is_refused(found, num_frames):
    with pytest.raises(DataError, match="expected an align"):
        phone_frames(found, num_frames, CODEC)


def test_frames_must_be_whole_samples():
    with pytest.raises(DataError, match="whole number of samples"):
        codec_grid(16000, 47.0)
    assert codec_grid(44100, 44100 / 512) == FrameGrid(44100, 512, 256.0)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=30).filter(any), st.integers(0, 99))
def test_means_are_those_of_a_loop(durations, seed):
    track = np.random.default_rng(seed).normal(size=sum(durations))
    expected, start = [], 0
    for count in durations:
        here = track[start : start + count]
        expected.append(here.mean() if count else track[min(start, len(track) - 1)])
        start += count
    np.testing.assert_allclose(phone_means(track, np.array(durations)), expected, atol=1e-9)
