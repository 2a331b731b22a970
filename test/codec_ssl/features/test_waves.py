"""Encoders for waveforms alone: models of codes behind the very codec they were trained with."""

import pytest
import torch
import toy_waves

from codec_ssl.codecs.base import load_codec
from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.features.baselines import LogMel
from codec_ssl.features.ours import load_encoder
from codec_ssl.features.waves import make_wave_encoder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder with ``exp``, and the codec that made its codes."""
    root = tmp_path_factory.mktemp("waves")
    codec_file = toy_waves.make_codec(root / "codec")
    toy_waves.make_exp(root, codec_file)
    return root, str(codec_file)


def batch():
    wavs = torch.randn(2, 3000, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    return wavs, torch.tensor([3000, 1600])


def test_a_model_of_codes_gets_those_of_its_codec(made):
    root, codec_file = made
    encoder = make_wave_encoder(str(root / "exp"), codec=codec_file)
    assert (encoder.sample_rate, encoder.frame_rate) == (16000, 50.0)
    assert (encoder.num_layers, encoder.width) == (3, 32)
    found, frames = encoder.encode(*batch(), [1, 3])
    assert frames.tolist() == [10, 5] == [encoder.frames_of(n) for n in (3000, 1600)]
    codes, lens = load_codec(codec_file).encode(*batch())
    expected, _ = load_encoder(root / "exp").encode(codes, lens, [1, 3])
    for layer in (1, 3):
        torch.testing.assert_close(found[layer][0], expected[layer][0])
        torch.testing.assert_close(found[layer][1, :5], expected[layer][1, :5])


def test_another_codec_is_refused(made, tmp_path):
    other = toy_waves.make_codec(tmp_path / "codec", seed=1)
    with pytest.raises(CheckpointError, match=r"trained with codes of toy .*found codec toy"):
        make_wave_encoder(str(made[0] / "exp"), codec=str(other))


def test_a_codec_that_cannot_be_found_by_its_name_is_asked_for(made):
    with pytest.raises(ConfigError, match=r"reads the codes of 'toy'.*--codec"):
        make_wave_encoder(str(made[0] / "exp"))


def test_fresh_weights_are_other_weights_of_the_same_shape(made):
    root, codec_file = made
    trained = make_wave_encoder(str(root / "exp"), codec=codec_file)
    fresh = make_wave_encoder(str(root / "exp"), codec=codec_file, untrained_seed=1)
    assert fresh.width == trained.width and fresh.fingerprint != trained.fingerprint


def test_the_latent_is_what_the_quantizer_gets(made):
    encoder = make_wave_encoder(f"latent:{made[1]}")
    found, frames = encoder.encode(*batch(), [0])
    expected, lens = load_codec(made[1]).latent(*batch())
    torch.testing.assert_close(found[0], expected)
    assert frames.tolist() == lens.tolist()
    with pytest.raises(ConfigError, match="found layer 1"):
        encoder.encode(*batch(), [1])


def test_log_mel_takes_the_rates_of_a_codec(made):
    encoder = make_wave_encoder("logmel", codec=made[1])
    assert isinstance(encoder, LogMel) and (encoder.sample_rate, encoder.frame_rate) == (16000, 50)


def test_layers_can_be_summed(made):
    encoder = make_wave_encoder(str(made[0] / "exp"), codec=made[1], layer_weights="0,0,1,0")
    plain = make_wave_encoder(str(made[0] / "exp"), codec=made[1])
    torch.testing.assert_close(
        encoder.encode(*batch(), [0])[0][0], plain.encode(*batch(), [2])[0][2]
    )


@pytest.mark.parametrize("asked", [{"untrained_seed": 0}, {"checkpoint": "best"}])
def test_only_experiments_have_checkpoints_and_fresh_weights(made, asked):
    for name in ("logmel", f"latent:{made[1]}", "hubert_base"):
        with pytest.raises(ConfigError, match="expected an experiment directory"):
            make_wave_encoder(name, codec=made[1], **asked)


def test_an_encoder_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match="nosuch"):
        make_wave_encoder("nosuch")
