"""Codec-ASR's four codecs: trained by the command, loaded, coding alone as in a batch."""

import json
import signal
import socket
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from toy_codec import command, dying, make_audio, rank_of

from codec_ssl.codecs.base import load_codec
from codec_ssl.errors import CodecError, ConfigError

pytestmark = pytest.mark.timeout(900)
SLOW = pytest.mark.slow
KINDS = ["td_rvq", "td_fsq", "mel_rvq", "mel_fsq"]

TRAINING = {
    "codec_init": "scaled",
    "optim": "adamw",
    "optim_conf": {"lr": 0.001},
    "optim2": "adamw",
    "optim2_conf": {"lr": 0.001},
    "generator_first": True,
    "chunk_length": 410,
    "num_cache_chunks": 2,
    "batch_size": 2,
    "num_iters_per_epoch": 2,
    "max_epoch": 2,
    "num_workers": 0,
    "use_tensorboard": False,
}
CODERS = {
    "td": {"encdec_n_filters": 2, "encdec_ratios": [5, 4], "encdec_lstm": 1},
    "mel": {
        "hop_length": 20,
        "window_length": 80,
        "n_mels": 8,
        "mel_guard": 0.01,
        "band_groups": 2,
        "encoder_blocks": 1,
        "encoder_width": 4,
        "encoder_filters": 8,
        "decoder_channels": 8,
        "decoder_upsample_scales": [5, 4],
        "decoder_resblock_kernel_sizes": [3],
        "decoder_resblock_dilations": [[1, 3]],
    },
}
QUANTIZERS = {
    "rvq": {
        "hidden_dim": 8,
        "quantizer": "rvq",
        "quantizer_n_q": 2,
        "quantizer_bins": 8,
        "quantizer_kmeans_iters": 3,
    },
    "fsq": {
        "hidden_dim": 4,
        "quantizer": "fsq",
        "quantizer_n_q": 2,
        "quantizer_levels": [4, 3],
        "quantizer_standardize": True,
    },
}
STFT = {"filters": 2, "n_ffts": [64], "hop_lengths": [16], "win_lengths": [64], "dilations": [1]}
PERIOD = {
    "periods": [3],
    "discriminator_params": {
        "channels": 2,
        "downsample_scales": [3, 1],
        "max_downsample_channels": 4,
    },
}


def config(kind: str) -> str:
    coder, quantizer = kind.split("_")
    conf = {
        "sampling_rate": 1000,
        "generator_params": CODERS[coder] | QUANTIZERS[quantizer],
        "discriminator_params": {"stft": STFT, "period": PERIOD if coder == "mel" else None},
        "discriminator_updates": [2, 3],
        "mel_loss_params": {"n_ffts": [64, 128], "n_mels": 5},
        "stft_loss_params": {"n_ffts": [64]},
        "lambda_stft": 1.0 if coder == "mel" else 0.0,
        "lambda_reconstruct": 0.1,
    }
    return yaml.safe_dump({"codec": f"{coder}_nac", "codec_conf": conf, **TRAINING})


@pytest.fixture(scope="module")
def task():
    from codec_ssl.tasks.codec import CodecTask

    return CodecTask


@pytest.fixture(scope="module", params=KINDS)
def trained(request, tmp_path_factory, call) -> tuple[str, Path, Path]:
    """A codec's kind, its data and its experiment, trained by the command."""
    from codec_ssl.bin import codec_train

    data = make_audio(tmp_path_factory.mktemp("audio"), config(request.param))
    exp = tmp_path_factory.mktemp("exp") / request.param
    call(codec_train, *command(data, exp))
    return request.param, data, exp


@pytest.fixture
def wavs() -> list[torch.Tensor]:
    """Signals shorter than a frame, of whole frames, and of no particular length."""
    random = torch.Generator().manual_seed(0)
    return [0.3 * torch.randn(n, generator=random) for n in (1, 19, 20, 21, 333, 1000)]


def test_all_losses_and_the_use_of_the_codes_are_reported(trained):
    kind, _, exp = trained
    losses = ["loss", "adv_loss", "feat_match_loss", "commit_loss", "reconstruct_loss"]
    losses += ["mel_l1_loss", "mel_l2_loss", "mel_loss", "discriminator_loss"]
    if kind.startswith("mel"):
        losses.append("stft_loss")
    for epoch in json.loads((exp / "history.json").read_text()):
        assert all(np.isfinite(epoch["train"][name]) for name in losses)
        assert epoch["train"]["commit_loss"] > 0
        for phase in ("train", "valid"):
            assert 1 / 12 <= epoch[phase]["code_usage"] <= 1
    assert not (exp / "bad_batches").exists()


def test_a_trained_codec_loads_with_its_sizes_and_codes_as_the_training_does(trained, task, wavs):
    kind, _, exp = trained
    codec = load_codec(exp)
    assert (codec.sample_rate, codec.hop_length, codec.frame_rate) == (1000, 20, 50)
    books, width = (8, 8) if kind.endswith("rvq") else (12, 4)
    assert (codec.num_codebooks, codec.codebook_size, codec.latent_dim) == (2, books, width)
    model, _ = task.build_model_from_file(exp / "config.yaml", exp / "valid.mel_loss.best.pth")
    model.eval()
    wav = wavs[-1][None]
    with torch.no_grad():
        theirs = model.encode(wav)
        assert torch.equal(codec.encode(wav)[0], theirs.permute(1, 2, 0))
        torch.testing.assert_close(
            codec.decode(codec.encode(wav)[0])[0], model.decode(theirs)[:, 0]
        )
    assert model.meta_info() == {
        "fs": 1000,
        "num_streams": 2,
        "frame_shift": 20,
        "code_size_per_stream": [books] * 2,
    }


def test_same_codes_alone_batched_and_chunked(trained, wavs):
    codec = load_codec(trained[2])
    batch = torch.nn.utils.rnn.pad_sequence(wavs, batch_first=True)
    batch[0, 1:] = 7.0  # rubbish behind the end must not be read
    codes, lens = codec.encode(batch, torch.tensor([len(wav) for wav in wavs]))
    latents, _ = codec.latent(batch, torch.tensor([len(wav) for wav in wavs]))
    for wav, row, latent, length in zip(wavs, codes, latents, lens, strict=True):
        alone = codec.encode(wav[None])[0][0]
        assert length == -(-len(wav) // 20)
        torch.testing.assert_close(
            latent[:length], codec.latent(wav[None])[0][0], rtol=1e-4, atol=1e-5
        )
        assert torch.equal(row[:length], alone)
        pieces = [piece.numpy() for piece in wav.split(97)]
        assert torch.equal(torch.cat(list(codec.encode_stream(pieces, 0.2))), alone)


def test_codebook_vectors_add_up_to_the_quantized_latent(trained, wavs):
    codec = load_codec(trained[2])
    latent, _ = codec.latent(wavs[-1][None])
    codes = codec.quantize(latent)
    quantizer = codec.model.quantizer
    if trained[0].endswith("fsq"):
        expected = quantizer(latent.transpose(1, 2))[0].detach()
    else:
        expected = quantizer(latent.transpose(1, 2), 50)[0]
    vectors = codec.codebook_vectors()
    total = sum(vectors[q][codes[..., q]] for q in range(2))
    torch.testing.assert_close(total, expected.transpose(1, 2))
    torch.testing.assert_close(codec.dequantize(codes), total)
    decoded, lens = codec.decode(codes)
    assert decoded.shape == (1, 1000) and lens.tolist() == [1000]


def test_codes_go_to_a_store_whose_codebook_a_frontend_reads(trained, tmp_path):
    from codec_ssl.codecs.extract import CODEBOOK_NAME, extract_codes, finalize_codes
    from codec_ssl.data.data_dir import DataDir
    from codec_ssl.frontend.codebook import read_codebook
    from codec_ssl.tokens.stats import store_stats

    kind, data, exp = trained
    codec, valid = load_codec(exp), DataDir(data / "valid")
    extract_codes(codec, valid, tmp_path / "store")
    store = finalize_codes(codec, valid, tmp_path / "store")
    size = 8 if kind.endswith("rvq") else 12
    assert store.meta.sizes == [size] * 2 and len(store[valid.utt_ids[0]]) == 50
    assert store_stats(store).nominal_bitrate == pytest.approx(2 * np.log2(size) * 0.05)
    vectors = read_codebook(tmp_path / "store" / CODEBOOK_NAME)
    assert torch.equal(vectors, codec.codebook_vectors())


def test_discriminators_learn_in_two_steps_of_three_and_are_untouched_in_the_third(tmp_path, task):
    data = make_audio(tmp_path, config("td_fsq"))
    states = []
    turn = task.trainer.train_one_epoch.__func__

    def train(cls, model, optimizers, **kwargs):
        def keep(*_):
            states.append([p.detach().clone() for p in model.codec.discriminator.parameters()])

        optimizers[1].register_step_post_hook(keep)
        return turn(cls, model=model, optimizers=optimizers, **kwargs)

    patch = pytest.MonkeyPatch()
    patch.setattr(task.trainer, "train_one_epoch", classmethod(train))
    options = ["--steps_per_epoch", "7", "--max_epoch", "1"]
    task.main(cmd=command(data, tmp_path / "exp", *options))
    patch.undo()
    same = [
        all(torch.equal(a, b) for a, b in zip(left, right, strict=True))
        for left, right in pairwise(states)
    ]
    assert same == [False, True, False, False, True, False]
    saved = torch.load(tmp_path / "exp" / "checkpoint.pth", weights_only=True)
    steps = {int(each["step"]) for each in saved["optimizers"][1]["state"].values()}
    assert steps == {5} and saved["model"]["codec.turns"] == 7
    history = json.loads((tmp_path / "exp" / "history.json").read_text())
    assert np.isfinite(history[0]["train"]["discriminator_loss"])


@pytest.mark.parametrize("kind", ["td_fsq", pytest.param("mel_rvq", marks=SLOW)])
def test_a_killed_training_goes_on_as_if_nothing_had_happened(
    tmp_path, task, forked, same_run, kind
):
    data = make_audio(tmp_path, config(kind))
    options = ["--steps_per_epoch", "4", "--max_epoch", "3"]
    task.main(cmd=command(data, tmp_path / "whole", *options))
    cut = command(data, tmp_path / "cut", *options)
    # In the second epoch; it is saved after the first, in which the third step was a rest.
    assert forked(dying, task, cut, 6) == -signal.SIGKILL
    task.main(cmd=cut)
    same_run(tmp_path / "whole", tmp_path / "cut")


@SLOW
@pytest.mark.parametrize("first", ["true", "false"])
@pytest.mark.parametrize("kind", ["td_rvq", "mel_rvq"])
def test_two_processes_hold_the_same_codec(tmp_path, task, in_parallel, kind, first):
    data = make_audio(tmp_path, config(kind))
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    cmd = command(data, tmp_path / "exp", "--steps_per_epoch", "4", "--generator_first", first)
    ranks = [rank_of(task, cmd, number, port, tmp_path) for number in (0, 1)]
    assert in_parallel(*ranks) == [0, 0]
    states = [torch.load(tmp_path / f"rank{n}.pth", weights_only=True) for n in (0, 1)]
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)


def test_options_that_do_not_fit_together_are_named(tmp_path, task):
    data = make_audio(tmp_path, config("td_fsq"))
    for option, message in (
        ("generator_params.hidden_dim=6", r"expected hidden_dim 4 for 2 groups of 2.*found 6"),
        ("generator_params.quantizer=lfq", r"quantizer is rvq or fsq, found 'lfq'"),
        ("discriminator_updates=[3, 2]", r"\[updates, in so many steps\], found \[3, 2\]"),
    ):
        with pytest.raises(ConfigError, match=message):
            task.main(cmd=command(data, tmp_path / "exp", "--codec_conf", option))
    (tmp_path / "train.yaml").write_text(config("mel_fsq"))
    for option, message in (
        ("generator_params.band_groups=3", "multiples of band_groups 3, found 8 and 4"),
        ("generator_params.hop_length=10", r"whose product is hop_length 10, found \[5, 4\]"),
    ):
        with pytest.raises(ConfigError, match=message):
            task.main(cmd=command(data, tmp_path / "exp", "--codec_conf", option))


def test_an_untrained_codec_is_refused(tmp_path):
    from codec_ssl.codecs.generators import build_generator

    for kind in ("td_fsq", "mel_rvq"):
        folder = tmp_path / kind
        folder.mkdir()
        (folder / "config.yaml").write_text(config(kind))
        name = f"{kind.split('_')[0]}_nac"
        conf = yaml.safe_load(config(kind))["codec_conf"]["generator_params"]
        state = build_generator(name, conf, 1000).state_dict()
        torch.save({f"codec.generator.{k}": v for k, v in state.items()}, folder / "latest.pth")
        with pytest.raises(CodecError, match=r"never trained|an untrained codec"):
            load_codec(folder)
