"""Results of tokenizers, put together, tabulated and drawn."""

import pytest
from PIL import Image

from codec_ssl.report import tradeoff
from codec_ssl.report.markdown import write_report
from codec_ssl.report.results import Result, write_results
from codec_ssl.report.tokenizers import systems, tables


def result(metric, value, tokenizer="vq", unit="fraction", **scored):
    base = {"features": "hubert_l9", "sizes": "256", "set": "test", "tokenizer": tokenizer}
    return Result(metric, value, unit, {**base, **scored})


def quality(tokenizer, pnmi, error):
    loss = result("reconstruction_loss", error, tokenizer, "ratio")
    return [result("pnmi_1", pnmi, tokenizer), loss]


def test_a_tokenizer_is_one_column_with_the_mean_over_its_runs():
    results = [
        result("pnmi_1", 0.5, exp="a"),
        result("pnmi_1", 0.7, exp="b"),
        result("bitrate", 0.4, unit="kbps"),
        result("pnmi_1", 0.25, tokenizer="repcodec"),
    ]
    assert tables(results) == {
        "test": [
            ["", "vq", "repcodec"],
            ["features", "hubert_l9", "hubert_l9"],
            ["codebooks", "256", "256"],
            ["pnmi 1, %", "60.0", "25.0"],
            ["bitrate, kbps", "0.4", "–"],
        ]
    }


def test_parts_of_a_set_are_measures_of_their_own_and_not_averaged():
    results = [
        result("wer_by_lang", 0.1, lang="en"),
        result("wer_by_lang", 0.9, lang="fr"),
        result("wer", 0.5, tokenizer="continuous", sizes=None),
        result("wer", 0.5, tokenizer=None),
    ]
    assert tables(results)["test"][2:] == [
        ["codebooks", "256", ""],
        ["wer en, %", "10.0", "–"],
        ["wer fr, %", "90.0", "–"],
        ["wer, %", "–", "50.0"],
    ]


def test_sets_and_objectives_have_tables_of_their_own():
    results = [
        result("wer", 0.1, set="dev"),
        result("wer", 0.2, objective="p(y|s)"),
        result("wer", 0.3, objective="p(s,y)"),
        Result("other", 1.0, "ratio", {}),
    ]
    assert list(tables(results)) == ["dev", "test p(y|s)", "test p(s,y)"]


@pytest.mark.parametrize(
    ("name", "tokenizer", "epoch"),
    [("repcodec@12", "repcodec", 12), ("repcodec", "repcodec", None), ("a@b", "a@b", None)],
)
def test_an_epoch_is_told_from_a_name(name, tokenizer, epoch):
    (system,) = systems([result("pnmi_1", 0.5, name)])
    assert (system.tokenizer, system.epoch, system.name) == (tokenizer, epoch, name)


def panels(results, path):
    """Number of panels drawn, by the picture's width; 0: none."""
    if not tradeoff.draw(results, path):
        assert not path.exists()
        return 0
    with Image.open(path) as picture:
        return {840: 1, 1008: 2, 1512: 3}[picture.width]


def test_the_figure_draws_a_training_and_the_tokenizers_beside_one_another(tmp_path):
    methods = [*quality("vq", 0.6, 0.4), *quality("kmeans", 0.5, 0.5)]
    training = [*quality("repcodec@1", 0.5, 0.3), *quality("repcodec@2", 0.4, 0.2)]
    wer = [result("wer", 0.2, name, set="other") for name in ("vq", "kmeans")]
    assert panels(methods[:2], tmp_path / "one.png") == 0
    assert panels(methods, tmp_path / "methods.png") == 1
    assert panels(training, tmp_path / "training.png") == 1
    assert panels([*methods, *training], tmp_path / "both.png") == 2
    assert panels([*methods, *wer], tmp_path / "wer.png") == 3


def test_the_report_has_table_and_figure(tmp_path):
    results = [*quality("vq", 0.6, 0.4), *quality("kmeans", 0.5, 0.5)]
    write_results(tmp_path / "results.json", results, 1.0)
    report = write_report(tmp_path / "out", [tmp_path / "results.json"], {}, {}).read_text()
    assert "## Tokens of test" in report
    assert "| reconstruction loss | 0.4 | 0.5 |" in report
    assert "(tradeoff.png)" in report and (tmp_path / "out" / "tradeoff.png").exists()
