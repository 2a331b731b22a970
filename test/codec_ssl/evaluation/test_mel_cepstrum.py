"""Mel-cepstral distortion and F0 correlation against their definitions."""

import numpy as np
import pysptk
import pytest
import pyworld
from scipy.signal import firwin, lfilter
from voice import RATE, noisy, voice

from codec_ssl.evaluation import mel_cepstrum
from codec_ssl.evaluation.mel_cepstrum import Analysis, correlation, f0_correlation, mcd
from codec_ssl.evaluation.pair import CannotScore

WAV = voice(0.5)


def warped_cepstrum(envelope, order=39, warping=0.466):
    """By numerical integration over the warped frequency axis, without any recursion."""
    omega = np.linspace(0, np.pi, envelope.shape[1])
    # The phase of an all-pass filter is the warped frequency.
    warped = omega + 2 * np.arctan2(warping * np.sin(omega), 1 - warping * np.cos(omega))
    grid = np.linspace(0, np.pi, 20001)
    logs = np.stack([np.interp(grid, warped, row) for row in 0.5 * np.log(envelope)])
    cosines = np.cos(np.arange(order + 1)[:, None] * grid)
    found = np.trapezoid(logs[:, None] * cosines, grid, axis=2) / np.pi
    found[:, 1:] *= 2
    return found


def plain_mcd(reference, decoded):
    cepstra = []
    for wav in (reference, decoded):
        x = lfilter(firwin(255, 70 / 8000, pass_zero=False), 1, wav.astype(np.float64) * 32767)
        f0, times = pyworld.harvest(x, RATE, f0_floor=40, f0_ceil=800, frame_period=5)
        cepstra.append(warped_cepstrum(pyworld.cheaptrick(x, f0, times, RATE, fft_size=1024)))
    squares = np.square(cepstra[0] - cepstra[1]).sum(1)
    return (10 / np.log(10) * np.sqrt(2 * squares)).mean()


def test_distortion_is_its_formula_on_cepstra_by_integration():
    short = WAV[:4800]
    decoded = noisy(short, 15)
    assert mcd(short, decoded, RATE) == pytest.approx(plain_mcd(short, decoded), rel=0.01)


def test_cepstra_are_those_of_sptk():
    x = lfilter(firwin(255, 70 / 8000, pass_zero=False), 1, WAV.astype(np.float64) * 32767)
    f0, times = pyworld.harvest(x, RATE, f0_floor=40, f0_ceil=800, frame_period=5)
    envelope = pyworld.cheaptrick(x, f0, times, RATE, fft_size=1024)
    found = mel_cepstrum._analyze(WAV)
    np.testing.assert_allclose(found.cepstra, pysptk.sp2mc(envelope, 39, 0.466), atol=1e-10)
    np.testing.assert_array_equal(found.f0, f0)


def test_a_gain_moves_only_the_zeroth_coefficient():
    # 10 sqrt(2) / ln 10 times the change of log amplitude.
    expected = 10 * np.sqrt(2) / np.log(10) * np.log(2)
    assert mcd(WAV, 0.5 * WAV, RATE) == pytest.approx(expected, rel=0.01)


def test_a_copy_has_no_distortion_and_noise_has():
    assert mcd(WAV, WAV, RATE) == 0
    assert f0_correlation(WAV, WAV, RATE) == pytest.approx(1)
    assert 0 < mcd(WAV, noisy(WAV, 30), RATE) < mcd(WAV, noisy(WAV, 10), RATE)


def test_correlation_is_that_of_known_pitch_curves():
    time = np.arange(round(1.2 * RATE)) / RATE
    curves = [150 + 40 * np.sin(5 * time), 150 + 30 * np.sin(5 * time + 1.2)]
    pair = [mel_cepstrum._analyze(voice(1.2, seed=3, pitch=curve)) for curve in curves]
    frames = np.arange(len(pair[0].f0)) * 80
    inside = slice(20, -20)  # voiced throughout
    for analysis, curve in zip(pair, curves, strict=True):
        known = curve[np.minimum(frames - 127, len(curve) - 1)]  # behind the filter's 127 samples
        np.testing.assert_allclose(analysis.f0[inside], known[inside], rtol=0.03)
    trimmed = [Analysis(a.cepstra[inside], a.f0[inside]) for a in pair]
    known = np.corrcoef(*(curve[::80][inside] for curve in curves))[0, 1]
    assert correlation(*trimmed) == pytest.approx(known, abs=0.05)


def test_unvoiced_frames_count_as_zero():
    a = Analysis(np.zeros((4, 40)), np.array([100.0, 120, 0, 0]))
    b = Analysis(np.zeros((5, 40)), np.array([100.0, 120, 110, 0, 90]))
    assert correlation(a, b) == pytest.approx(np.corrcoef(a.f0, b.f0[:4])[0, 1])


def test_what_cannot_be_measured_has_a_reason():
    with pytest.raises(CannotScore, match="decoded signal is silent"):
        mcd(WAV, 0 * WAV, RATE)
    with pytest.raises(CannotScore, match="reference too short: 1000 samples, needs 1024"):
        mcd(WAV[:1000], WAV[:1000], RATE)
    noise = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    with pytest.raises(CannotScore, match="F0 of the decoded signal does not change"):
        unvoiced = Analysis(np.zeros((3, 40)), np.zeros(3))
        correlation(Analysis(np.zeros((3, 40)), np.array([1.0, 2, 3])), unvoiced)
    assert mcd(noise, noise, RATE) == 0
