"""Promises of the guarded trainer, each kept by a real training of a tiny model."""

import json
import os
import resource
import signal
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from codec_ssl.errors import CheckpointError, TrainingError
from codec_ssl.train.checkpoint import is_whole

pytestmark = pytest.mark.timeout(400)
BATCHES = 4


def kill_at(step: int):
    def on_batch(done: int) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGKILL)

    return on_batch


def break_save(name: str, keep: float | int):
    """Let ``torch.save`` of a file write only some bytes, and be killed."""
    whole = torch.save

    def save(content, path, *args, **kwargs):
        whole(content, path, *args, **kwargs)
        if Path(path).name == name:
            size = Path(path).stat().st_size
            os.truncate(path, {0.5: size // 2, -1: size - 1}.get(keep, int(keep)))
            os.kill(os.getpid(), signal.SIGKILL)

    torch.save = save


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reference")


@pytest.fixture
def whole_run(reference: Path, train) -> Path:
    if not (reference / "history.json").exists():
        train(reference)
    return reference


# Step numbers are counted over the whole training: 4 batches an epoch.
@pytest.mark.parametrize("num_workers", [0, 1])
@pytest.mark.parametrize(
    "step", [2 * BATCHES + 2, 3 * BATCHES], ids=["in mid-epoch", "at the last batch"]
)
def test_killed_and_resumed_equals_uninterrupted(
    tmp_path, train, forked, same_run, num_workers, step
):
    train(tmp_path / "whole", num_workers=num_workers)
    died = forked(train, tmp_path / "cut", num_workers=num_workers, on_batch=kill_at(step))
    assert died == -signal.SIGKILL
    train(tmp_path / "cut", num_workers=num_workers)
    same_run(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("keep", [0, 1, 0.5, -1])
@pytest.mark.parametrize("name", ["checkpoint.pth", "2epoch.pth"])
def test_kill_inside_a_checkpoint_write_loses_at_most_that_epoch(
    tmp_path, train, forked, same_run, whole_run, caplog, name, keep
):
    def dying():
        break_save(name, keep)
        train(tmp_path)

    # Epoch 1 is whole: the fault comes with the second file of that name.
    train(tmp_path, max_epoch=1)
    assert forked(dying) == -signal.SIGKILL
    train(tmp_path)
    lost = "epoch 2 is lost" in caplog.text
    assert lost == (name == "checkpoint.pth")
    assert "1 is lost" not in caplog.text
    same_run(whole_run, tmp_path)


def test_extending_a_finished_training_equals_one_long_training(
    tmp_path, train, same_run, whole_run
):
    train(tmp_path, max_epoch=1)
    train(tmp_path, max_epoch=3)
    same_run(whole_run, tmp_path)


def test_finished_training_is_left_as_it_is(tmp_path, train):
    train(tmp_path)
    before = (tmp_path / "checkpoint.pth").read_bytes()
    train(tmp_path)
    assert (tmp_path / "checkpoint.pth").read_bytes() == before


def test_full_disk_is_named_and_loses_nothing(tmp_path, train, forked, same_run, whole_run):
    train(tmp_path, max_epoch=1)
    small = (tmp_path / "checkpoint.pth").stat().st_size // 2

    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (small, small))
        with pytest.raises(CheckpointError, match=r"checkpoint\.prev\.pth is kept: make room"):
            train(tmp_path)

    assert forked(limited) == 0
    train(tmp_path)
    same_run(whole_run, tmp_path)


def test_no_resume_puts_the_old_checkpoint_aside(tmp_path, train):
    train(tmp_path, max_epoch=2)
    old = (tmp_path / "checkpoint.pth").read_bytes()
    train(tmp_path, max_epoch=1, resume=False)
    assert (tmp_path / "checkpoint.replaced.pth").read_bytes() == old
    assert len(json.loads((tmp_path / "history.json").read_text())) == 1


def test_checkpoint_of_another_model_is_refused(tmp_path, train):
    train(tmp_path, max_epoch=1)
    checkpoint = torch.load(tmp_path / "checkpoint.pth", weights_only=True)
    checkpoint["model"]["renamed.weight"] = checkpoint["model"].pop("linear.weight")
    torch.save(checkpoint, tmp_path / "checkpoint.pth")
    with pytest.raises(CheckpointError, match=r"renamed\.weight"):
        train(tmp_path)


def test_validation_draws_the_same_numbers_in_every_epoch(tmp_path, train):
    seen = train(tmp_path)["model"].mask_seen
    epochs = [seen[i : i + BATCHES + 2] for i in range(0, len(seen), BATCHES + 2)]
    assert len({tuple(epoch[BATCHES:]) for epoch in epochs}) == 1
    assert len({tuple(epoch[:BATCHES]) for epoch in epochs}) == 3


@pytest.mark.parametrize("accum_grad", [1, 2])
def test_non_finite_batch_is_kept_with_its_utterances_and_skipped(tmp_path, train, accum_grad):
    result = train(tmp_path, max_epoch=1, poison={"u9"}, accum_grad=accum_grad)
    assert all(torch.isfinite(p).all() for p in result["model"].parameters())
    (kept,) = (tmp_path / "bad_batches").iterdir()
    with safe_open(kept, framework="pt") as file:
        assert "u9" in json.loads(file.metadata()["utt_ids"])
        assert file.metadata()["reason"] == "non-finite loss"
        assert file.get_tensor("x").shape == (4, 8)


def test_bad_steps_in_a_row_stop_with_a_pointer(tmp_path, train):
    poison = {f"u{i}" for i in range(24)}
    with pytest.raises(TrainingError, match=r"2 bad steps in a row.*bad_batches.*u\d+") as error:
        train(tmp_path, poison=poison, max_bad_steps=2)
    assert "lower the learning rate" in str(error.value)
    with pytest.raises(TrainingError, match="not one good step"):
        train(tmp_path, poison=poison, max_bad_steps=50)


def test_collapse_stops_the_run_and_names_what_to_look_at(tmp_path, train):
    with pytest.raises(TrainingError, match=r"code_usage was under 0.6 in 2 epochs.*teacher"):
        train(tmp_path, alarm_conf={"code_usage": [0.6, 2]})
    # The checkpoint of the epoch before the alarm is still there, and the alarm rings again.
    assert is_whole(tmp_path / "checkpoint.pth")
    with pytest.raises(TrainingError, match="stopped at epoch 2"):
        train(tmp_path, alarm_conf={"code_usage": [0.6, 2]})
    train(tmp_path, alarm_conf={"code_usage": None})


def test_loss_of_nothing_stops_the_run(tmp_path, train):
    with pytest.raises(TrainingError, match=r"loss was under 1000 in 3 epochs.*labels"):
        train(tmp_path, alarm_conf={"loss": [1000.0, 3]})


def test_throughput_and_waiting_are_logged_once_an_epoch(tmp_path, train, caplog):
    caplog.set_level("INFO")
    train(tmp_path, max_epoch=1)
    (epoch,) = json.loads((tmp_path / "history.json").read_text())
    stats = epoch["train"]
    # 4 batches of 4 utterances of 5 frames
    seconds = BATCHES * (stats["train_time"])
    assert stats["frames_per_sec"] == pytest.approx(80 / seconds, rel=0.5)
    assert 0 < stats["data_wait_share"] < 1
    assert "epoch 1/1 loss" in caplog.text and "frames/s" in caplog.text


def test_non_finite_gradient_never_reaches_weights_of_adversarial_training():
    from codec_ssl.train.trainer import _drop_bad_gradient

    weights = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([weights], lr=0.1)
    optimizer.register_step_pre_hook(_drop_bad_gradient)
    weights.grad = torch.tensor([1.0, float("nan"), 1.0])
    optimizer.step()
    assert weights.tolist() == [1.0, 1.0, 1.0]
    weights.grad = torch.ones(3)
    optimizer.step()
    assert torch.isfinite(weights).all() and (weights < 1).all()
