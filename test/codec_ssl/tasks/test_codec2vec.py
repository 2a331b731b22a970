"""Promises of the Codec2Vec task, each kept by a training through its command line."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch
import yaml
from ranks import read_ranks, two_ranks

from codec_ssl.errors import CheckpointError, ConfigError, TokenError
from codec_ssl.train.checkpoint import load_state_strict, load_weights

pytestmark = [pytest.mark.timeout(500)]
STEPS = 4


@pytest.fixture(scope="module")
def task():
    from codec_ssl.tasks.codec2vec import Codec2VecTask

    return Codec2VecTask


def run(task, cmd: list[str], kill_at: int | None = None) -> None:
    """Train; die after so many optimizer steps."""
    if kill_at is not None:
        from codec_ssl.tasks.codec2vec_model import ESPnetCodec2Vec

        count = ESPnetCodec2Vec.count_update

        def dying(self):
            count(self)
            if self.updates == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

        ESPnetCodec2Vec.count_update = dying
    task.main(cmd=cmd)


@pytest.mark.parametrize(
    ("target", "workers", "kill_at"),
    [("reconstruction", 1, STEPS + 2), ("cluster", 0, 2 * STEPS), ("online", 0, 2 * STEPS + 1)],
)
def test_killed_and_resumed_equals_uninterrupted(
    tmp_path, task, command, forked, same_run, target, workers, kill_at
):
    more = ["--num_workers", str(workers), "--max_frames", "25"]
    run(task, command(tmp_path / "whole", target, *more))
    cut = command(tmp_path / "cut", target, *more)
    assert forked(run, task, cut, kill_at) == -signal.SIGKILL
    run(task, cut)
    same_run(tmp_path / "whole", tmp_path / "cut")


def test_config_is_completed_from_the_data_and_enough_for_inference(tmp_path, task, command):
    from codec_ssl.ssl.codec2vec import build_codec2vec

    run(task, command(tmp_path, "cluster", "--max_epoch", "1"))
    config, state = load_weights(tmp_path, "best", prefix="codec2vec.")
    assert config["frontend_conf"]["num_codebooks"] == 2
    assert config["frontend_conf"]["codebook_size"] == 16
    assert config["target_conf"]["num_classes"] == 12
    record = config["data_record"]["train"]
    assert record["codes"]["maker"] == "of codec" and record["labels"]["maker"] == "of kmeans"
    load_state_strict(build_codec2vec(config, read_codebook=False), state)
    assert not (tmp_path / "images").exists() and not (tmp_path / "att_ws").exists()


def test_compiled_layers_train_to_the_same_losses(tmp_path, task, command, monkeypatch):
    """Graphs are traced and run by eager kernels: those of C++ are tested with the encoder."""
    compiled, plain_compile = [], torch.nn.Module.compile

    def compile_layer(layer, **options):
        compiled.append(layer)
        plain_compile(layer, **options, backend="aot_eager")

    monkeypatch.setattr(torch.nn.Module, "compile", compile_layer)
    # Without dropout: compiled code draws other random numbers.
    same = ["--max_epoch", "1", "--num_iters_per_epoch", "2"]
    for option in ("num_layers=1", "dropout=0.0", "attention_dropout=0.0", "layerdrop=0.0"):
        same += ["--encoder_conf", option]
    for name in ("true", "false"):
        run(task, command(tmp_path / name, "reconstruction", *same, "--compile_layers", name))
    assert len(compiled) == 1
    histories = [
        json.loads((tmp_path / name / "history.json").read_text()) for name in ("true", "false")
    ]
    found, plain = (record[0]["valid"]["loss"] for record in histories)
    assert found == pytest.approx(plain, rel=1e-4)
    _, state = load_weights(tmp_path / "true", "best", prefix="codec2vec.")
    _, wanted = load_weights(tmp_path / "false", "best", prefix="codec2vec.")
    assert state.keys() == wanted.keys()


def test_updates_are_counted_once_a_real_step(tmp_path, task, command):
    run(task, command(tmp_path, "online", "--accum_grad", "2", "--max_epoch", "2"))
    _, state = load_weights(tmp_path)
    assert state["num_updates"] == 2 * STEPS / 2


def test_other_data_are_refused_on_resume_with_both_fingerprints(tmp_path, task, command, stores):
    from codec_ssl.tokens.store import TokenStore

    run(task, command(tmp_path, "reconstruction", "--max_epoch", "1"))
    config = (tmp_path / "config.yaml").read_text()
    fingerprints = [TokenStore(stores / "codes" / s).fingerprint for s in ("train", "other")]
    with pytest.raises(CheckpointError) as error:
        run(task, command(tmp_path, train="other"))
    assert all(fingerprint in str(error.value) for fingerprint in fingerprints)
    assert (tmp_path / "config.yaml").read_text() == config


def test_wrong_data_and_options_stop_before_training(tmp_path, task, command, stores):
    with pytest.raises(
        TokenError, match=r"name of maker: expected that of .* found 'codec'.*stage"
    ):
        run(task, command(tmp_path, train="foreign"))
    with pytest.raises(ConfigError, match=r"target cluster: expected train data.*stage 'labels'"):
        run(task, [*command(tmp_path), "--target", "cluster"])
    with pytest.raises(ConfigError, match=r"num_codebooks 3, but .* has 2"):
        run(task, command(tmp_path, "reconstruction", "--frontend_conf", "num_codebooks=3"))
    with pytest.raises(ConfigError, match="iterator_type sequence"):
        run(task, command(tmp_path, "reconstruction", "--iterator_type", "chunk"))
    with pytest.raises(ConfigError, match="collect_stats"):
        run(task, command(tmp_path, "reconstruction", "--collect_stats", "true"))
    assert not (tmp_path / "checkpoint.pth").exists()


def test_init_param_is_strict_unless_told_otherwise(tmp_path, task, command):
    run(task, command(tmp_path / "a", "reconstruction", "--max_epoch", "1"))
    weights = tmp_path / "a" / "latest.pth"
    other = ["--max_epoch", "1", "--init_param", str(weights)]
    with pytest.raises(CheckpointError, match=r"unexpected: codec2vec\.target"):
        run(task, command(tmp_path / "b", "cluster", *other))
    spec = f"{weights}:codec2vec.encoder:codec2vec.encoder"
    run(task, command(tmp_path / "c", "cluster", *other[:2], "--init_param", spec))
    state = torch.load(weights, weights_only=True)
    state["codec2vec.renamed"] = state.pop("codec2vec.mask_vector")
    torch.save(state, tmp_path / "renamed.pth")
    with pytest.raises(CheckpointError, match=r"missing: codec2vec\.mask_vector"):
        run(
            task,
            command(
                tmp_path / "d", "reconstruction", "--init_param", str(tmp_path / "renamed.pth")
            ),
        )


@pytest.mark.parametrize("target", ["cluster", "online"])
def test_two_processes_hold_the_same_model_and_loss(tmp_path, task, command, in_parallel, target):
    cmd = command(tmp_path / "exp", target, "--max_epoch", "2")
    assert in_parallel(*two_ranks(task, cmd, tmp_path)) == [0, 0]
    first, second = read_ranks(tmp_path)
    assert len(first["losses"]) == 2 and first["losses"] == second["losses"]
    torch.testing.assert_close(first["model"], second["model"], rtol=0, atol=0)
    torch.testing.assert_close(first["model"], load_weights(tmp_path / "exp")[1], rtol=0, atol=0)


def test_fewer_utterances_than_processes_is_named(tmp_path, task, command):
    args = task.get_parser().parse_args(command(tmp_path, "reconstruction", "--min_frames", "40"))
    from espnet2.train.distributed_utils import DistributedOption

    option = DistributedOption(distributed=True, dist_world_size=40)
    with pytest.raises(ConfigError, match="cannot be shared by 40 processes"):
        task.build_iter_options(args, option, "train")


def test_own_yaml_of_a_run_starts_another_one(tmp_path, task, command):
    run(task, command(tmp_path / "a", "reconstruction", "--max_epoch", "1"))
    config = yaml.safe_load((tmp_path / "a" / "config.yaml").read_text())
    for key in ("required", "version", "config", "distributed", "output_dir", "dry_run"):
        config.pop(key, None)
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(config))
    run(task, ["--config", str(tmp_path / "again.yaml"), "--output_dir", str(tmp_path / "b")])
    a, b = (load_weights(tmp_path / name)[1] for name in "ab")
    torch.testing.assert_close(a, b, rtol=0, atol=0)
    assert Path(tmp_path / "b" / "lengths" / "train").read_text().count("\n") == 40
