"""Codecs from ESPnet's codec experiments."""

import inspect

import pytest
import torch
import yaml

from codec_ssl.codecs.base import load_codec
from codec_ssl.codecs.generators import Generator
from codec_ssl.errors import CodecError

PARAMS = {
    "hidden_dim": 16,
    "encdec_n_filters": 4,
    "encdec_lstm": 1,
    "quantizer_n_q": 4,
    "quantizer_bins": 32,
    "quantizer_target_bandwidth": [0.25, 0.75],
}


def write_exp(path, state, params=PARAMS, kind="soundstream"):
    path.mkdir()
    config = {
        "codec": kind,
        "codec_conf": {"sampling_rate": 16000, "generator_params": params},
        "best_model_criterion": [["valid", "mel_loss", "min"]],
    }
    (path / "config.yaml").write_text(yaml.safe_dump(config))
    torch.save({f"codec.generator.{k}": v for k, v in state.items()}, path / "latest.pth")
    return path


def fill(generator):
    torch.manual_seed(1)
    for layer in generator.quantizer.vq.layers:
        layer._codebook.embed.normal_(0, 0.1)
    return generator.eval()


@pytest.fixture
def exp_dir(tmp_path):
    torch.manual_seed(0)
    return write_exp(tmp_path / "codec_exp", fill(Generator("soundstream", PARAMS)).state_dict())


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["soundstream", "dac"])
def test_codes_equal_espnets_own(tmp_path, make_signal, kind):
    if kind == "soundstream":
        from espnet2.gan_codec.soundstream.soundstream import SoundStreamGenerator as Theirs
    else:
        from espnet2.gan_codec.dac.dac import DACGenerator as Theirs
    torch.manual_seed(0)
    params = dict(PARAMS)
    if kind == "dac":
        params |= {"codebook_dim": 8}
    theirs = fill(Theirs(sample_rate=16000, **params))
    codec = load_codec(write_exp(tmp_path / "exp", theirs.state_dict(), params, kind))
    # 0.75 kbps at 50 Hz and 5 bits a codebook: the largest bandwidth trained three of four.
    assert (codec.num_codebooks, codec.frame_rate) == (3, 50)
    for length in (100, 5000, 12_345):
        wav = torch.from_numpy(make_signal(length))[None]
        with torch.no_grad():
            expected = theirs.encode(wav[:, None])
            latent = theirs.quantizer.decode(expected).transpose(1, 2)
            resynthesis = theirs.decode(expected)[:, 0]
        codes, _ = codec.encode(wav)
        assert torch.equal(codes, expected.permute(1, 2, 0))
        torch.testing.assert_close(codec.dequantize(codes), latent)
        torch.testing.assert_close(codec.decode(codes)[0], resynthesis)


@pytest.mark.slow
def test_defaults_are_those_of_espnets_constructors():
    from espnet2.gan_codec.dac.dac import DACGenerator
    from espnet2.gan_codec.shared.quantizer.residual_vq import ResidualVectorQuantizer
    from espnet2.gan_codec.soundstream.soundstream import SoundStreamGenerator

    for kind, theirs in (("soundstream", SoundStreamGenerator), ("dac", DACGenerator)):
        defaults = inspect.signature(theirs).parameters
        for name, value in Generator(kind, {}).conf.items():
            if (kind, name) == ("soundstream", "codebook_dim"):
                # ESPnet's class leaves it to the quantizer's own default.
                assert value == inspect.signature(ResidualVectorQuantizer).parameters[name].default
            else:
                assert value == defaults[name].default, (kind, name)


def test_best_weights_come_before_the_latest(exp_dir):
    latest = load_codec(exp_dir)
    other = Generator("soundstream", PARAMS)
    torch.manual_seed(7)
    state = {f"codec.generator.{k}": v for k, v in fill(other).state_dict().items()}
    torch.save(state, exp_dir / "valid.mel_loss.best.pth")
    assert load_codec(exp_dir).fingerprint != latest.fingerprint
    assert load_codec(exp_dir / "latest.pth").fingerprint == latest.fingerprint


def test_same_codes_alone_and_batched(exp_dir, make_signal):
    codec = load_codec(exp_dir)
    wavs = [torch.from_numpy(make_signal(n, n)) for n in (1, 321, 4000, 9999)]
    batch = torch.nn.utils.rnn.pad_sequence(wavs, batch_first=True)
    codes, lens = codec.encode(batch, torch.tensor([len(w) for w in wavs]))
    for wav, row, length in zip(wavs, codes, lens, strict=True):
        assert torch.equal(codec.encode(wav[None])[0][0], row[:length])


def test_keys_must_match_exactly(exp_dir):
    state = torch.load(exp_dir / "latest.pth", weights_only=True)
    state["codec.generator.encoder.extra"] = torch.zeros(1)
    torch.save(state, exp_dir / "latest.pth")
    with pytest.raises(CodecError, match=r"encoder\.extra"):
        load_codec(exp_dir)


def test_a_codebook_that_training_did_not_reach_is_refused(tmp_path):
    untrained = Generator("soundstream", PARAMS).state_dict()
    with pytest.raises(CodecError, match="never trained"):
        load_codec(write_exp(tmp_path / "exp", untrained))


def test_whole_file_normalisation_is_refused(tmp_path):
    params = PARAMS | {"encdec_norm": "time_group_norm"}
    with pytest.raises(CodecError, match="whole file"):
        load_codec(write_exp(tmp_path / "exp", {}, params))


def test_other_codecs_and_folders_are_refused(tmp_path):
    with pytest.raises(CodecError, match="'funcodec' is not supported"):
        load_codec(write_exp(tmp_path / "exp", {}, kind="funcodec"))
    with pytest.raises(CodecError, match="is no codec"):
        load_codec(tmp_path)
