"""Any encoder as a frontend of ESPnet's models: frozen, its layers summed by learnt weights."""

import pytest
import torch
import toy_waves

from codec_ssl.asr.fit import UPSTREAM, frontend_frames
from codec_ssl.features.waves import make_wave_encoder
from codec_ssl.frontend.upstream import UpstreamFrontend


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("frontend")
    toy_waves.make_exp(root, toy_waves.make_codec(root / "codec"))
    return root


@pytest.fixture
def conf(made, tmp_path):
    return {
        "encoder": str(made / "exp"),
        "codec": str(made / "codec" / "toy.pth"),
        "cache": str(tmp_path / "kept"),
    }


def batch():
    wavs = torch.randn(2, 3000, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    return wavs, torch.tensor([3000, 1600])


def test_it_starts_as_the_mean_of_all_layers(conf):
    frontend = UpstreamFrontend(**conf)
    features, lens = frontend(*batch())
    encoder = make_wave_encoder(conf["encoder"], codec=conf["codec"])
    layers, _ = encoder.encode(*batch(), [0, 1, 2, 3])
    expected = torch.stack(list(layers.values())).mean(0)
    assert frontend.output_size() == 32 and lens.tolist() == [10, 5]
    torch.testing.assert_close(features[0], expected[0])
    torch.testing.assert_close(features[1, :5], expected[1, :5])
    assert not features[1, 5:].any()


def test_the_weights_of_layers_are_all_that_learns(conf):
    frontend = UpstreamFrontend(**conf)
    assert [name for name, _ in frontend.named_parameters()] == ["sum.weights"]
    frontend(*batch())[0].square().sum().backward()
    assert frontend.sum.weights.grad.abs().min() > 0


@pytest.mark.parametrize("fs", [16000, 22050])
def test_frames_are_known_before_anything_is_encoded(conf, fs):
    frontend = UpstreamFrontend(**conf, fs=fs)
    for length in (1, 3000, 3201, 7777):
        _, lens = frontend(torch.zeros(1, length), torch.tensor([length]))
        assert frontend_frames(length, UPSTREAM, {**conf, "fs": fs}) == int(lens)


def test_espnets_asr_task_builds_a_model_on_it(conf, tmp_path):
    from espnet2.tasks.asr import ASRTask

    import codec_ssl.tasks.codec_asr  # noqa: F401  adds to ESPnet's choices

    tokens = tmp_path / "tokens"
    tokens.write_text("<blank>\n<unk>\na\nb\n<sos/eos>\n")
    args = ASRTask.get_parser().parse_args(
        [
            *("--frontend", "codec_ssl_upstream", "--token_list", str(tokens)),
            *("--encoder", "rnn", "--encoder_conf", "hidden_size=8", "--normalize", "null"),
            *("--decoder", "rnn", "--ctc_conf", "reduce=true", "--model_conf", "ctc_weight=1.0"),
            *(
                part
                for name, value in conf.items()
                for part in ("--frontend_conf", f"{name}={value}")
            ),
        ]
    )
    args.token_type = "char"
    model = ASRTask.build_model(args)
    wavs, lens = batch()
    text, text_lens = torch.tensor([[2, 3, 2], [3, -1, -1]]), torch.tensor([3, 1])
    loss, *_ = model(speech=wavs, speech_lengths=lens, text=text, text_lengths=text_lens)
    loss.backward()
    assert torch.isfinite(loss) and model.frontend.sum.weights.grad.abs().sum() > 0
