"""Pitch and energy at the centres of frames, against signals whose pitch and energy are known."""

import numpy as np
import pytest

from codec_ssl.errors import ConfigError
from codec_ssl.tts.durations import FrameGrid
from codec_ssl.tts.prosody import METHODS, PitchOptions, continuous_log, energy, fundamental

RATE = 16000
CODEC, SPECTRUM = FrameGrid(RATE, 320, 160.0), FrameGrid(RATE, 256, 0.0)


def voice(f0):
    """Harmonics of a pitch that is given for each sample."""
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    return sum(np.sin(number * phase) / number for number in range(1, 9)) * 0.1


def glide(seconds=1.6, low=120.0, high=240.0):
    return np.linspace(low, high, int(seconds * RATE))


@pytest.mark.parametrize("grid", [CODEC, SPECTRUM])
@pytest.mark.parametrize("method", METHODS)
def test_a_glide_is_followed_at_the_centres_of_the_frames(grid, method):
    track = glide(0.8)
    num_frames = len(track) // grid.hop_length
    found = fundamental(voice(track), grid, num_frames, PitchOptions(method))
    assert found.shape == (num_frames,)
    truth = np.interp(grid.centres(num_frames), np.arange(len(track)) / RATE, track)
    inner = slice(4, -4)
    assert (found[inner] > 0).all()
    # It rises by 3 Hz a frame: half a frame beside its place would show.
    np.testing.assert_allclose(found[inner], truth[inner], rtol=0.01)
    assert abs(np.mean(found[inner] - truth[inner])) < 0.6


@pytest.mark.parametrize("method", METHODS)
def test_silence_has_no_pitch_and_short_audio_is_no_error(method):
    assert not fundamental(np.zeros(RATE), CODEC, 50, PitchOptions(method)).any()
    assert fundamental(np.ones(200) * 0.1, CODEC, 1, PitchOptions(method)).shape == (1,)


def test_too_little_audio_has_no_energy():
    assert energy(np.zeros(3), CODEC, 1).tolist() == [0.0]


def test_pitch_goes_on_through_unvoiced_stretches():
    found = continuous_log(np.array([0, 0, 100.0, 0, 0, 800.0, 0]))
    octave = np.log(2)
    expected = np.log(100) + octave * np.array([0, 0, 0, 1, 2, 3, 3])
    np.testing.assert_allclose(found, expected)
    assert np.isnan(continuous_log(np.zeros(4))).all()


def test_energy_is_that_of_espnet_but_for_a_constant():
    import torch
    from espnet2.tts.feats_extract.energy import Energy

    rng = np.random.default_rng(0)
    wav = rng.standard_normal(RATE) * np.linspace(0.01, 0.3, RATE)
    theirs = Energy(RATE, n_fft=800, hop_length=256, use_token_averaged_energy=False)(
        torch.from_numpy(wav)[None].float()
    )[0][0, :, 0].numpy()
    ours = energy(wav, SPECTRUM, len(theirs))
    ratio = theirs[4:-4] / ours[4:-4]
    assert ratio.std() / ratio.mean() < 0.01


def test_energy_of_a_burst_lies_in_its_frame():
    wav = np.zeros(RATE)
    wav[10 * 320 + 160] = 1.0
    assert energy(wav, CODEC, 50).argmax() == 10
    # The window is 50 ms: two frames further there is nothing.
    assert energy(wav, CODEC, 50)[[8, 12]].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("options", [{"method": "yin"}, {"f0_min": 400.0}, {"f0_min": 0.0}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ConfigError, match="pitch"):
        PitchOptions(**options)
