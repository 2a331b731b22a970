"""Promises of alarms, history, bad batches and schedules."""

import json

import pytest
import torch

from codec_ssl.errors import ConfigError, TrainingError
from codec_ssl.train.alarms import Alarm, build_alarms
from codec_ssl.train.bad_batch import BadBatches, is_finite_batch
from codec_ssl.train.history import History, describe


def epochs(*losses: float | None):
    return [{"epoch": i, "train": {"loss": loss}, "valid": {}} for i, loss in enumerate(losses, 1)]


def test_alarm_rings_only_after_so_many_epochs_in_a_row():
    alarm = Alarm("loss", 0.1, 3)
    for quiet in (
        epochs(0.0, 0.0),
        epochs(0.0, 0.0, 0.2),
        epochs(0.0, 0.2, 0.0, 0.0),
        epochs(0.0, 0.0, None),
        [],
    ):
        alarm.check(quiet)
    with pytest.raises(TrainingError, match=r"\(0.05, 0.01, 0\), stopped at epoch 4"):
        alarm.check(epochs(5.0, 0.05, 0.01, 0.0))


def test_alarm_configuration_is_read_and_checked():
    assert build_alarms({"loss": [0.1, 2], "code_usage": None}) == [Alarm("loss", 0.1, 2)]
    for wrong in (0.1, [0.1], [0.1, 0]):
        with pytest.raises(ConfigError, match="loss must be"):
            build_alarms({"loss": wrong})


def test_history_forgets_epochs_that_are_trained_again(tmp_path):
    history = History(tmp_path / "history.json")
    for epoch in (1, 2, 3):
        history.append(epoch, {"loss": 1.0 / epoch, "grad_norm": float("nan")}, {"loss": 1.0})
        history.write()
    resumed = History(tmp_path / "history.json")
    resumed.resume(2)
    assert [entry["epoch"] for entry in resumed.epochs] == [1, 2]
    assert resumed.epochs[0]["train"]["grad_norm"] is None
    assert [p.name for p in tmp_path.iterdir()] == ["history.json"]
    resumed.resume(0)
    assert resumed.epochs == []


def test_epoch_is_described_in_one_line():
    train = {
        "loss": 4.2104,
        "acc_masked": 0.1302,
        "target_perplexity": 120.4,
        "code_usage": 0.8,
        "frames_per_sec": 15234.0,
        "data_wait_share": 0.012,
        "iter_time": 0.1,
    }
    assert describe(3, 20, train, {"loss": 4.5}) == (
        "epoch 3/20 loss 4.210 acc 0.130 target ppl 120 usage 0.80 frames/s 15k wait 1 % "
        "| valid loss 4.500"
    )


def test_bad_batches_stop_only_in_a_row_and_do_not_fill_the_disk(tmp_path):
    bad = BadBatches(tmp_path / "bad", max_in_row=3, max_files=2, rank=1)
    batch = (["u1", "u2"], {"x": torch.arange(6.0)[::2], "utt_id": ["u1", "u2"]})
    for step in range(5):
        bad.bad_step([(step, batch)], epoch=1, reason="non-finite loss")
        bad.good_step()
    assert sorted(p.name for p in (tmp_path / "bad").iterdir()) == [
        "epoch1_batch0_rank1.safetensors",
        "epoch1_batch1_rank1.safetensors",
    ]
    bad.bad_step([(1, batch)], 2, "non-finite loss")
    bad.bad_step([(2, batch)], 2, "non-finite loss")
    with pytest.raises(TrainingError, match=r"3 bad steps in a row.*u1, u2"):
        bad.bad_step([(3, batch)], 2, "non-finite loss")


def test_finite_batches_are_told_from_others():
    assert is_finite_batch({"x": torch.ones(2), "n": torch.tensor([1])})
    assert not is_finite_batch({"x": torch.tensor([1.0, float("inf")])})


def test_polynomial_decay_is_the_published_schedule():
    from codec_ssl.train.schedulers import NAME, PolynomialDecayLR, register

    table: dict[str, type] = {}
    register(table)
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))], lr=5e-4)
    schedule = table[NAME](optimizer, warmup_steps=32, max_steps=400)
    assert isinstance(schedule, PolynomialDecayLR)
    rates = []
    for _ in range(450):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    for update in (1, 16, 32):
        assert rates[update - 1] == pytest.approx(5e-4 * update / 32)
    for update in (33, 200, 399):
        assert rates[update - 1] == pytest.approx(5e-4 * (400 - update) / 368)
    assert rates[399] == rates[-1] == 0.0
    with pytest.raises(ValueError, match="warmup_steps"):
        PolynomialDecayLR(optimizer, warmup_steps=10, max_steps=10)


def test_tri_stage_of_espnet_is_that_of_dinosr():
    """3 % linear warmup from 1 % of the peak, 47 % constant, 50 % exponential decay to 5 %."""
    from espnet2.tasks.abs_task import scheduler_classes

    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    schedule = scheduler_classes["tristagelr"](
        optimizer,
        max_steps=1000,
        warmup_ratio=0.03,
        hold_ratio=0.47,
        decay_ratio=0.5,
        final_lr_scale=0.05,
    )
    rates = []
    for _ in range(1000):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates[14] == pytest.approx(0.01 + 0.99 * 15 / 30)
    assert rates[100] == rates[400] == 1.0
    assert rates[749] == pytest.approx(0.05**0.5)
    assert rates[999] == pytest.approx(0.05)


def test_history_is_json_that_other_programs_read(tmp_path):
    history = History(tmp_path / "history.json")
    history.append(1, {"loss": float("inf")}, {})
    history.write()
    assert json.loads((tmp_path / "history.json").read_text()) == [
        {"epoch": 1, "train": {"loss": None}, "valid": {}}
    ]
