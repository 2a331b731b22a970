"""Mixtures against numpy and scipy, as they are read back from files."""

import numpy as np
import pytest
import soundfile
from scipy import signal

from codec_ssl.data.mixing import is_silent, mix, reverberate
from codec_ssl.data.wav_file import write_flac
from codec_ssl.errors import ConfigError

RNG = np.random.default_rng(0)
SPEECH = 0.1 * RNG.standard_normal(8000).astype(np.float32)
NOISE = RNG.uniform(-1, 1, 8000).astype(np.float32)


def ratio(part, rest):
    return 10 * np.log10(np.sum(part**2) / np.sum(rest**2))


@pytest.mark.parametrize("level", [1.0, 1e-3, 9.0])
@pytest.mark.parametrize("snr", [-20, -2.5, 0, 10, 40])
def test_the_ratio_is_exact_in_the_file(tmp_path, snr, level):
    speech = level * SPEECH
    mixture = mix(speech, NOISE, snr)
    write_flac(tmp_path / "a folder" / "m.flac", mixture.samples, 16000)
    written, rate = soundfile.read(tmp_path / "a folder" / "m.flac")
    clean = mixture.speech_gain * speech.astype(np.float64)
    assert rate == 16000 and len(written) == len(SPEECH)
    assert ratio(clean, written - clean) == pytest.approx(snr, abs=0.005)
    assert ratio(clean, written - clean) == pytest.approx(mixture.snr, abs=1e-9)
    np.testing.assert_allclose(written - clean, mixture.noise_gain * NOISE, atol=2**-15)


def test_speech_keeps_its_level_unless_the_sum_would_clip():
    assert mix(SPEECH, NOISE, 0).speech_gain == 1
    loud = mix(9 * SPEECH, NOISE, -20)
    assert loud.speech_gain < 1
    assert np.abs(loud.samples).max() == pytest.approx(0.99 * 32768, abs=1)


def test_faint_noise_takes_24_bits_and_other_noise_16():
    assert mix(SPEECH, NOISE, 20).samples.dtype == np.int16
    assert mix(1e-3 * SPEECH, NOISE, 20).samples.dtype == np.int32


def test_a_room_is_scipys_convolution_from_the_direct_sound_on():
    response = RNG.standard_normal(300) * np.exp(-np.arange(300) / 40)
    response[7] = 5.0
    heard = reverberate(SPEECH, response)
    expected = signal.convolve(SPEECH.astype(float), response, method="direct")[7 : 7 + len(SPEECH)]
    scale = np.linalg.norm(SPEECH) / np.linalg.norm(expected)
    np.testing.assert_allclose(heard, scale * expected, atol=1e-7)
    np.testing.assert_allclose(reverberate(SPEECH, np.float32([0, 0, -2])), -SPEECH, atol=1e-9)


def test_silence_is_what_16_bits_cannot_hold():
    assert is_silent(np.zeros(5)) and is_silent(np.full(5, 1e-5))
    assert not is_silent(np.full(5, 2.0**-14))


@pytest.mark.parametrize("snr", [float("nan"), float("inf"), 101, -200])
def test_ratios_that_cannot_be_made_are_errors(snr):
    with pytest.raises(ConfigError, match="from -100 to 100 dB"):
        mix(SPEECH, NOISE, snr)
