"""Spectra for vocoders are ESPnet's, alone and in any batch."""

import numpy as np
import pytest
import torch
from espnet2.tts.feats_extract.log_mel_fbank import LogMelFbank

from codec_ssl.errors import ConfigError
from codec_ssl.features.vocoder_mel import MelConf, VocoderMel

CONF = MelConf(sample_rate=22050, n_fft=1024, hop_length=256, n_mels=40)


def test_an_utterance_in_a_batch_is_espnets_spectrum_of_it_alone():
    encoder = VocoderMel(CONF)
    theirs = LogMelFbank(fs=22050, n_fft=1024, hop_length=256, n_mels=40, fmin=80, fmax=7600)
    wavs = [torch.randn(n) * 0.1 for n in (5000, 2311, 513)]
    lens = torch.tensor([len(wav) for wav in wavs])
    batch = torch.nn.utils.rnn.pad_sequence(wavs, batch_first=True)
    found, counts = encoder.encode(batch, lens, [0])
    for row, wav, count in zip(found[0], wavs, counts.tolist(), strict=True):
        expected = theirs(wav[None])[0][0]
        assert count == len(expected) == encoder.frames_of(len(wav))
        torch.testing.assert_close(row[:count], expected)


def test_frames_and_samples_fit_and_short_audio_has_none():
    encoder = VocoderMel(CONF)
    assert encoder.frames_of(512) == 0
    for frames in range(3, 20):
        samples = encoder.samples_for(frames)
        assert encoder.frames_of(samples) == frames and encoder.frames_of(samples - 1) < frames


def test_a_window_may_be_shorter_than_the_transform():
    theirs = LogMelFbank(fs=16000, n_fft=1024, win_length=800, hop_length=256)
    wav = torch.randn(1, 5000)
    found, _ = VocoderMel(MelConf(win_length=800)).encode(wav, torch.tensor([5000]), [0])
    torch.testing.assert_close(found[0][0], theirs(wav)[0][0])
    assert not torch.allclose(found[0], VocoderMel(MelConf()).encode(wav, [5000], [0])[0][0])


@pytest.mark.parametrize(
    "options", [{"hop_length": 0}, {"fmax": 9000}, {"fmin": 7600}, {"win_length": 2000}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ConfigError, match="mel_conf: expected positive numbers"):
        MelConf(**options)


def test_other_options_have_another_fingerprint():
    prints = {VocoderMel(MelConf(fmax=fmax)).fingerprint for fmax in (7000, 7600)}
    assert len(prints) == 2 and np.isclose(VocoderMel(MelConf()).frame_rate, 62.5)
