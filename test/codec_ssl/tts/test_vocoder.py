"""Waveforms of frames: a codec's own, Griffin-Lim, and a HiFi-GAN as ESPnet makes it."""

import sys

import numpy as np
import pytest
import torch
import toy_tts
import yaml
from espnet2.gan_tts.hifigan.hifigan import HiFiGANGenerator

from codec_ssl.codecs.base import load_codec
from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.features.vocoder_mel import MelConf, VocoderMel
from codec_ssl.tts.durations import FrameGrid
from codec_ssl.tts.prosody import PitchOptions, fundamental
from codec_ssl.tts.vocoder import CodecVoice, GriffinLim, NeuralVocoder, VoiceOptions, make_voice

CONF = MelConf(n_mels=20)
PARAMS = {
    "in_channels": 20,
    "channels": 16,
    "upsample_scales": [16, 16],
    "upsample_kernel_sizes": [32, 32],
    "resblock_kernel_sizes": [3],
    "resblock_dilations": [[1]],
}


@pytest.fixture(scope="module")
def codec_dir(tmp_path_factory):
    return toy_tts.make_codec(tmp_path_factory.mktemp("codec") / "exp")


def test_a_codec_speaks_each_utterance_as_alone(codec_dir):
    codec = load_codec(codec_dir)
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 16, (count, 4)) for count in (9, 4, 9, 1)]
    spoken = CodecVoice(codec).speak(frames)
    for codes, wav in zip(frames, spoken, strict=True):
        assert wav.shape == (320 * len(codes),)
        alone, _ = codec.decode(torch.from_numpy(codes)[None])
        np.testing.assert_allclose(wav, alone[0], atol=1e-5)


def test_griffin_lim_keeps_the_pitch_and_is_the_same_every_time():
    wav = toy_tts.sound("i", 12000, 1.0, None).astype(np.float32)
    conf = MelConf()
    spectrum = VocoderMel(conf).encode(torch.from_numpy(wav)[None], torch.tensor([12000]), [0])
    frames = [spectrum[0][0][0].numpy()]
    voice = GriffinLim(conf, 8)
    found, again = voice.speak(frames)[0], voice.speak(frames)[0]
    assert np.array_equal(found, again)
    assert len(voice.speak([frames[0][:1]])[0]) > 0
    grid = FrameGrid(16000, 320, 160.0)
    pitch = fundamental(found.astype(float), grid, 30, PitchOptions())
    assert np.median(pitch[pitch > 0]) == pytest.approx(200, rel=0.02)


@pytest.fixture
def hifigan(tmp_path):
    torch.manual_seed(0)
    net = HiFiGANGenerator(**PARAMS).eval()
    config = {"generator_type": "HiFiGANGenerator", "generator_params": PARAMS}
    config |= {"sampling_rate": 16000, "hop_size": 256, "num_mels": 20, "fmin": 80, "fmax": 7600}
    (tmp_path / "config.yml").write_text(yaml.safe_dump(config))
    torch.save({"model": {"generator": net.state_dict()}, "steps": 3}, tmp_path / "voc.pkl")
    return tmp_path, net


def test_a_hifigan_checkpoint_speaks_as_its_generator(hifigan):
    folder, net = hifigan
    stats = np.random.default_rng(0).uniform(0.5, 2.0, (2, 20)).astype(np.float32)
    spectrum = np.random.default_rng(1).normal(size=(7, 20)).astype(np.float32)
    plain = NeuralVocoder(folder / "voc.pkl", CONF).speak([spectrum])[0]
    np.save(folder / "stats.npy", stats)
    scaled = NeuralVocoder(folder / "voc.pkl", CONF).speak([spectrum])[0]
    with torch.no_grad():
        expected = net.inference(torch.from_numpy(spectrum))[:, 0]
        other = net.inference(torch.from_numpy((spectrum - stats[0]) / stats[1]))[:, 0]
    np.testing.assert_allclose(plain, expected, atol=1e-5)
    np.testing.assert_allclose(scaled, other, atol=1e-5)
    assert plain.shape == (7 * 256,)


def test_a_vocoder_of_other_spectra_or_weights_is_refused(hifigan):
    folder, _ = hifigan
    with pytest.raises(ConfigError, match=r"hop_size: expected 320.*--mel_conf hop_length=256"):
        NeuralVocoder(folder / "voc.pkl", MelConf(n_mels=20, hop_length=320))
    config = yaml.safe_load((folder / "config.yml").read_text())
    for name, value, message in (
        ("win_length", 800, r"expected 1024.*--mel_conf win_length=800"),
        ("window", "hamming", "expected 'hann'"),
        ("log_base", None, "expected 10.0"),
    ):
        (folder / "config.yml").write_text(yaml.safe_dump({**config, name: value}))
        with pytest.raises(ConfigError, match=f"{name}: {message}"):
            NeuralVocoder(folder / "voc.pkl", CONF)
    params = {"generator_params": {**PARAMS, "use_causal_conv": True}}
    (folder / "config.yml").write_text(yaml.safe_dump({**config, **params}))
    with pytest.raises(CheckpointError, match=r"generator_params: .*use_causal_conv"):
        NeuralVocoder(folder / "voc.pkl", CONF)
    (folder / "config.yml").write_text(yaml.safe_dump({**config, "win_length": None}))
    torch.save({"model": {"generator": {}}}, folder / "voc.pkl")
    with pytest.raises(CheckpointError, match="missing"):
        NeuralVocoder(folder / "voc.pkl", CONF)
    torch.save({"model": {}}, folder / "voc.pkl")
    with pytest.raises(CheckpointError, match=r"expected weights of model\.generator"):
        NeuralVocoder(folder / "voc.pkl", CONF)
    (folder / "config.yml").unlink()
    with pytest.raises(CheckpointError, match="configuration beside its checkpoint"):
        NeuralVocoder(folder / "voc.pkl", CONF)


def test_other_kinds_of_vocoders_are_loaded_by_espnet(hifigan, monkeypatch):
    folder, _ = hifigan
    config = yaml.safe_load((folder / "config.yml").read_text())
    (folder / "config.yml").write_text(yaml.safe_dump({**config, "generator_type": "MelGAN"}))
    monkeypatch.setitem(sys.modules, "parallel_wavegan", None)
    with pytest.raises(CheckpointError, match="needs the package parallel_wavegan"):
        NeuralVocoder(folder / "voc.pkl", CONF)

    class Vocoder(torch.nn.Module):
        def inference(self, spectrum, normalize_before):
            assert not normalize_before
            return spectrum.sum(1).repeat_interleave(256)

    package, utils = type(sys)("parallel_wavegan"), type(sys)("parallel_wavegan.utils")
    utils.load_model = lambda path, config: Vocoder()
    monkeypatch.setitem(sys.modules, "parallel_wavegan", package)
    monkeypatch.setitem(sys.modules, "parallel_wavegan.utils", utils)
    spectrum = np.ones((3, 20), np.float32)
    assert NeuralVocoder(folder / "voc.pkl", CONF).speak([spectrum])[0].tolist() == [20.0] * 768


def test_the_voice_is_that_of_the_frames(codec_dir, hifigan, tmp_path):
    codec = load_codec(codec_dir)
    made_by = {"codes": {"name": "exp", "maker": codec.fingerprint}}
    assert isinstance(make_voice(None, made_by, VoiceOptions(codec_dir)), CodecVoice)
    assert isinstance(make_voice(CONF, {}, VoiceOptions()), GriffinLim)
    options = VoiceOptions(vocoder=hifigan[0] / "voc.pkl")
    assert isinstance(make_voice(CONF, {}, options), NeuralVocoder)
    with pytest.raises(ConfigError, match="expected --codec"):
        make_voice(None, made_by, VoiceOptions())
    other = toy_tts.make_codec(tmp_path / "other", seed=1)
    with pytest.raises(CheckpointError, match="expected the codec that made the codes, exp"):
        make_voice(None, made_by, VoiceOptions(other))
