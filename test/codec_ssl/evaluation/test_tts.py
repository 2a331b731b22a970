"""Scores of a synthesis, against numbers that a loop or numpy gives."""

import numpy as np
import pytest

from codec_ssl.evaluation import tts as scores
from codec_ssl.tts.phone_store import PhoneRow
from codec_ssl.tts.synthesizer import Spoken


def compared(utt, durations, predicted, hz, found_hz, voiced=None, rights=(3, 1), frames=None):
    """An utterance whose phones have so many frames, of which all or none are voiced."""
    durations = np.array(durations)
    voiced = np.ones(len(durations), bool) if voiced is None else np.array(voiced)
    f0 = np.repeat(np.where(voiced, hz, 0.0), durations)
    pitch, count = np.log(np.array(hz, float)), len(durations)
    row = PhoneRow(["a"] * count, durations, pitch, np.zeros(count), f0, "s", "en")
    spoken = Spoken(
        np.zeros((durations.sum(), 2)), durations, np.array(predicted, float),
        np.array(found_hz, float), np.zeros(count),
    )  # fmt: skip
    return scores.Compared(utt, row, spoken, np.array(rights), frames or int(durations.sum()))


SOME = [
    compared("u1", [3, 2, 5], [4.0, 2.0, 4.5], [100, 120, 150], [110, 115, 160], rights=(10, 5)),
    compared(
        "u2",
        [4, 0, 6],
        [2.0, 1.0, 6.0],
        [200, 90, 210],
        [190, 100, 220],
        voiced=[True, False, True],
        rights=(2, 1),
    ),
]


def test_accuracy_of_streams_and_of_all_codes():
    first, second = scores.frame_scores(SOME, is_codes=True)
    assert (first.value, second.value) == (12 / 20, 6 / 20)
    assert scores.overall(SOME).value == pytest.approx(18 / 40)
    low, high = first.interval
    assert low == pytest.approx(2 / 10) and high == pytest.approx(1.0)


def test_durations_are_in_milliseconds_and_lengths_relative():
    errors = [1.0, 0.0, 0.5, 2.0, 1.0, 0.0]
    assert scores.duration_error(SOME, 50.0).value == pytest.approx(20 * np.mean(errors))
    assert scores.length_ratio(SOME).value == pytest.approx((10.5 + 9.0) / 20)


def test_pitch_is_compared_where_a_phone_has_one():
    pairs = [pair for each in SOME for pair in zip(*each.pitch_pair, strict=True)]
    assert len(pairs) == 5  # one phone is unvoiced
    cents = [abs(1200 * np.log2(wanted / found)) for wanted, found in pairs]
    assert scores.pitch_error(SOME).value == pytest.approx(np.mean(cents))
    expected = np.corrcoef([100, 120, 150], [110, 115, 160])[0, 1]
    # The second utterance has but two voiced phones, of which any model is right.
    assert scores.pitch_correlation(SOME).value == pytest.approx(expected)
    mute = [compared("u3", [2, 2], [2, 2], [100, 100], [90, 90], voiced=[False, False])]
    assert scores.pitch_error(mute) is None and scores.pitch_correlation(mute) is None
