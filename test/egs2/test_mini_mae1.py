"""egs2/mini/mae1 end to end at its smallest size: an encoder before and after self-training."""

import json
from pathlib import Path

import pytest
import torch
from recipes import MAE1, finish_recipe

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(2400)]


@pytest.fixture
def finished(mini_mae1: Path) -> Path:
    return mini_mae1


def test_both_trainings_learn_and_are_encoders(finished: Path):
    from codec_ssl.features.factory import make_encoder

    for name in ("pretrain", "selftrain"):
        history = json.loads((finished / "exp" / name / "history.json").read_text())
        assert all(0.45 < epoch["train"]["masked_fraction"] <= 0.5 for epoch in history)
        encoder = make_encoder(str(finished / "exp" / name), None, "cpu")
        assert (encoder.sample_rate, encoder.num_layers) == (24000, 3)
        found, frames = encoder.encode(torch.randn(1, 24000), torch.tensor([24000]), [3])
        assert found[3].shape[:2] == (1, 75) and frames.tolist() == [75]
    first = json.loads((finished / "exp" / "pretrain" / "history.json").read_text())
    assert first[-1]["valid"]["loss"] < first[0]["valid"]["loss"]


def test_self_training_begins_with_the_encoder_that_made_the_labels(finished: Path):
    from codec_ssl.tokens.store import TokenStore
    from codec_ssl.train.checkpoint import load_weights

    labels = TokenStore(finished / "dump" / "labels" / "train")
    config, after = load_weights(finished / "exp" / "selftrain", prefix="encodecmae.")
    _, before = load_weights(finished / "exp" / "pretrain", prefix="encodecmae.")
    assert labels.meta.maker["layer"] == 2 and labels.meta.sizes == [32]
    assert config["target_conf"]["num_classes"] == 32
    assert "heads.codes.weight" not in " ".join(after)
    near = torch.cosine_similarity(
        before["projection.weight"].flatten(), after["projection.weight"].flatten(), 0
    )
    assert near > 0.9


def test_the_report_has_hours_curves_and_use_of_codes_and_labels(finished: Path):
    report = (finished / "exp" / "report" / "REPORT.md").read_text()
    for word in ("hours", "pretrain", "selftrain", "codes", "labels"):
        assert word in report
    assert len(list((finished / "exp" / "report").rglob("*.png"))) >= 3


def test_second_run_does_nothing_and_says_so(finished: Path):
    files = sorted(p for p in finished.rglob("*") if p.is_file())
    before = {p: p.stat().st_mtime_ns for p in files}
    assert "nothing to do: every stage is current" in finish_recipe("mini/mae1", finished, *MAE1)
    assert {p: p.stat().st_mtime_ns for p in files} == before
