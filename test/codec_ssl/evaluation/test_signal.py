"""Measures against closed forms and against other implementations."""

import os
import subprocess
import sys

import librosa
import numpy as np
import pytest
import torch
from torch_stoi import NegSTOILoss
from voice import RATE, noisy, voice

from codec_ssl.evaluation import signal
from codec_ssl.evaluation.pair import CannotScore

WAV = voice(1.5)
ALL = ("ci_sdr", "si_sdr", "pesq", "stoi", "visqol", "mel_distance", "stft_distance")
COPY = {
    "ci_sdr": signal.MAX_RATIO,
    "si_sdr": signal.MAX_RATIO,
    # P.862.2 maps the best raw score, 4.5, to this.
    "pesq": 0.999 + 4 / (1 + np.exp(-1.3669 * 4.5 + 3.8224)),
    "stoi": 1.0,
    "visqol": 4.732,  # what Google's own prints for a file against itself
    "mel_distance": 0.0,
    "stft_distance": 0.0,
}


def measure(name, reference, decoded, rate=RATE):
    return getattr(signal, name)(reference, decoded, rate)


@pytest.mark.parametrize("name", ALL)
def test_a_copy_has_the_best_score(name):
    assert measure(name, WAV, WAV) == pytest.approx(COPY[name], abs=1e-3)


def test_visqol_leaves_pytorch_on_its_threads():
    """In a fresh process, as numba starts its threads once, where librosa has used it before."""
    script = (
        "import librosa, numpy as np, torch\n"
        "wav = np.random.default_rng(0).standard_normal(16000).astype('float32')\n"
        "librosa.feature.melspectrogram(y=wav)\n"
        "from codec_ssl.evaluation.signal import visqol\n"
        "print(visqol(wav, wav, 16000) > 4, torch.get_num_threads())"
    )
    env = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "2"}
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, env=env, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["True", "1"], done.stderr


@pytest.mark.parametrize("name", ALL)
def test_more_noise_is_never_better(name):
    scores = [measure(name, WAV, noisy(WAV, snr)) for snr in (40, 20, 5)]
    order = sorted(scores, reverse=not name.endswith("distance"))
    assert scores == order and scores[0] != scores[2]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("silent", ["reference", "decoded signal"])
def test_silence_has_no_score(name, silent):
    pair = (0 * WAV, WAV) if silent == "reference" else (WAV, 0 * WAV)
    with pytest.raises(CannotScore, match=f"{silent} is silent"):
        measure(name, *pair)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ALL)
def test_numbers_that_are_none_have_no_score(name, value):
    broken = WAV.copy()
    broken[8000] = value
    with pytest.raises(CannotScore, match="decoded signal holds NaN or infinity"):
        measure(name, WAV, broken)


@pytest.mark.parametrize("name", [n for n in ALL if n != "si_sdr"])
def test_a_clip_that_is_too_short_has_no_score(name):
    with pytest.raises(CannotScore, match=r"short|few|1/4 of a second|less than 30 frames"):
        measure(name, WAV[:900], WAV[:900])


@pytest.mark.parametrize("snr", [-10, 0, 12.5, 30])
def test_si_sdr_is_the_known_signal_to_noise_ratio(snr):
    assert signal.si_sdr(WAV, noisy(WAV, snr), RATE) == pytest.approx(snr, abs=1e-3)
    assert signal.si_sdr(WAV, 0.1 * noisy(WAV, snr), RATE) == pytest.approx(snr, abs=1e-3)


def plain_ci_sdr(reference, decoded, taps):
    """By least squares on every shift of the reference, written out."""
    x = reference.astype(np.float64)
    shifts = np.stack([np.pad(x, (lag, taps - 1 - lag)) for lag in range(taps)], axis=1)
    target = np.pad(decoded.astype(np.float64), (0, taps - 1))
    fitted = shifts @ np.linalg.lstsq(shifts, target, rcond=None)[0]
    return 10 * np.log10(np.square(fitted).sum() / np.square(fitted - target).sum())


def test_ci_sdr_is_the_best_filter_of_512_taps():
    reference = WAV[4000:6000]
    decoded = noisy(np.convolve(reference, [0.2, 0.7, -0.3])[:2000].astype(np.float32), 8)
    found = signal.ci_sdr(reference, decoded, RATE)
    assert found == pytest.approx(plain_ci_sdr(reference, decoded, 512), abs=1e-3)


def test_a_filter_and_a_short_delay_cost_si_sdr_but_not_ci_sdr():
    late = np.pad(WAV, (200, 0))[: len(WAV)]
    assert signal.si_sdr(WAV, late, RATE) < 10
    assert signal.ci_sdr(WAV, late, RATE) > 20
    assert signal.ci_sdr(WAV, np.pad(WAV, (2000, 0))[: len(WAV)], RATE) < 15


def test_clipping_costs_what_it_takes_away():
    clipped = np.clip(WAV, -0.1, 0.1)
    x, y = WAV.astype(np.float64), clipped.astype(np.float64)
    gain = (x @ y) / (x @ x)
    expected = 10 * np.log10(np.square(gain * x).sum() / np.square(y - gain * x).sum())
    assert signal.si_sdr(WAV, clipped, RATE) == pytest.approx(expected, abs=1e-6)
    assert signal.pesq(WAV, clipped, RATE) < 3
    assert signal.visqol(WAV, clipped, RATE) < 4


@pytest.mark.parametrize("name", ["pesq", "visqol", "stoi"])
def test_a_score_hardly_depends_on_the_rate_of_the_files(name):
    decoded = noisy(WAV, 15)
    up = [librosa.resample(wav, orig_sr=RATE, target_sr=32000) for wav in (WAV, decoded)]
    assert measure(name, *up, rate=32000) == pytest.approx(measure(name, WAV, decoded), abs=0.08)


def test_stoi_agrees_with_another_implementation():
    other = NegSTOILoss(sample_rate=RATE, use_vad=False)
    for snr in (20, 10, 0):
        decoded = noisy(WAV, snr)
        with torch.no_grad():
            expected = -float(other(torch.from_numpy(decoded), torch.from_numpy(WAV)))
        assert signal.stoi(WAV, decoded, RATE) == pytest.approx(expected, abs=0.02)


def spectra(wav, window, mels=None):
    found = np.abs(librosa.stft(wav, n_fft=window, hop_length=window // 4, pad_mode="reflect"))
    if mels is None:
        return found
    return librosa.filters.mel(sr=RATE, n_fft=window, n_mels=mels) @ found


def plain_distance(reference, decoded, mels):
    total = 0.0
    for window, count in zip((2048, 512), mels, strict=True):
        a, b = (spectra(wav, window, count) for wav in (reference, decoded))
        logs = [2 * np.log10(np.maximum(s, 1e-5)) for s in (a, b)]
        total += np.abs(a - b).mean() + np.abs(logs[0] - logs[1]).mean()
    return total


@pytest.mark.parametrize(
    ("name", "mels"), [("mel_distance", (150, 80)), ("stft_distance", (None, None))]
)
def test_spectral_distances_are_their_formula(name, mels):
    decoded = noisy(WAV, 10)
    expected = plain_distance(WAV, decoded, mels)
    assert measure(name, WAV, decoded) == pytest.approx(expected, rel=1e-3)


def test_a_louder_copy_is_as_far_as_its_gain_tells():
    noise = np.random.default_rng(0).standard_normal(RATE).astype(np.float32)  # no bin near 0
    level = sum(np.abs(spectra(noise, window)).mean() for window in (2048, 512))
    expected = 2 * 2 * np.log10(3) + (3 - 1) * level
    assert signal.stft_distance(noise, 3 * noise, RATE) == pytest.approx(expected, rel=1e-3)


def test_pesq_of_many_bursts_ends_and_is_the_mean_over_pieces():
    # The library's own code does not come back from so many.
    random = np.random.default_rng(0)
    bursts = np.tile(np.repeat([1.0, 0.0], 6400), 55)  # 0.4 s each, 44 s
    reference = (0.1 * bursts * random.standard_normal(len(bursts))).astype(np.float32)
    decoded = (reference + 0.01 * random.standard_normal(len(bursts))).astype(np.float32)
    thirds = zip(np.array_split(reference, 3), np.array_split(decoded, 3), strict=True)
    expected = np.mean([signal.pesq(*piece, RATE) for piece in thirds])
    assert signal.pesq(reference, decoded, RATE) == pytest.approx(expected, abs=1e-6)
    # A piece without speech is left out.
    silence = np.zeros(20 * RATE, np.float32)
    padded = [np.concatenate([wav[: 20 * RATE], silence]) for wav in (reference, decoded)]
    alone = signal.pesq(reference[: 20 * RATE], decoded[: 20 * RATE], RATE)
    assert signal.pesq(*padded, RATE) == pytest.approx(alone, abs=1e-6)
    with pytest.raises(CannotScore, match="decoded signal, in a part, is silent"):
        signal.pesq(
            reference, np.concatenate([decoded[: 20 * RATE], 0 * decoded[20 * RATE :]]), RATE
        )
