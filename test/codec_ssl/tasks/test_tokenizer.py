"""Promises of the tokenizer task, each kept by a training through its command line."""

import json
import logging
import signal
import socket
import sys

import plain_repcodec as plain
import pytest
import torch
import toy_corpus
import yaml
from processes import kill_in_training

from codec_ssl.bin import extract_labels, import_repcodec
from codec_ssl.errors import CheckpointError, CodecSSLError, ConfigError, TrainingError
from codec_ssl.features.baselines import CodecEmbeddings
from codec_ssl.features.cache_writer import write_cache
from codec_ssl.tokenizers.labels import extract_labels as labels_of
from codec_ssl.tokenizers.registry import load_tokenizer
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train.checkpoint import load_state_strict, load_weights

pytestmark = [pytest.mark.timeout(500)]
STEPS, WIDTH = 6, toy_corpus.DIM


@pytest.fixture(scope="module")
def task():
    from codec_ssl.tasks.tokenizer import TokenizerTask

    return TokenizerTask


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Stores and caches of train and valid; ``other`` has features of another encoder."""
    folder = tmp_path_factory.mktemp("tokenizer")
    encoder = CodecEmbeddings(toy_corpus.codebook(), toy_corpus.FRAME_RATE)
    loud = CodecEmbeddings(2 * toy_corpus.codebook(), toy_corpus.FRAME_RATE)
    for seed, (name, count) in enumerate({"train": 20, "valid": 5}.items()):
        store = TokenStore(toy_corpus.make_split(folder, name, count, seed)[1])
        write_cache(encoder, store, 0, folder / "cache" / name)
        write_cache(loud, store, 0, folder / "other" / name)
    return folder


@pytest.fixture
def command(root):
    """Command line of a tokenizer training that takes a second."""

    def build(output_dir, *more, kind="repcodec", data="cache", valid=None):
        cmd = f"""--output_dir {output_dir} --tokenizer {kind} --max_epoch 3 --num_workers 0
            --num_iters_per_epoch {STEPS} --batch_size 4 --crop_frames 24 --optim_conf lr=0.001
            --use_tensorboard false --tokenizer_conf num_clusters=16
            --tokenizer_conf num_quantizers=2 --shuffle_crops 8 --feature_batch_frames 150
            --alarm_conf code_usage=null""".split()
        for split in ("train", "valid"):
            source = (valid if split == "valid" else None) or data
            entry = f"{root}/{source}/{split},features,feature_cache"
            if source == "store":
                entry = f"{root}/store/{split},codes,token_store"
            cmd += [f"--{split}_data_path_and_name_and_type", entry]
        if "store" in (data, valid):
            cmd += ["--feature_encoder", "codec", "--feature_layer", "0"]
        return [*cmd, *more]

    return build


def run(task, cmd, kill_at=None):
    """Train; die after so many forward passes of training."""
    if kill_at is not None:
        from codec_ssl.tasks.tokenizer_model import ESPnetTokenizer

        kill_in_training(ESPnetTokenizer, kill_at)
    task.main(cmd=cmd)


def history(folder):
    return json.loads((folder / "history.json").read_text())


@pytest.mark.parametrize(
    ("kind", "data", "workers", "kill_at"),
    [
        ("repcodec", "cache", 1, STEPS + 3),
        ("vq", "cache", 0, 2 * STEPS + 1),
        ("repcodec", "store", 0, 2 * STEPS),
    ],
)
def test_killed_and_resumed_equals_uninterrupted(
    tmp_path, task, command, forked, same_run, kind, data, workers, kill_at
):
    more = ["--num_workers", str(workers)]
    run(task, command(tmp_path / "whole", *more, kind=kind, data=data))
    cut = command(tmp_path / "cut", *more, kind=kind, data=data)
    assert forked(run, task, cut, kill_at) == -signal.SIGKILL
    run(task, cut)
    same_run(tmp_path / "whole", tmp_path / "cut")
    exported = [load_tokenizer(tmp_path / name / "tokenizer") for name in ("whole", "cut")]
    assert exported[0].fingerprint == exported[1].fingerprint


def test_it_learns_to_reconstruct_and_tells_how_well(tmp_path, task, command):
    more = ["--max_epoch", "2", "--num_iters_per_epoch", "60", "--optim_conf", "lr=0.002"]
    run(task, command(tmp_path, *more, "--batch_size", "8"))
    first, last = (entry["train"] for entry in history(tmp_path))
    assert last["relative_reconstruction_loss"] < 0.85 * first["relative_reconstruction_loss"] < 1
    last = history(tmp_path)[-1]["valid"]
    assert last["loss"] == pytest.approx(
        45 * last["reconstruction_loss"] + last["commitment_loss"], rel=1e-5
    )
    assert last["perplexity_1"] > 4 and 0 < last["usage_2"] <= 1
    assert last["code_usage"] == pytest.approx((last["usage_1"] + last["usage_2"]) / 2, rel=1e-5)
    assert history(tmp_path)[0]["train"]["frames_per_sec"] > 0


def test_the_defaults_are_the_papers(task):
    args = task.get_parser().parse_args(["--output_dir", "x"])
    assert (args.reconstruction_weight, args.commitment_weight) == (45.0, 1.0)
    assert (args.batch_size, args.crop_frames, args.seed) == (32, 96, 1337)
    assert args.optim == "adam"
    assert args.optim_conf == {"lr": 1e-4, "betas": [0.5, 0.9], "weight_decay": 0.0}
    assert args.num_iters_per_epoch * args.max_epoch == 200_000
    assert args.grad_clip == float("inf") and args.scheduler is None and not args.use_amp


def test_the_exported_tokenizer_makes_a_token_store(tmp_path, task, command, root, monkeypatch):
    run(task, command(tmp_path, "--max_epoch", "1"))
    tokenizer = load_tokenizer(tmp_path / "tokenizer")
    assert tokenizer.sizes == [16, 16] and tokenizer.origin.encoder == "codec"
    load_state_strict(tokenizer.codec, load_weights(tmp_path, prefix="codec.")[1])
    store, out = root / "store" / "valid", tmp_path / "labels"
    options = f"--tokenizer {tmp_path / 'tokenizer'} --exp codec --layer 0 --finalize true".split()
    options += ["--store", str(store), "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["command", *options])
    extract_labels.main()
    labels = TokenStore(out)
    assert labels.meta.maker["kind"] == "repcodec" and labels.meta.sizes == [16, 16]
    encoder = CodecEmbeddings.from_store(store, toy_corpus.FRAME_RATE)
    for utt in labels.utt_ids:
        codes = torch.as_tensor(TokenStore(store)[utt])[None]
        lens = torch.tensor([codes.shape[1]])
        features = encoder.encode(codes, lens, [0])[0][0][0]
        assert (labels[utt] == tokenizer.encode(features, lens).numpy()).all()
    other = CodecEmbeddings(2 * toy_corpus.codebook(), toy_corpus.FRAME_RATE)
    with pytest.raises(CheckpointError, match=r"which the repcodec was fitted on, found codec"):
        labels_of(tokenizer, other, TokenStore(store), tmp_path / "no")


def test_features_of_waveforms_stream_too(tmp_path, task, command, root):
    cmd = command(tmp_path, "--max_epoch", "1", "--feature_encoder", "logmel", data="store")
    for split in ("train", "valid"):
        cmd += [f"--{split}_data_path_and_name_and_type", f"{root}/{split},audio,data_dir"]
    run(task, cmd)
    tokenizer = load_tokenizer(tmp_path / "tokenizer")
    assert tokenizer.options.width == 80 and tokenizer.origin.encoder == "logmel"
    assert tokenizer.report["num_epochs"] == 1
    assert tokenizer.report["last_valid"]["relative_reconstruction_loss"] > 0


def test_an_official_checkpoint_labels_like_the_authors(tmp_path, root, monkeypatch):
    state = plain.official_state(WIDTH, num_clusters=30)
    official = plain.save_official(state, tmp_path / "hubert_base_l9.pkl")
    store, encoder = root / "store" / "valid", ["--exp", "codec", "--layer", "0"]

    def command(module, *options):
        monkeypatch.setattr(sys, "argv", ["command", *map(str, options)])
        module.main()

    source = ["--checkpoint", official, "--out", tmp_path / "repcodec"]
    command(import_repcodec, *source)
    labels = ["--tokenizer", tmp_path / "repcodec", "--out", tmp_path / "labels"]
    extract = [*labels, *encoder[:2], "--store", store, "--finalize", "true"]
    with pytest.raises(CheckpointError, match=r"doesn't say which encoder.*--exp, --layer"):
        command(extract_labels, *extract)
    with pytest.raises(CodecSSLError, match="encoder codec: expected a token store of codes"):
        command(import_repcodec, *source, *encoder)
    with pytest.raises(ConfigError, match="expected --encoder beside them, found none"):
        command(import_repcodec, *source, "--layer", "0")
    command(import_repcodec, *source, *encoder, "--store", store)
    command(extract_labels, *extract)
    codes = TokenStore(store)
    table = CodecEmbeddings.from_store(store, toy_corpus.FRAME_RATE)
    for utt, tokens in TokenStore(tmp_path / "labels").items():
        inputs = torch.as_tensor(codes[utt])[None]
        features = table.encode(inputs, torch.tensor([inputs.shape[1]]), [0])[0][0][0]
        assert torch.equal(torch.as_tensor(tokens), plain.tokens(state, features))
    wide = plain.save_official(plain.official_state(12), tmp_path / "wide.pkl")
    with pytest.raises(ConfigError, match=r"width 12, found 64 in encoder codec"):
        more = [*encoder, "--store", store]
        command(import_repcodec, "--checkpoint", wide, "--out", tmp_path / "no", *more)


def test_short_utterances_are_counted_and_used(tmp_path, task, command, caplog):
    caplog.set_level(logging.INFO)
    run(task, command(tmp_path, "--max_epoch", "1", "--crop_frames", "100"))
    assert "20 utterances" in caplog.text
    assert "20 are shorter than a crop of 100 frames and are taken whole" in caplog.text
    assert history(tmp_path)[0]["train"]["frames_per_sec"] > 0


def test_a_run_may_go_on_from_a_cache_after_a_stream(tmp_path, task, command):
    run(task, command(tmp_path, "--max_epoch", "1", data="store"))
    record = yaml.safe_load((tmp_path / "config.yaml").read_text())["data_record"]
    run(task, command(tmp_path, "--max_epoch", "2", data="cache"))
    assert yaml.safe_load((tmp_path / "config.yaml").read_text())["data_record"] == record
    assert len(history(tmp_path)) == 2


def test_other_features_are_refused_with_both_origins(tmp_path, task, command):
    run(task, command(tmp_path, "--max_epoch", "1"))
    with pytest.raises(CheckpointError, match=r"expected features of layer 0 of codec \(\w+\)"):
        run(task, command(tmp_path, data="other"))
    with pytest.raises(ConfigError, match=r"valid data: expected features of layer 0 of codec"):
        run(task, command(tmp_path / "b", valid="other"))
    run(task, command(tmp_path / "c", "--max_epoch", "1", valid="store"))


def test_wrong_options_stop_before_training(tmp_path, task, command):
    for more, message in {
        ("--grad_clip", "-1"): "would turn gradients around; inf clips nothing",
        ("--accum_grad", "2"): "--accum_grad must be 1",
        ("--iterator_type", "sequence"): "--iterator_type task",
        ("--tokenizer_conf", "width=3"): "says width 3, but layer 0 of codec .* has 64",
        ("--tokenizer_conf", "encoder_block=3"): "options of a repcodec tokenizer.*encoder_block",
        ("--feature_layer", "2"): "expected --feature_layer 2, found layer 0 of codec",
    }.items():
        with pytest.raises(ConfigError, match=message):
            run(task, command(tmp_path, *more))
    codes = command(tmp_path, data="store")
    with pytest.raises(ConfigError, match="expected --feature_encoder and --feature_layer"):
        run(task, codes[: codes.index("--feature_encoder")])
    wrong = ["--train_data_path_and_name_and_type", "x,speech,sound"]
    with pytest.raises(ConfigError, match=r"train data: expected either CACHE.*x,speech,sound"):
        run(task, command(tmp_path, *wrong))
    assert not (tmp_path / "checkpoint.pth").exists()


def test_collapsed_codebooks_stop_the_run(tmp_path, task, command):
    alarm = ["--alarm_conf", "{code_usage: [1.1, 2]}"]
    with pytest.raises(TrainingError, match=r"code_usage was under 1.1 in 2 epochs.*origin"):
        run(task, command(tmp_path, *alarm))


@pytest.mark.parametrize(("kind", "data"), [("repcodec", "cache"), ("vq", "store")])
def test_two_processes_hold_the_same_codebooks_and_loss(
    tmp_path, task, command, in_parallel, kind, data
):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]

    def rank(number):
        dist = f"""--dist_rank {number} --dist_world_size 2 --dist_master_addr localhost
            --dist_master_port {port} --dist_backend gloo --multiprocessing_distributed false
            --max_epoch 2"""

        def train():
            finish = task.trainer.validate_one_epoch.__func__

            def validate(cls, model, options, **kwargs):
                finish(cls, model=model, options=options, **kwargs)
                losses = [options.guard.train_stats["loss"], options.guard.train_stats["usage_1"]]
                content = {"losses": losses, "model": model.module.state_dict()}
                torch.save(content, tmp_path / f"rank{number}.pth")

            task.trainer.validate_one_epoch = classmethod(validate)
            run(task, command(tmp_path / "exp", *dist.split(), kind=kind, data=data))

        return train

    assert in_parallel(rank(0), rank(1)) == [0, 0]
    first, second = (torch.load(tmp_path / f"rank{n}.pth", weights_only=True) for n in (0, 1))
    assert first["losses"] == second["losses"]
    torch.testing.assert_close(first["model"], second["model"], rtol=0, atol=0)
    counts = first["model"]["codec.quantizer.codebooks.counts"].sum(1)
    # Moving averages of 4 crops of 24 frames: those of both ranks.
    assert (counts > 0.7 * 4 * 24).all()
    weights = load_weights(tmp_path / "exp", prefix="codec.")[1]
    load_state_strict(load_tokenizer(tmp_path / "exp" / "tokenizer").codec, weights)
