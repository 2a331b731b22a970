"""The report shows every number, its best layer in bold, and links pictures that are there."""

import json
import re

import numpy as np
import pytest
import toy_corpus
from PIL import Image

from codec_ssl.errors import DataError, TokenError
from codec_ssl.report.layers import curves, metrics_of
from codec_ssl.report.markdown import find_histories, find_result_files, write_report
from codec_ssl.report.results import Result, write_results


def layers(system, values, metric="phone_accuracy", role="model", exp="a"):
    return [
        Result(
            metric,
            value,
            "fraction",
            {"system": system, "role": role, "layer": layer, "exp": exp, "majority": 0.1},
            (value - 0.02, value + 0.02),
        )
        for layer, value in enumerate(values)
    ]


@pytest.fixture
def expdir(tmp_path):
    results = [
        *layers("cluster", [0.3, 0.6, 0.5]),
        *layers("cluster", [0.3, 0.7, 0.5], exp="b"),
        *layers("codec", [0.4], role="baseline"),
        *layers("cluster", [0.2, 0.25, 0.2], metric="pnmi"),
        Result("storage", 2.59, "GB", {"system": "store"}),
    ]
    write_results(tmp_path / "exp" / "probe" / "results.json", results, 12, notes=["no speakers"])
    history = [
        {"epoch": n, "train": {"loss": 5 / n, "acc_masked": None if n == 1 else 0.1 * n},
         "valid": {"loss": 6 / n}}
        for n in (1, 2, 3)
    ]  # fmt: skip
    codec = [{"epoch": 1, "train": {"mel_loss": 0.3, "iter_time": 0.1}, "valid": {}}]
    (tmp_path / "exp" / "codec").mkdir()
    (tmp_path / "exp" / "codec" / "history.json").write_text(json.dumps(codec))
    (tmp_path / "exp" / "run one").mkdir()
    (tmp_path / "exp" / "run one" / "history.json").write_text(json.dumps(history))
    return tmp_path / "exp"


def report(expdir, tmp_path, stores=None):
    found = find_result_files(expdir)
    path = write_report(tmp_path / "out", found, find_histories(expdir), stores or {}, "Toy")
    return path.read_text(encoding="utf-8")


def test_best_layer_is_bold_and_runs_are_put_together(expdir, tmp_path):
    text = report(expdir, tmp_path)
    assert "| cluster | 30.0±0.0 | **65.0±7.1** | 50.0±0.0 |" in text
    assert "| codec | 40.0 |  |  |" in text
    assert "| cluster | **65.0±7.1** (L1) | **25.0** (L1) |" in text
    assert "| codec | 40.0 (L0) | – |" in text
    assert "cluster L1 [58.0, 72.0]" in text
    assert "most frequent class: 10.0" in text
    assert "- no speakers" in text
    assert "| storage | 2.59 | GB | system store |" in text
    assert "- revision: " in text


def test_every_picture_that_is_linked_is_a_readable_png(expdir, tmp_path):
    codes = {"u": np.random.default_rng(0).integers(32, size=(60, 2))}
    toy_corpus.write_store(tmp_path / "store", codes)
    text = report(expdir, tmp_path, {"dump/train": tmp_path / "store"})
    names = re.findall(r"!\[.*?\]\((.*?)\)", text)
    assert sorted(names) == [
        "phone_accuracy.png", "pnmi.png", "training_1.png", "training_2.png", "usage_dump_train.png"
    ]  # fmt: skip
    for name in names:
        with Image.open(tmp_path / "out" / name) as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 300
            assert len(picture.getcolors(1 << 20)) > 20


def test_histories_and_results_are_named_by_their_place(expdir):
    assert list(find_histories(expdir)) == ["codec", "run one"]
    assert [path.parent.name for path in find_result_files(expdir)] == ["probe"]


def test_accuracies_come_before_other_metrics():
    results = layers("a", [0.1], metric="pnmi") + layers("a", [0.1])
    assert metrics_of(results) == ["phone_accuracy", "pnmi"]


def test_a_tie_goes_to_the_lower_layer():
    assert curves(layers("a", [0.5, 0.7, 0.7]), "phone_accuracy")[0].best.layer == 1


def test_a_missing_store_or_damaged_history_is_named(expdir, tmp_path):
    with pytest.raises(TokenError, match="nowhere"):
        report(expdir, tmp_path, {"x": tmp_path / "nowhere"})
    (expdir / "run one" / "history.json").write_text("[")
    with pytest.raises(DataError, match="history"):
        report(expdir, tmp_path)
