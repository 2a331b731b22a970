"""Tables of error rates in noise, from hand-made results."""

import pytest
from matplotlib.axes import Axes
from PIL import Image

from codec_ssl.bin import robustness_table
from codec_ssl.errors import DataError
from codec_ssl.report import robustness
from codec_ssl.report.markdown import write_report
from codec_ssl.report.results import Result, write_results
from codec_ssl.report.robustness import Condition, condition_of, systems_of, tables


def wer(value, name, exp="exp/codes", interval=None, metric="wer"):
    return Result(metric, value, "fraction", {"set": name, "exp": exp}, interval)


@pytest.mark.parametrize(
    ("name", "clean", "snr"),
    [
        ("test", "test", None),
        ("test_clean_snr5", "test_clean", 5),
        ("test_snr2.5", "test", 2.5),
        ("test_snr-5", "test", -5),
        ("test_snr_5", "test", -5),
        ("snr5", "snr5", None),
        ("test_snr5_far", "test_snr5_far", None),
    ],
)
def test_a_sets_name_tells_its_ratio(name, clean, snr):
    assert condition_of(name) == Condition(clean, snr)


def test_systems_are_rows_and_conditions_columns():
    codes = [
        wer(0.1, "test", interval=(0.05, 0.154)),
        wer(0.45, "test_snr0"),
        wer(0.2, "test_snr10"),
        wer(0.3, "test_snr5"),
        wer(0.9, "test_snr5", metric="cer"),
        wer(0.7, "other"),
    ]
    mel = [wer(0.12, "test", "exp/mel"), wer(0.6, "test_snr0", "exp/mel")]
    found = tables({"codes": codes, "log-mel": mel})
    assert found == {
        "test": [
            ["system", "clean", "10 dB", "5 dB", "0 dB"],
            ["codes", "10.0 [5.0, 15.4]", "20.0", "30.0", "45.0"],
            ["log-mel", "12.0", "–", "–", "60.0"],
        ]
    }
    assert tables({"codes": codes}, "cer") == {
        "test": [["system", "clean", "5 dB"], ["codes", "–", "90.0"]]
    }
    assert tables({"codes": [wer(0.7, "other")]}) == {}


def test_curves_are_the_means_of_runs_from_most_noise_to_least(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(Axes, "plot", lambda _, x, y, **__: drawn.append((x, y)))
    monkeypatch.setattr(Axes, "legend", lambda *_, **__: None)
    runs = [wer(0.1, "t_snr5", "a"), wer(0.2, "t_snr5", "b"), wer(0.6, "t_snr-5", "a")]
    assert robustness.draw({"codes": [*runs, wer(0.05, "t")]}, tmp_path / "a.png")
    (drawn_x, drawn_y), *others = drawn
    assert drawn_x == [-5, 5] and drawn_y == pytest.approx([60, 15]) and not others
    assert not robustness.draw({"codes": [wer(0.05, "t")]}, tmp_path / "b.png")
    assert not (tmp_path / "b.png").exists()


def test_runs_of_a_system_are_averaged_and_one_read_twice_counts_once():
    runs = [wer(0.1, "t_snr5", "a"), wer(0.2, "t_snr5", "b"), wer(0.1, "t_snr5", "a")]
    assert tables({"codes": runs})["t"][1] == ["codes", "–", "15.0±7.1"]
    with pytest.raises(DataError, match=r"one wer of a on t_snr5, found 0.1 and 0.3"):
        tables({"codes": [*runs, wer(0.3, "t_snr5", "a")]})
    twice = [wer(0.1, "other", "a"), wer(0.2, "other", "a")]  # two decodings, but not of noise
    assert list(tables({"codes": [*runs, *twice]})) == ["t"]
    assert list(systems_of([wer(0.1, "t", "x/one/"), wer(0.1, "t", "x/two")])) == ["one", "two"]


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """Scores of two runs of codes and one of mel, a file a set, as a recipe leaves them."""
    root = tmp_path_factory.mktemp("scored")
    numbers = {"codes_1": (0.1, 0.3), "codes_2": (0.2, 0.5), "mel": (0.15, 0.6)}
    for exp, values in numbers.items():
        for name, value in zip(("test", "test_snr0"), values, strict=True):
            path = root / f"exp/{exp}/score_{name}/results.json"
            interval = (value - 0.05, value + 0.05)
            results = [
                wer(value, name, f"exp/{exp}", interval),
                wer(value / 2, name, f"exp/{exp}", metric="cer"),
            ]
            write_results(path, results, 1.0)
    return root


def test_the_command_tabulates_what_it_finds(scored, tmp_path, call, capsys):
    call(robustness_table, scored / "exp", "--format", "markdown", "--out", tmp_path / "table")
    shown = capsys.readouterr().out
    lines = shown.splitlines()
    assert lines[0] == "**WER of test, %, by the ratio of speech to noise**"
    assert lines[2] == "| system | clean | 0 dB |"
    assert lines[4] == "| codes_1 | 10.0 [5.0, 15.0] | 30.0 [25.0, 35.0] |"
    assert (tmp_path / "table/robustness.md").read_text() == shown
    with Image.open(tmp_path / "table/robustness.png") as picture:
        picture.load()
    assert "codes_2" in (tmp_path / "table/robustness.txt").read_text()
    named = [f"codes={scored}/exp/codes_{run}" for run in (1, 2)]
    call(robustness_table, *named, f"mel={scored}/exp/mel", "--metric", "cer", "--sets", "test")
    shown = capsys.readouterr().out
    assert [line.split() for line in shown.splitlines()[4:6]] == [
        ["codes", "7.5±3.5", "20.0±7.1"],
        ["mel", "7.5", "30.0"],
    ]


def test_results_that_are_not_there_are_errors(scored, call):
    with pytest.raises(DataError, match="of score_asr, found none"):
        call(robustness_table, scored / "nothing")
    with pytest.raises(DataError, match="noisy copies of dev, found those of: test"):
        call(robustness_table, scored / "exp", "--sets", "dev")
    with pytest.raises(DataError, match="noisy copies of a set, found those of: none"):
        call(robustness_table, scored / "exp/mel/score_test")


def test_a_report_shows_the_table(scored, tmp_path):
    files = sorted((scored / "exp").rglob("results.json"))
    text = write_report(tmp_path, files, {}, {}).read_text()
    assert "## Robustness to noise: test, WER in %" in text
    assert "| mel | 15.0 [10.0, 20.0] | 60.0 [55.0, 65.0] |" in text
    assert "## Robustness to noise: test, CER in %" in text
    assert "(robustness_wer.png)" in text and (tmp_path / "robustness_cer.png").stat().st_size


def test_a_report_of_two_decodings_says_why_it_has_no_table(scored, tmp_path):
    again = tmp_path / "beam_20/results.json"
    write_results(again, [wer(0.5, "test_snr0", "exp/mel")], 1.0)
    files = [*(scored / "exp").rglob("results.json"), again]
    text = write_report(tmp_path / "report", files, {}, {}).read_text()
    assert "No table of robustness to noise: mel: expected one wer of exp/mel on test_snr0" in text
