"""Delays, levels and lengths that were put in are found and taken away."""

import numpy as np
import pytest
from voice import RATE, noisy, voice

from codec_ssl.evaluation.alignment import find_delay, length_mismatch, level_gain, shift
from codec_ssl.evaluation.pair import Alignment, CannotScore, make_pair

WAV = voice(1.0)


def late(wav, delay):
    """``wav`` as a codec gives it that answers so many samples late; negative: early."""
    return np.pad(wav, (delay, 0))[: len(wav)] if delay >= 0 else np.pad(wav, (0, -delay))[-delay:]


@pytest.mark.parametrize("delay", [0, 1, 77, 800, -1, -160])
@pytest.mark.parametrize("gain", [1.0, 0.2, -1.0])
def test_a_known_delay_is_found(delay, gain):
    decoded = gain * late(noisy(WAV, 10), delay)
    assert find_delay(WAV, decoded, 800) == delay


def test_a_delay_agrees_with_trying_every_shift():
    decoded = late(noisy(WAV, 0), 23)
    tried = {d: abs(float(np.dot(*shift(WAV, decoded, d)))) for d in range(-50, 51)}
    assert find_delay(WAV, decoded, 50) == max(tried, key=tried.get) == 23


def test_nothing_beyond_the_bound_is_looked_at():
    assert abs(find_delay(WAV, late(WAV, 500), 100)) <= 100
    assert find_delay(WAV, late(WAV, 500), 0) == 0


def test_silence_noise_and_constant_tones_are_not_shifted():
    random = np.random.default_rng(0)
    assert find_delay(WAV, np.zeros_like(WAV), 400) == 0
    assert find_delay(np.zeros_like(WAV), WAV, 400) == 0
    assert find_delay(random.standard_normal(RATE), random.standard_normal(RATE), 400) == 0
    assert find_delay(WAV[:1], WAV[:1], 400) == 0
    tone = np.sin(2 * np.pi * np.arange(RATE) / 16)  # repeats every 16 samples
    assert find_delay(tone, tone, 400) == 0


@pytest.mark.parametrize("delay", [3, -3, 0])
def test_a_shift_leaves_the_samples_that_both_have(delay):
    reference, decoded = shift(WAV, late(WAV, delay), delay)
    assert len(reference) == len(decoded) == len(WAV) - abs(delay)
    np.testing.assert_array_equal(reference, decoded)


def test_levels_are_matched():
    decoded = noisy(WAV, 20)
    assert level_gain(WAV, 0.25 * WAV, "rms") == pytest.approx(4)
    assert level_gain(WAV, -0.25 * WAV, "rms") == pytest.approx(4)
    assert level_gain(WAV, -0.25 * WAV, "least_squares") == pytest.approx(-4)
    best = level_gain(WAV, decoded, "least_squares")
    errors = [np.square(WAV - g * decoded).sum() for g in (best - 0.01, best, best + 0.01)]
    assert min(errors) == errors[1]
    assert level_gain(WAV, 0.25 * WAV, "none") == 1
    assert level_gain(WAV, 0 * WAV, "rms") == level_gain(0 * WAV, WAV, "least_squares") == 1


def test_a_pair_is_aligned_levelled_and_cut_only_if_asked():
    decoded = 0.5 * late(WAV, 40)[:-8]
    pair = make_pair("u", WAV, decoded, RATE, Alignment(0.01, "least_squares"))
    assert (pair.delay, pair.gain) == (40, pytest.approx(2))
    np.testing.assert_allclose(*pair.aligned(), atol=1e-6)
    assert len(pair.aligned()[0]) == len(WAV) - 48
    # Metrics that need no alignment see all of it.
    assert [len(wav) for wav in pair.wholes()] == [len(WAV), len(WAV) - 8]
    plain = make_pair("u", WAV, decoded, RATE)
    assert (plain.delay, plain.gain) == (0, 1)
    np.testing.assert_array_equal(plain.aligned()[1], decoded)


def test_a_pair_is_resampled_as_a_metric_needs_it():
    tone = np.sin(2 * np.pi * 440 * np.arange(24000) / 24000).astype(np.float32)
    reference, _ = make_pair("u", tone, tone, 24000).aligned(16000)
    assert reference.dtype == np.float32 and len(reference) == 16000
    expected = np.sin(2 * np.pi * 440 * np.arange(16000) / 16000)
    np.testing.assert_allclose(reference[500:-500], expected[500:-500], atol=1e-3)


def test_lengths_that_differ_too_much_are_not_compared():
    assert length_mismatch(WAV, WAV[:8000]) == pytest.approx(8000 / 24000)
    pair = make_pair("u", WAV, WAV[:8000], RATE)
    with pytest.raises(CannotScore, match=r"lengths differ too much.*1\.00 s and 0\.50 s"):
        pair.aligned()
    assert len(pair.wholes()[0]) == RATE
    assert len(make_pair("u", WAV, WAV[:14000], RATE).aligned()[0]) == 14000
