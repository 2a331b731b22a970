"""Promises of the ASR task, each kept by a training through its command line."""

import json
import logging
import signal
import socket

import pytest
import torch
import toy_asr
import yaml
from processes import kill_in_training

from codec_ssl.asr.decoder_only import build_decoder_only
from codec_ssl.asr.text import Pieces
from codec_ssl.data.tables import read_table, write_table
from codec_ssl.errors import CheckpointError, ConfigError, DataError, TokenError
from codec_ssl.train.checkpoint import load_state_strict, load_weights

pytestmark = [pytest.mark.timeout(500)]
STEPS = 5


@pytest.fixture(scope="module")
def task():
    from codec_ssl.tasks.decoder_only_asr import DecoderOnlyASRTask

    return DecoderOnlyASRTask


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Sets train, valid and other; ``foreign`` has units of another tokenizer."""
    folder = tmp_path_factory.mktemp("asr")
    for seed, (name, count) in enumerate({"train": 90, "valid": 8, "other": 90}.items()):
        text, store = toy_asr.make_set(folder, name, count, seed)
        if name == "train":
            toy_asr.make_pieces(folder, text)
        toy_asr.write_features(folder, name, store)
    other = {**toy_asr.MAKER, "fingerprint": "another tokenizer"}
    toy_asr.make_set(folder, "foreign", 8, 1, maker=other)
    return folder


@pytest.fixture
def command(root):
    """Command line of an ASR training that takes seconds."""

    def build(output_dir, *more, train="train", valid="valid", data="codes", text=None):
        cmd = f"""--output_dir {output_dir} --pieces {root}/pieces --max_epoch 2 --num_workers 0
            --num_iters_per_epoch {STEPS} --batch_bins 300 --optim_conf lr=0.003
            --scheduler_conf warmup_steps=20 --use_tensorboard false
            --decoder_conf dim=32 --decoder_conf num_layers=2 --decoder_conf num_heads=2
            --decoder_conf ffn_dim=64""".split()
        folder = "store" if data == "codes" else data
        kind = "token_store" if data == "codes" else "feature_cache"
        for split, name in (("train", train), ("valid", valid)):
            option = f"--{split}_data_path_and_name_and_type"
            written = text if text and split == "train" else f"{root}/data/{name}/text"
            cmd += [option, f"{root}/{folder}/{name},{data},{kind}"]
            cmd += [option, f"{written},text,transcripts"]
        return [*cmd, *more]

    return build


def run(task, cmd, kill_at=None):
    """Train; die after so many forward passes of training."""
    if kill_at is not None:
        from codec_ssl.tasks.decoder_only_asr_model import ESPnetDecoderOnlyASR

        kill_in_training(ESPnetDecoderOnlyASR, kill_at)
    task.main(cmd=cmd)


def history(folder):
    return json.loads((folder / "history.json").read_text())


def test_the_defaults_are_the_papers(task):
    args = task.get_parser().parse_args(["--output_dir", "x"])
    assert (args.objective, args.label_smoothing) == ("p(y|s)", 0.1)
    assert args.optim == "adam" and args.optim_conf == {"lr": 1e-3, "betas": [0.9, 0.999]}
    assert args.num_iters_per_epoch * args.max_epoch == 100_000
    assert args.scheduler == "warmuplr" and args.scheduler_conf == {"warmup_steps": 5000}


def test_the_rate_rises_to_its_peak_and_falls_as_an_inverse_square_root(task):
    from espnet2.tasks.abs_task import scheduler_classes

    args = task.get_parser().parse_args(["--output_dir", "x"])
    optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], **args.optim_conf)
    scheduler = scheduler_classes[args.scheduler](optimizer, **args.scheduler_conf)
    rates = []
    for _ in range(20_000):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert max(rates) == pytest.approx(1e-3, rel=1e-12) and rates.index(max(rates)) == 4999
    assert rates[2499] == pytest.approx(5e-4) and rates[0] == pytest.approx(1e-3 / 5000)
    assert rates[19_999] == pytest.approx(5e-4)


@pytest.mark.parametrize(
    ("data", "more", "workers", "kill_at"),
    [
        ("codes", ("--text_noise", "0.2", "--specaugment", "time_masks=2"), 1, STEPS + 2),
        ("codes", ("--objective", "p(s,y)"), 0, STEPS + 1),
        ("features", (), 0, STEPS + 3),
    ],
)
def test_killed_and_resumed_equals_uninterrupted(
    tmp_path, task, command, forked, same_run, data, more, workers, kill_at
):
    more = [*more, "--num_workers", str(workers)]
    run(task, command(tmp_path / "whole", *more, data=data))
    cut = command(tmp_path / "cut", *more, data=data)
    assert forked(run, task, cut, kill_at) == -signal.SIGKILL
    run(task, cut)
    same_run(tmp_path / "whole", tmp_path / "cut")


def test_it_learns_to_transcribe(tmp_path, task, command):
    more = ["--max_epoch", "3", "--num_iters_per_epoch", "60", "--decoder_conf", "dropout=0.0"]
    run(task, command(tmp_path, *more, "--batch_bins", "500", "--optim_conf", "lr=0.006"))
    last = history(tmp_path)[-1]
    assert last["train"]["acc"] > 0.85 and last["valid"]["acc"] > 0.7
    assert last["valid"]["perplexity"] < 3 and last["train"]["tokens_per_sec"] > 0


def test_the_experiment_alone_is_enough_for_decoding(tmp_path, task, command, root):
    run(task, command(tmp_path, "--max_epoch", "1"))
    config, state = load_weights(tmp_path, "best", prefix="asr.")
    load_state_strict(build_decoder_only(config), state)
    record = config["data_record"]
    assert record["train"]["codes"]["maker"] == "toy tokenizer"
    assert record["train"]["text"]["count"] == 90
    pieces = Pieces(tmp_path / "pieces")
    assert record["pieces"] == {"vocab_size": toy_asr.VOCAB, "fingerprint": pieces.fingerprint}
    assert pieces.fingerprint == Pieces(root / "pieces").fingerprint


def test_batches_hold_so_many_tokens_of_speech_and_text(tmp_path, task, command, root):
    from espnet2.train.distributed_utils import DistributedOption

    args = task.get_parser().parse_args(command(tmp_path, "--max_length", "25"))
    options = task.build_iter_options(args, DistributedOption(), "train")
    lengths = {utt: int(n) for utt, n in read_table(options.shape_files[0]).items()}
    from codec_ssl.tokens.store import TokenStore

    store, pieces = TokenStore(root / "store/train"), Pieces(root / "pieces")
    text = read_table(root / "data/train/text")
    every = {u: len(store[u]) + 1 + len(pieces.encode(t)) for u, t in text.items()}
    assert lengths == {utt: n for utt, n in every.items() if n <= 25}
    assert 0 < len(lengths) < len(every)
    valid = task.build_iter_options(args, DistributedOption(), "valid").shape_files[0]
    assert len(read_table(valid)) == 8
    batches = task.build_iter_factory(args, DistributedOption(), "train").build_iter(1)
    ids, batch = next(iter(batches))
    assert batch["text"].tolist() == [p for utt in ids for p in pieces.encode(text[utt]).tolist()]
    assert batch["codes"].tolist() == [row for utt in ids for row in store[utt].tolist()]


def test_other_data_or_pieces_are_refused_on_resume(tmp_path, task, command, root):
    run(task, command(tmp_path, "--max_epoch", "1"))
    with pytest.raises(CheckpointError, match=r"expected the train text that it was trained with"):
        run(task, command(tmp_path, train="other"))
    changed = read_table(root / "data/train/text")
    changed[next(iter(changed))] = "two two"
    write_table(tmp_path / "text", changed)
    with pytest.raises(CheckpointError, match=r"train text .*stage 'data'"):
        run(task, command(tmp_path, text=tmp_path / "text"))
    upper = {utt: text.upper() for utt, text in changed.items()}
    toy_asr.make_pieces(tmp_path / "upper", upper)
    with pytest.raises(CheckpointError, match=r"pieces that it was trained with.*stage 'pieces'"):
        run(task, command(tmp_path, "--pieces", f"{tmp_path}/upper/pieces"))
    with pytest.raises(CheckpointError, match=r"expected codes, with which .* found features"):
        run(task, command(tmp_path, data="features"))


def test_wrong_data_and_options_stop_before_training(tmp_path, task, command, root):
    with pytest.raises(TokenError, match=r"fingerprint of maker: expected that of .*"):
        run(task, command(tmp_path, valid="foreign"))
    with pytest.raises(DataError, match=r"of 90 utterances, found 90 with no transcript"):
        run(task, command(tmp_path, text=root / "data/valid/text"))
    with pytest.raises(ConfigError, match=r"train data: expected DIR,codes,token_store or DIR"):
        run(task, [*command(tmp_path), "--train_data_path_and_name_and_type", "x,y,sound"])
    with pytest.raises(ConfigError, match="cannot have continuous features"):
        run(task, command(tmp_path, "--objective", "p(s,y)", data="features"))
    with pytest.raises(ConfigError, match="decoder_conf has unknown options width"):
        run(task, command(tmp_path, "--decoder_conf", "width=3"))
    with pytest.raises(ConfigError, match="--iterator_type sequence"):
        run(task, command(tmp_path, "--iterator_type", "chunk"))
    with pytest.raises(DataError, match=r"at most --max_length 2, found none"):
        run(task, command(tmp_path, "--max_length", "2"))
    cmd = command(tmp_path)
    del cmd[cmd.index("--pieces") : cmd.index("--pieces") + 2]
    with pytest.raises(ConfigError, match=r"expected --pieces DIR.*stage 'pieces'"):
        run(task, cmd)
    assert not (tmp_path / "checkpoint.pth").exists()


def test_utterances_without_transcripts_are_left_out_if_asked_for(
    tmp_path, task, command, root, caplog
):
    caplog.set_level(logging.INFO)
    some = dict(list(read_table(root / "data/train/text").items())[5:])
    write_table(tmp_path / "text", {**some, next(iter(some)): ""})
    cmd = command(tmp_path / "exp", "--max_epoch", "1", text=tmp_path / "text")
    with pytest.raises(DataError, match=r"5 with no transcript .* and 1 with an empty transcript"):
        run(task, cmd)
    run(task, [*cmd, "--unusable_text", "skip"])
    assert "train: 84 utterances" in caplog.text
    config = yaml.safe_load((tmp_path / "exp/config.yaml").read_text())
    assert config["data_record"]["train"]["text"]["count"] == 84


def test_two_processes_hold_the_same_model_and_loss(tmp_path, task, command, in_parallel):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]

    def rank(number):
        dist = f"""--dist_rank {number} --dist_world_size 2 --dist_master_addr localhost
            --dist_master_port {port} --dist_backend gloo --multiprocessing_distributed false"""

        def train():
            finish = task.trainer.validate_one_epoch.__func__

            def validate(cls, model, options, **kwargs):
                finish(cls, model=model, options=options, **kwargs)
                content = {"loss": options.guard.train_stats["loss"], "model": model.state_dict()}
                torch.save(content, tmp_path / f"rank{number}.pth")

            task.trainer.validate_one_epoch = classmethod(validate)
            run(task, command(tmp_path / "exp", *dist.split()))

        return train

    assert in_parallel(rank(0), rank(1)) == [0, 0]
    first, second = (torch.load(tmp_path / f"rank{n}.pth", weights_only=True) for n in (0, 1))
    assert first["loss"] == second["loss"]
    torch.testing.assert_close(first["model"], second["model"], rtol=0, atol=0)
