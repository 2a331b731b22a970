"""The mel encoder of Codec-ASR's codec: librosa's bands, and groups of bands that don't mix."""

import librosa
import numpy as np
import pytest
import torch

from codec_ssl.codecs.mel import DEFAULTS, MelEncoder, MelGenerator
from codec_ssl.errors import ConfigError

SMALL = {"encoder_blocks": 2, "encoder_width": 4, "encoder_filters": 8, "decoder_channels": 16}


def test_spectra_are_librosas_bands_of_windows_centred_on_the_frames(make_signal):
    encoder = MelEncoder(DEFAULTS | SMALL, 16000)
    wav = make_signal(5001)
    # A window of 1024 samples is centred on a frame of 200 if it begins 412 before it.
    padded = np.pad(wav, (412, 2000))
    windows = np.stack([padded[t * 200 : t * 200 + 1024] for t in range(26)])
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024)
    bank = librosa.filters.mel(sr=16000, n_fft=1024, n_mels=80)
    expected = np.log(bank @ np.abs(np.fft.rfft(windows * hann)).T + 1.0)
    found = encoder.spectrum(torch.from_numpy(wav)[None, None])[0]
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_each_group_of_bands_has_its_own_share_of_the_latent():
    torch.manual_seed(0)
    encoder = MelEncoder(DEFAULTS | SMALL, 16000).eval()
    spectrum = torch.randn(1, 80, 9)
    changed = spectrum.clone()
    changed[:, 30:40] += 1.0
    with torch.no_grad():
        differs = (encoder.network(spectrum) != encoder.network(changed)).any(2)[0]
    assert differs.nonzero().flatten().tolist() == [12, 13, 14, 15]


def test_one_group_is_a_full_band_encoder():
    torch.manual_seed(0)
    encoder = MelEncoder(DEFAULTS | SMALL | {"band_groups": 1}, 16000).eval()
    spectrum = torch.randn(1, 80, 9)
    changed = spectrum.clone()
    changed[:, 79] += 1.0
    with torch.no_grad():
        assert (encoder.network(spectrum) != encoder.network(changed)).any(2).all()


def test_the_papers_encoder_has_eight_of_the_stated_parts():
    encoder = MelEncoder(DEFAULTS, 16000)
    convs = [module for module in encoder.modules() if isinstance(module, torch.nn.Conv1d)]
    assert [(c.in_channels // 8, c.out_channels // 8, c.groups) for c in convs] == [
        (10, 128, 8),
        *[(128, 256, 8), (256, 128, 8)] * 6,
        (128, 4, 8),
    ]


def test_as_many_samples_come_out_as_frames_hold():
    torch.manual_seed(0)
    generator = MelGenerator(DEFAULTS | SMALL, 16000).eval()
    with torch.no_grad():
        latent = generator.encoder(torch.randn(1, 1, 1999))
        assert latent.shape == (1, 32, 10)
        assert generator.decoder(latent).shape == (1, 1, 2000)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"band_groups": 3}, "multiples of band_groups 3"),
        ({"hidden_dim": 36}, "multiples of band_groups 8, found 80 and 36"),
        ({"hop_length": 320}, "whose product is hop_length 320"),
    ],
)
def test_parts_that_do_not_fit_are_named(wrong, message):
    with pytest.raises(ConfigError, match=message):
        MelGenerator(DEFAULTS | SMALL | wrong, 16000)
