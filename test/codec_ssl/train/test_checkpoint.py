"""Promises about checkpoint files, loading weights, and mending an experiment directory."""

from pathlib import Path

import pytest
import torch
import yaml

from codec_ssl.errors import CheckpointError
from codec_ssl.train.checkpoint import (
    check_init_param,
    is_whole,
    load_state_strict,
    load_weights,
)
from codec_ssl.train.recovery import CheckpointKeeper

CRITERIA = [("valid", "loss", "min")]


def cut(path: Path, keep: str) -> None:
    size = path.stat().st_size
    path.write_bytes(
        path.read_bytes()[: {"0": 0, "1": 1, "half": size // 2, "all-1": size - 1}[keep]]
    )


def save_epoch(folder: Path, epoch: int, keeper: CheckpointKeeper) -> None:
    """Write what ESPnet writes at the end of an epoch; epoch 2 validates best."""
    keeper.rotate()
    model = {"w": torch.full((50, 50), float(epoch))}
    losses = {1: 3.0, 2: 1.0, 3: 2.0}
    stats = {e: {"valid": {"loss": losses[e]}} for e in range(1, epoch + 1)}
    torch.save(
        {"model": model, "reporter": {"epoch": epoch, "stats": stats}}, folder / "checkpoint.pth"
    )
    torch.save(model, folder / f"{epoch}epoch.pth")
    for link in ("latest.pth", "valid.loss.best.pth"):
        if link == "latest.pth" or epoch < 3:
            (folder / link).unlink(missing_ok=True)
            (folder / link).symlink_to(f"{epoch}epoch.pth")


@pytest.fixture
def exp(tmp_path: Path) -> tuple[Path, CheckpointKeeper]:
    keeper = CheckpointKeeper(tmp_path, CRITERIA)
    for epoch in (1, 2, 3):
        save_epoch(tmp_path, epoch, keeper)
    config = {"best_model_criterion": [list(c) for c in CRITERIA], "target": "online"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    return tmp_path, keeper


def weight(path: Path) -> float:
    return float(torch.load(path, weights_only=True)["w"][0, 0])


@pytest.mark.parametrize("keep", ["0", "1", "half", "all-1"])
def test_truncated_file_is_not_whole(exp, keep):
    folder, _ = exp
    assert is_whole(folder / "checkpoint.pth")
    cut(folder / "checkpoint.pth", keep)
    assert not is_whole(folder / "checkpoint.pth")


def test_one_flipped_bit_is_not_whole(exp):
    path = exp[0] / "checkpoint.pth"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    assert not is_whole(path)


@pytest.mark.parametrize("keep", ["0", "1", "half", "all-1"])
def test_damaged_checkpoint_falls_back_and_says_what_is_lost(exp, keep, caplog):
    folder, keeper = exp
    cut(folder / "checkpoint.pth", keep)
    assert keeper.repair() == 2
    assert "epoch 3 is lost" in caplog.text
    assert not (folder / "3epoch.pth").exists()
    assert weight(folder / "latest.pth") == weight(folder / "valid.loss.best.pth") == 2.0


def test_kill_between_rename_and_write_falls_back(exp, caplog):
    _folder, keeper = exp
    keeper.rotate()
    assert keeper.repair() == 3
    assert "missing: falling back" in caplog.text


def test_healthy_directory_stays_as_it_is(exp):
    folder, keeper = exp
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert keeper.repair() == 3
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_weights_of_the_epoch_and_links_are_made_again(exp, damage):
    folder, keeper = exp
    (folder / "3epoch.pth").unlink() if damage == "missing" else cut(folder / "3epoch.pth", "half")
    (folder / "latest.pth").unlink()
    (folder / "valid.loss.best.pth").unlink()
    (folder / "valid.loss.best.pth").symlink_to("9epoch.pth")
    keeper.repair()
    assert weight(folder / "latest.pth") == 3.0
    assert weight(folder / "valid.loss.best.pth") == 2.0


def test_first_epoch_lost_starts_anew(tmp_path, caplog):
    keeper = CheckpointKeeper(tmp_path, CRITERIA)
    assert keeper.repair() == 0
    (tmp_path / "checkpoint.pth").write_bytes(b"half")
    assert keeper.repair() == 0
    assert "first epoch is lost" in caplog.text
    assert not keeper.exists()


def test_two_damaged_checkpoints_are_not_silently_trained_over(exp):
    folder, keeper = exp
    cut(folder / "checkpoint.pth", "half")
    cut(folder / "checkpoint.prev.pth", "half")
    with pytest.raises(CheckpointError, match="is no whole checkpoint either"):
        keeper.repair()


def test_unwritten_checkpoint_is_noticed_at_once(exp):
    folder, keeper = exp
    keeper.confirm(3)
    cut(folder / "checkpoint.pth", "all-1")
    with pytest.raises(CheckpointError, match="is the disk full"):
        keeper.confirm(3)


def test_load_weights_by_latest_best_epoch_and_name(exp):
    folder, _ = exp
    for which, epoch in (("latest", 3), ("best", 2), (1, 1), ("1", 1), ("valid.loss.best", 2)):
        config, state = load_weights(folder, which)
        assert config["target"] == "online"
        assert state["w"][0, 0] == epoch
    with pytest.raises(CheckpointError, match=r"7epoch\.pth.*1epoch, 2epoch"):
        load_weights(folder, 7)
    with pytest.raises(CheckpointError, match=r"no weight starts with 'codec2vec\.'; first: w"):
        load_weights(folder, prefix="codec2vec.")
    with pytest.raises(CheckpointError, match=r"config\.yaml"):
        load_weights(folder / "nowhere")


def test_checkpoint_that_would_run_code_is_refused(exp):
    folder, _ = exp
    torch.save({"w": Path("x")}, folder / "3epoch.pth")
    with pytest.raises(CheckpointError, match="plain tensors"):
        load_weights(folder)


def test_strict_loading_names_every_key_that_does_not_fit():
    model = torch.nn.Linear(3, 4)
    state = {"weight": torch.zeros(4, 2), "biases": torch.zeros(4)}
    before = model.weight.clone()
    with pytest.raises(CheckpointError) as error:
        load_state_strict(model, state, "a.pth")
    for part in ("a.pth", "1 missing: bias", "1 unexpected: biases", "weight (4, 2) for (4, 3)"):
        assert part in str(error.value)
    assert torch.equal(model.weight, before)


@pytest.mark.parametrize(
    ("spec", "fits"),
    [
        ("{a}", True),
        ("{a}:0:0", True),
        ("{a}:0:1", False),
        ("{b}", False),
        ("{b}::0", True),
        ("{a}:::0", True),
        ("{a}:1", False),
    ],
)
def test_init_param_must_fill_what_it_names(tmp_path, spec, fits):
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    a, b = tmp_path / "a.pth", tmp_path / "b.pth"
    torch.save(model.state_dict(), a)
    torch.save(model[0].state_dict(), b)
    if fits:
        check_init_param(model, spec.format(a=a, b=b))
        return
    with pytest.raises(CheckpointError, match="doesn't fit the model"):
        check_init_param(model, spec.format(a=a, b=b))
