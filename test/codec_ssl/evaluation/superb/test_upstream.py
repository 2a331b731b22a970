"""s3prl takes our encoders for upstreams: its own classes load them, and find the right frames."""

from pathlib import Path

import pytest
import torch
import toy_waves
import yaml

from codec_ssl.errors import ConfigError
from codec_ssl.evaluation.superb import upstream as upstreams
from codec_ssl.evaluation.superb.upstream import UpstreamExpert, register
from codec_ssl.features import hidden_states
from codec_ssl.features.waves import make_wave_encoder

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder with an experiment, its codec, and a YAML file that names both."""
    root = tmp_path_factory.mktemp("upstream")
    toy_waves.make_exp(root, toy_waves.make_codec(root / "codec"))
    content = {"encoder": "exp", "codec": "codec/toy.pth", "cache": str(root / "kept")}
    (root / "toy.yaml").write_text(yaml.safe_dump(content))
    return root


def wavs(*lengths):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(length, generator=generator).clamp(-1, 1) for length in lengths]


def test_s3prls_own_feature_extraction_gives_every_layer(made):
    from s3prl.nn import Featurizer, S3PRLUpstream

    register()
    upstream = S3PRLUpstream("codec_ssl_local", str(made / "toy.yaml")).eval()
    assert upstream.num_layers == 4
    assert set(upstream.hidden_sizes) == {32} and set(upstream.downsample_rates) == {320}
    rows = wavs(3000, 1600)
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    states, lens = upstream(padded, torch.tensor([3000, 1600]))
    encoder = make_wave_encoder(str(made / "exp"), codec=str(made / "codec" / "toy.pth"))
    for row, wav in enumerate(rows):
        expected, frames = encoder.encode(wav[None], torch.tensor([len(wav)]), [0, 1, 2, 3])
        for layer in range(4):
            assert lens[layer][row] == frames[0]
            torch.testing.assert_close(states[layer][row, : frames[0]], expected[layer][0])
    features, _ = Featurizer(upstream)(states, lens)
    torch.testing.assert_close(features, torch.stack(states).mean(0))


def test_s3prls_older_interface_takes_it_too(made):
    from s3prl.upstream.interfaces import Featurizer

    upstream = UpstreamExpert(str(made / "toy.yaml"))
    featurizer = Featurizer(upstream, "hidden_states", upstream_device="cpu")
    rows = wavs(3200, 1600)
    assert [len(row) for row in featurizer(rows, upstream(rows))] == [10, 5]


def test_torch_hub_loads_it_from_this_folder(made):
    upstream = torch.hub.load(
        str(ROOT), "codec_ssl_local", source="local", ckpt=str(made / "toy.yaml")
    )
    assert len(upstream(wavs(3000))["hidden_states"]) == 4


@pytest.mark.parametrize(
    ("rate", "hop", "stride"), [(16000, 320, 320), (24000, 320, 213), (44100, 512, 186)]
)
def test_frames_lie_where_s3prl_looks_for_them(rate, hop, stride, monkeypatch):
    """Frames that hold the time they are at: s3prl must find each at its own time."""
    clock = toy_waves.Windows(rate, hop)

    def encode(inputs, lens, layers):
        frames = torch.tensor([clock.frames_of(int(length)) for length in lens])
        seconds = (torch.arange(int(frames.max())) + 0.5) * hop / rate
        return {layer: seconds[None, :, None].repeat(len(lens), 1, 1) for layer in layers}, frames

    clock.encode = encode
    monkeypatch.setattr(hidden_states, "make_wave_encoder", lambda name: clock)
    upstream = UpstreamExpert("clock")
    assert upstream.get_downsample_rates("hidden_states") == stride
    lengths = [16000 * 31 + 7, 16000 * 7 + 11, 1]
    states = upstream([torch.zeros(length) for length in lengths])["hidden_states"]
    assert [tuple(state.shape) for state in states] == [(3, -(-lengths[0] // stride), 1)] * 2
    for row, length in zip(states[0][..., 0], lengths, strict=True):
        count = -(-length // stride)
        wanted = ((torch.arange(count) + 0.5) * stride / 16000).clamp_max(length / 16000)
        assert (row[:count] - wanted).abs().max() <= hop / rate
        assert not row[count:].any()


def test_a_wrong_name_or_two_are_refused(made):
    with pytest.raises(ConfigError, match="found none"):
        upstreams.codec_ssl_local("")
    with pytest.raises(ConfigError, match="expected ckpt or model_config"):
        upstreams.codec_ssl_local(str(made / "exp"), model_config=str(made / "toy.yaml"))
