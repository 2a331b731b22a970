"""Pictures show what says something, and nothing else."""

import json

from PIL import Image, ImageChops

from codec_ssl.report import plots
from codec_ssl.report.markdown import write_report


def history(train, valid=(), lengths=3):
    """Epochs of figures that change from epoch to epoch (a list) or do not (a number)."""

    def at(figures, epoch):
        return {k: v[epoch] if isinstance(v, list) else v for k, v in dict(figures).items()}

    return [{"epoch": n + 1, "train": at(train, n), "valid": at(valid, n)} for n in range(lengths)]


SILENT = {"clip": 0.0, "loss_scale": 1.0, "feat_match_loss": 0.0, "train_time": [3.0, 3.1, 2.9]}
JUDGED = {
    "loss": 2.0,
    "acc_masked": 0.0,
    "pred_perplexity": 1.0,
    "code_usage": 0.5,
    "optim0_lr0": 0.001,
    "frames_per_sec": 100.0,
}
VARIED = {"mel_loss": [0.5, 0.4, 0.3], "grad_norm": [1.0, None, 2.0]}


def test_a_picture_is_the_one_of_the_figures_that_say_something(tmp_path):
    valid = {"loss": 2.0, "feat_match_loss": 0.0}
    full = {"a": history({**SILENT, **JUDGED, **VARIED}, valid), "b": history({**SILENT, **JUDGED})}
    told = {"a": history({**JUDGED, **VARIED}, {"loss": 2.0}), "b": history(JUDGED)}
    plots.training_curves(full, tmp_path / "full.png")
    plots.training_curves(told, tmp_path / "told.png")
    with Image.open(tmp_path / "full.png") as left, Image.open(tmp_path / "told.png") as right:
        assert left.size == right.size
        assert ImageChops.difference(left.convert("RGB"), right.convert("RGB")).getbbox() is None
    assert plots.telling_figures(full) == ["loss", *sorted({**JUDGED, **VARIED}.keys() - {"loss"})]


def test_what_differs_between_runs_or_parts_says_something():
    runs = {"a": history({"clip": 0.0}), "b": history({"clip": 0.1})}
    assert plots.telling_figures(runs) == ["clip"]
    assert plots.telling_figures({"a": history({"x": 0.5}, {"x": 0.6})}) == ["x"]


def test_one_epoch_shows_its_figures_but_those_that_are_zero():
    runs = {"a": history({"mel_loss": 0.3, "clip": 0.0}, lengths=1)}
    assert plots.telling_figures(runs) == ["mel_loss"]


def test_a_report_leaves_out_the_picture_of_runs_that_say_nothing(tmp_path):
    path = tmp_path / "history.json"
    path.write_text(json.dumps(history(SILENT)))
    text = write_report(tmp_path / "out", [], {"run": path}, {}, "Toy").read_text()
    assert "Training" not in text
    assert not list((tmp_path / "out").glob("*.png"))
