"""Promises of the codec task: ESPnet's codec training, resumed exactly."""

import json
import signal
import socket
from pathlib import Path

import pytest
import torch
import yaml
from toy_codec import command, dying, make_audio, rank_of

from codec_ssl.errors import ConfigError, TrainingError
from codec_ssl.train.checkpoint import load_weights

pytestmark = pytest.mark.timeout(500)
SLOW = pytest.mark.slow

CONFIG = """
codec: soundstream
codec_conf:
  sampling_rate: 1000
  generator_params:
    hidden_dim: 8
    encdec_n_filters: 2
    encdec_ratios: [4, 4]
    encdec_lstm: 1
    encdec_activation_params: {alpha: 1.0}
    quantizer_n_q: 2
    quantizer_bins: 8
    quantizer_kmeans_init: true
    quantizer_kmeans_iters: 3
    quantizer_target_bandwidth: [0.19, 0.38]
  discriminator_params:
    scales: 1
    scale_discriminator_params:
      in_channels: 1
      out_channels: 1
      kernel_sizes: [15, 41, 5, 3]
      channels: 4
      max_downsample_channels: 8
      max_groups: 2
      bias: true
      downsample_scales: [4, 4, 1]
      nonlinear_activation: LeakyReLU
      nonlinear_activation_params: {negative_slope: 0.1}
    scale_follow_official_norm: false
    complexstft_discriminator_params:
      in_channels: 1
      channels: 2
      strides: [[1, 2], [2, 2]]
      chan_mults: [1, 2]
      n_fft: 64
      hop_length: 16
      win_length: 64
      stft_normalized: false
  mel_loss_params: {fs: 1000, range_start: 6, range_end: 7, window: hann, n_mels: 5, fmin: 0,
    fmax: null, log_base: null}
optim: adamw
optim_conf: {lr: 0.001}
optim2: adamw
optim2_conf: {lr: 0.001}
scheduler: exponentiallr
scheduler_conf: {gamma: 0.9}
chunk_length: 400
num_cache_chunks: 2
batch_size: 2
num_iters_per_epoch: 2
max_epoch: 3
use_tensorboard: false
"""


@pytest.fixture(scope="module")
def task():
    from codec_ssl.tasks.codec import CodecTask

    return CodecTask


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_audio(tmp_path_factory.mktemp("audio"), CONFIG)


def steps_an_epoch(folder: Path, epochs: int = 3) -> int:
    optimizers = torch.load(folder / "checkpoint.pth", weights_only=True)["optimizers"]
    return int(next(iter(optimizers[1]["state"].values()))["step"]) // epochs


@pytest.mark.parametrize(
    ("workers", "more"),
    [
        pytest.param(1, [], id="with a worker"),
        pytest.param(0, ["--generator_first", "true"], id="generator first", marks=SLOW),
        pytest.param(0, ["--skip_discriminator_prob", "0.3"], id="skipping", marks=SLOW),
        pytest.param(0, ["--codec_conf", "use_loss_balancer=true"], id="balancer", marks=SLOW),
    ],
)
def test_killed_and_resumed_equals_uninterrupted(
    tmp_path, task, data, forked, same_run, workers, more
):
    more = ["--num_workers", str(workers), *more]
    task.main(cmd=command(data, tmp_path / "whole", *more))
    cut = command(data, tmp_path / "cut", *more)
    step = 2 * steps_an_epoch(tmp_path / "whole")
    assert step > 3
    assert forked(dying, task, cut, step) == -signal.SIGKILL
    assert (tmp_path / "cut" / "1epoch.pth").exists()
    task.main(cmd=cut)
    same_run(tmp_path / "whole", tmp_path / "cut")


def test_weights_are_those_that_espnet_reads(tmp_path, task, data):
    from espnet2.tasks.gan_codec import GANCodecTask

    cmd = command(data, tmp_path, "--max_epoch", "1", "--codec_conf", "use_loss_balancer=true")
    task.main(cmd=cmd)
    model, _ = GANCodecTask.build_model_from_file(tmp_path / "config.yaml", tmp_path / "latest.pth")
    _, state = load_weights(tmp_path, "best")
    torch.testing.assert_close(model.state_dict(), state, rtol=0, atol=0)
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["codec"] == "soundstream"


DISCRIMINATORS = {
    "soundstream": None,
    "encodec": """{msstft_discriminator_params: {filters: 2, n_ffts: [64], hop_lengths: [16],
        win_lengths: [64]}}""",
    "dac": """{msmpmb_discriminator_params: {rates: [], sample_rate: 1000, fft_sizes: [64],
        periods: [2], period_discriminator_params: {in_channels: 1, out_channels: 1,
        kernel_sizes: [5, 3], channels: 2, downsample_scales: [3, 1], max_downsample_channels: 4,
        bias: true, nonlinear_activation: LeakyReLU, nonlinear_activation_params: {},
        use_weight_norm: true, use_spectral_norm: false}, band_discriminator_params:
        {hop_factor: 0.25, sample_rate: 1000, bands: [[0.0, 0.5], [0.5, 1.0]], channel: 2}}}""",
}


@pytest.mark.parametrize(
    ("kind", "width"),
    [
        ("soundstream", 8),
        pytest.param("encodec", 8, marks=SLOW),
        pytest.param("dac", 4, marks=SLOW),
    ],
)
def test_a_codec_of_any_kind_and_width_is_one_for_every_recipe(tmp_path, task, data, kind, width):
    from codec_ssl.codecs.base import load_codec

    options = [
        f"generator_params.codebook_dim={width}",
        "generator_params.quantizer_kmeans_iters=2",
    ]
    if (discriminator := DISCRIMINATORS[kind]) is not None:
        options.append(f"discriminator_params={discriminator}")
    if kind == "dac":
        options.append("generator_params.encdec_activation=Snake")
        options.append("generator_params.encdec_activation_params={}")
    more = [word for option in options for word in ("--codec_conf", option)]
    task.main(cmd=command(data, tmp_path, "--max_epoch", "1", "--codec", kind, *more))
    codec = load_codec(tmp_path)
    assert (codec.num_codebooks, codec.codebook_size, codec.latent_dim) == (2, 8, 8)
    assert any("project" in name for name in codec.state_dict()) == (width != 8)
    model, _ = task.build_model_from_file(tmp_path / "config.yaml", tmp_path / "latest.pth")
    wav = torch.randn(1, 500, generator=torch.Generator().manual_seed(0))
    theirs = model.eval().encode(wav)
    assert torch.equal(codec.encode(wav)[0], theirs.permute(1, 2, 0))


def test_usage_of_the_codebooks_is_reported_and_a_collapse_stops_the_run(tmp_path, task, data):
    task.main(cmd=command(data, tmp_path, "--codec_init", "scaled"))
    for epoch in json.loads((tmp_path / "history.json").read_text()):
        for phase in ("train", "valid"):
            assert 1 / 8 <= epoch[phase]["code_usage"] <= 1
    stopping = command(data, tmp_path / "b", "--alarm_conf", "code_usage=[1.1, 2]")
    with pytest.raises(TrainingError, match=r"code_usage was under 1\.1 in 2 epochs"):
        task.main(cmd=stopping)


def test_an_epoch_has_the_steps_that_were_asked_for(tmp_path, task, data):
    steps = ["--steps_per_epoch", "5", "--num_iters_per_epoch", "1", "--max_epoch", "1"]
    task.main(cmd=command(data, tmp_path, *steps))
    assert steps_an_epoch(tmp_path, epochs=1) == 5


def test_an_unknown_initialisation_is_named(tmp_path, task, data):
    (tmp_path / "odd.yaml").write_text(CONFIG + "codec_init: xavier\n")
    cmd = command(data, tmp_path)
    cmd[1] = str(tmp_path / "odd.yaml")
    with pytest.raises(ConfigError, match=r"codec_init is one of.*scaled.*'xavier'"):
        task.main(cmd=cmd)


@SLOW
@pytest.mark.parametrize("first", ["generator", "discriminator"])
def test_two_processes_hold_the_same_codec(tmp_path, task, data, in_parallel, first):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]

    more = f"""--generator_first {str(first == "generator").lower()}
        --codec_conf cache_generator_outputs=true"""
    cmd = command(data, tmp_path / "exp", *more.split())
    ranks = [rank_of(task, cmd, number, port, tmp_path) for number in (0, 1)]
    assert in_parallel(*ranks) == [0, 0]
    states = [torch.load(tmp_path / f"rank{n}.pth", weights_only=True) for n in (0, 1)]
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)
    assert all(
        states[0][f"codec.generator.quantizer.vq.layers.{n}._codebook.inited"] for n in (0, 1)
    )


def test_samples_per_second_are_logged(tmp_path, task, data, caplog):
    caplog.set_level("INFO")
    task.main(cmd=command(data, tmp_path, "--max_epoch", "1"))
    assert "samples/s" in caplog.text and "mel " in caplog.text


def test_skipping_with_several_processes_is_refused(tmp_path, task, data):
    args = task.get_parser().parse_args(command(data, tmp_path, "--skip_discriminator_prob", "0.5"))
    args.distributed = True
    with pytest.raises(ConfigError, match="skip_discriminator_prob must be 0"):
        task.check_options(args)


def test_audio_at_another_rate_than_the_codecs_is_refused(tmp_path, task, data):
    wrong = command(data, tmp_path, "--codec_conf", "sampling_rate=2000")
    with pytest.raises(ConfigError, match=r"audio_2000 for a codec of 2000 Hz.*found audio_1000"):
        task.main(cmd=wrong)


def test_a_second_rate_within_the_codecs_configuration_is_refused(task, data, tmp_path):
    options = command(data, tmp_path, "--codec_conf", "mel_loss_params.fs=2000")
    with pytest.raises(ConfigError, match=r"codec_conf\.mel_loss_params\.fs: expected 1000.*2000"):
        task.check_options(task.get_parser().parse_args(options))


def test_unused_parameters_belong_to_several_processes(tmp_path, task, data):
    args = task.get_parser().parse_args(command(data, tmp_path, "--unused_parameters", "false"))
    args.distributed = True
    with pytest.raises(ConfigError, match="unused_parameters must be true"):
        task.check_options(args)


def test_audio_shorter_than_a_chunk_is_named(tmp_path, task, data):
    with pytest.raises(TrainingError, match="too short"):
        task.main(cmd=command(data, tmp_path, "--chunk_length", "100000"))


def test_a_valid_set_that_fills_no_batch_is_named_with_what_helps(tmp_path, task, data):
    small = command(data, tmp_path, "--valid_batch_size", "100", "--max_epoch", "1")
    with pytest.raises(TrainingError, match=r"valid set fills not even one.*valid_batch_size to 1"):
        task.main(cmd=small)
