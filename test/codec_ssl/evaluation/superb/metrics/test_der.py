"""Diarization errors against counting on a fine grid, and against s3prl's count by frames."""

from itertools import permutations

import numpy as np
import pytest
import torch
from s3prl.metric.diarization import calc_diarization_error

from codec_ssl.data.alignment import Segment
from codec_ssl.evaluation.superb.metrics.der import diarization_errors, segments_of

STEP = 0.01


def draw(random, speakers, count=6):
    """Segments whose times are whole steps, so that a grid counts them exactly."""
    segments = []
    for _ in range(count):
        start, length = random.integers(0, 300), random.integers(1, 120)
        name = str(random.choice(speakers))
        segments.append(Segment(start * STEP, (start + length) * STEP, name))
    return segments


def grid(segments, names):
    active = np.zeros((500, len(names)), dtype=bool)
    for start, end, name in segments:
        active[round(start / STEP) : round(end / STEP), names.index(name)] = True
    return active


def brute_force(reference, answer):
    """Least errors over all ways to match speakers, in steps."""
    truths = sorted({each.label for each in reference})
    found = sorted({each.label for each in answer})
    truth, hypothesis = grid(reference, truths), grid(answer, found)
    width = max(len(truths), len(found))
    truth = np.pad(truth, ((0, 0), (0, width - len(truths))))
    hypothesis = np.pad(hypothesis, ((0, 0), (0, width - len(found))))
    counts = []
    for order in permutations(range(width)):
        right = (truth & hypothesis[:, order]).sum(1)
        counts.append((np.maximum(truth.sum(1), hypothesis.sum(1)) - right).sum())
    return min(counts), truth.sum()


@pytest.mark.parametrize("seed", range(20))
def test_errors_are_the_least_of_all_matchings(seed):
    random = np.random.default_rng(seed)
    reference = draw(random, ["anna", "ben", "cleo"][: random.integers(1, 4)])
    answer = draw(random, [0, 1, 2, 3][: random.integers(1, 5)])
    found = diarization_errors(reference, answer)
    errors, scored = brute_force(reference, answer)
    assert found.scored == pytest.approx(scored * STEP)
    assert found.errors == pytest.approx(errors * STEP)
    assert min(found.missed, found.false_alarm, found.confusion) >= 0


def test_each_kind_of_error_is_told_apart():
    reference = [Segment(0, 10, "anna"), Segment(5, 12, "ben")]
    found = diarization_errors(reference, [Segment(0, 6, "x"), Segment(6, 14, "y")])
    # x is anna, y is ben: ben is missed in 5 to 6, anna in 6 to 10, 12 to 14 is nobody.
    assert found.scored == 17
    assert (found.missed, found.false_alarm, found.confusion) == (5, 2, 0)
    swapped = diarization_errors(reference, [Segment(0, 10, "x"), Segment(5, 9, "x")])
    assert (swapped.missed, swapped.false_alarm, swapped.confusion) == (7, 0, 0)
    mixed = diarization_errors([Segment(0, 3, "a"), Segment(3, 4, "b")], [Segment(0, 4, "x")])
    assert mixed.confusion == 1


def test_no_answer_misses_everything_and_silence_has_no_errors():
    assert diarization_errors([Segment(1, 3, "a")], []).errors == 2
    assert diarization_errors([], [Segment(1, 3, "a")]).false_alarm == 2
    assert diarization_errors([], []).errors == 0


def test_frames_give_the_rate_that_s3prl_counts_in_training():
    random = np.random.default_rng(0)
    logits = random.normal(size=(1, 200, 2)).cumsum(1)
    truth = random.normal(size=(1, 200, 2)).cumsum(1) > 0
    best = []
    for order in ([0, 1], [1, 0]):
        counts = calc_diarization_error(
            torch.from_numpy(logits),
            torch.from_numpy(truth[:, :, order]).long(),
            torch.tensor([200]),
        )
        best.append(sum(counts[6:9]) / counts[5])
    reference = segments_of(truth[0].astype(float), 0.02, threshold=0.5, median=1)
    answer = segments_of(1 / (1 + np.exp(-logits[0])), 0.02, threshold=0.5, median=1)
    found = diarization_errors(reference, answer)
    assert found.errors / found.scored == pytest.approx(min(best))


def test_a_median_filter_takes_away_what_is_shorter_than_half_of_it():
    speech = np.zeros((60, 1))
    speech[10:14], speech[30:50], speech[40] = 1, 1, 0
    assert len(segments_of(speech, 0.02, threshold=0.5, median=1)) == 3
    assert segments_of(speech, 0.02, threshold=0.5, median=11) == [Segment(0.6, 1.0, "0")]
    assert segments_of(np.zeros((5, 2)), 0.02, threshold=0.5, median=1) == []
