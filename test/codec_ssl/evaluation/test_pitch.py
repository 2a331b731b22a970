"""Pitch and voicing errors against counts by hand, and of signals whose pitch is known."""

from importlib import metadata

import numpy as np
import pytest
from voice import RATE, noisy, voice

from codec_ssl.evaluation.pair import Alignment, CannotScore, make_pair
from codec_ssl.evaluation.pitch import (
    frame_errors,
    gross_errors,
    log_correlation,
    pitch_pair,
    voicing_errors,
)
from codec_ssl.evaluation.scorer_options import ScorerOptions
from codec_ssl.evaluation.scorers import make_scorers

HOP = RATE // 200


def counted(reference, decoded):
    """The definitions of Chu and Alwan, frame by frame."""
    voiced_to_unvoiced = unvoiced_to_voiced = both = gross = 0
    for a, b in zip(reference, decoded, strict=True):
        if a > 0 and b > 0:
            both += 1
            gross += abs(b / a - 1) > 0.2
        voiced_to_unvoiced += a > 0 and not b > 0
        unvoiced_to_voiced += b > 0 and not a > 0
    voicing = voiced_to_unvoiced + unvoiced_to_voiced
    frames = len(reference)
    return voicing / frames, gross / both, (voicing + gross) / frames


def test_errors_are_those_counted_by_hand():
    #                    right  +25 %  -25 %  +15 %  lost  gained  silent  right
    reference = np.array([100.0, 100, 100, 200, 150, 0, 0, 300])
    decoded = np.array([100.0, 125, 75, 230, 0, 150, 0, 300])
    assert voicing_errors(reference, decoded).value == 2 / 8
    assert gross_errors(reference, decoded) == (2, 5)
    assert frame_errors(reference, decoded).value == 4 / 8


def test_errors_follow_the_definitions_on_any_curves():
    random = np.random.default_rng(0)
    for _ in range(20):
        curves = random.uniform(80, 300, (2, 50)) * (random.random((2, 50)) < 0.7)
        scores = (voicing_errors, gross_errors, frame_errors)
        assert [score(*curves).value for score in scores] == pytest.approx(counted(*curves))


def test_the_correlation_is_of_log_pitch_where_both_are_voiced():
    reference = np.exp(np.linspace(4.5, 5.5, 30))
    decoded = reference**0.5 * 7  # half as many semitones, at another height
    decoded[5], reference[9] = 0, 0
    assert log_correlation(reference, decoded) == pytest.approx(1)
    fall = np.where(decoded > 0, 1 / np.maximum(decoded, 1), 0)
    assert log_correlation(reference, fall) == pytest.approx(-1)


def spoken(curve, pauses=()):
    """A voice of a pitch that is given for each sample, with white noise for its pauses."""
    wav = voice(len(curve) / RATE, pitch=curve)
    for begin, end in pauses:
        noise = np.random.default_rng(begin).standard_normal(end - begin)
        wav[begin:end] = 0.01 * noise
    return wav


@pytest.fixture(scope="module")
def signals():
    """A voice of 1.6 s, and copies that are wrong in known places."""
    curve = 150 + 40 * np.sin(np.arange(int(1.6 * RATE)) / RATE * 8)
    quarter = len(curve) // 4
    high = curve.copy()
    high[2 * quarter :] *= 1.4
    return {
        "plain": spoken(curve),
        "unvoiced in a quarter": spoken(curve, [(quarter, 2 * quarter)]),
        "too high in a half": spoken(high),
        "higher by 10 %": spoken(1.1 * curve),
    }


@pytest.mark.parametrize(
    "copy, vde, ffe, gpe",
    [
        ("plain", 0, 0, 0),
        ("unvoiced in a quarter", 0.25, 0.25, 0),
        ("too high in a half", 0, 0.5, 0.5),
        ("higher by 10 %", 0, 0, 0),
    ],
)
def test_errors_of_signals_are_those_put_in(signals, copy, vde, ffe, gpe):
    curves = pitch_pair(signals["plain"], signals[copy], RATE)
    # A change of voicing or pitch is smeared over some frames of 5 ms.
    assert voicing_errors(*curves).value == pytest.approx(vde, abs=0.03)
    assert frame_errors(*curves).value == pytest.approx(ffe, abs=0.04)
    assert gross_errors(*curves).value == pytest.approx(gpe, abs=0.04)


def test_known_curves_have_their_correlation():
    time = np.arange(int(1.6 * RATE)) / RATE
    curves = [150 + 40 * np.sin(5 * time), 220 + 40 * np.sin(5 * time + 1.0)]
    found = log_correlation(*pitch_pair(*(spoken(curve) for curve in curves), RATE))
    known = np.corrcoef(*(np.log(curve[::HOP]) for curve in curves))[0, 1]
    assert found == pytest.approx(known, abs=0.03)


def test_pyin_follows_a_known_curve_through_noise():
    curve = 150 + 40 * np.sin(5 * np.arange(int(1.6 * RATE)) / RATE)
    wav = spoken(curve)
    _, found = pitch_pair(wav, noisy(wav, 10), RATE, "pyin")
    voiced = found > 0
    np.testing.assert_allclose(found[voiced], curve[::HOP][voiced], rtol=0.05)
    # Dio hears a voice in hardly a frame of it.
    _, misled = pitch_pair(wav, noisy(wav, 10), RATE)
    assert voiced.mean() > 0.9 > 0.1 > (misled > 0).mean()


def test_other_rates_are_resampled(signals):
    import soxr

    pair = [soxr.resample(signals[name], RATE, 24000) for name in ("plain", "higher by 10 %")]
    assert frame_errors(*pitch_pair(*pair, 24000)).value == pytest.approx(0, abs=0.03)


def test_the_scorers_add_up_frames_and_share_one_analysis(signals):
    metrics = ("vde", "gpe", "ffe", "f0_correlation")
    scorers = make_scorers(ScorerOptions(metrics))
    assert len(scorers.scorers) == 1 and scorers.makers["ffe"].startswith("pyworld ")
    plain, wrong = signals["plain"], signals["too high in a half"]
    found = scorers(make_pair("u", plain, wrong, RATE))
    curves = pitch_pair(plain, wrong, RATE)
    assert found["ffe"] == frame_errors(*curves) and found["ffe"].whole == len(plain) // HOP
    assert found["f0_correlation"].value == pytest.approx(log_correlation(*curves))
    [scorer] = make_scorers(ScorerOptions(("vde",))).scorers
    assert scorer(make_pair("u", plain, wrong, RATE)).keys() == {"vde"}


@pytest.mark.parametrize(
    "method, maker", [("dio", "pyworld"), ("harvest", "pyworld"), ("pyin", "librosa")]
)
def test_the_tracker_is_asked_for_and_told(signals, method, maker):
    [scorer] = make_scorers(ScorerOptions(("ffe",), pitch=method)).scorers
    assert scorer.maker == f"{maker} {metadata.version(maker)} {method}"
    plain, wrong = signals["plain"], signals["too high in a half"]
    found = scorer(make_pair("u", plain, wrong, RATE))["ffe"]
    assert found == frame_errors(*pitch_pair(plain, wrong, RATE, method))
    # pYIN smears the change over its longer frames.
    assert found.value == pytest.approx(0.5, abs=0.06)


def test_a_delay_that_is_taken_away_is_no_error(signals):
    wav = noisy(signals["unvoiced in a quarter"], 40)
    late = np.pad(wav, (1600, 0))
    [scorer] = make_scorers(ScorerOptions(("vde",))).scorers
    late_found = scorer(make_pair("u", wav, late, RATE))["vde"].value
    found = scorer(make_pair("u", wav, late, RATE, Alignment(0.2)))["vde"].value
    assert found < 0.02 < 0.1 < late_found


def test_what_cannot_be_measured_has_a_reason(signals):
    wav = signals["plain"]
    with pytest.raises(CannotScore, match="decoded signal is silent"):
        pitch_pair(wav, 0 * wav, RATE)
    with pytest.raises(CannotScore, match="reference too short: 1000 samples, needs 1600"):
        pitch_pair(wav[:1000], wav[:1000], RATE)
    flat = np.full(20, 100.0)
    with pytest.raises(CannotScore, match="F0 of the reference does not change"):
        log_correlation(flat, flat)
    with pytest.raises(CannotScore, match="3 frames are voiced in both signals, needs 10"):
        log_correlation(flat, np.where(np.arange(20) < 3, 100.0, 0.0))
    click = np.zeros(RATE, np.float32)
    click[RATE // 2] = 0.5
    scorers = make_scorers(ScorerOptions(("vde", "gpe", "ffe", "f0_correlation")))
    found = scorers(make_pair("u", wav[:RATE], click, RATE))
    assert found["vde"].value > 0.9 and found["ffe"] == found["vde"]
    assert found["gpe"] == "no frame is voiced in both signals"
    assert found["f0_correlation"] == "0 frames are voiced in both signals, needs 10"
