"""The table of a synthesis, its pictures, and both in a report."""

import numpy as np

from codec_ssl.report.markdown import write_report
from codec_ssl.report.results import Result, write_results
from codec_ssl.report.tts import Contour, draw_durations, draw_pitch, table


def results(name, accuracy):
    told, by_stream = {"set": name, "target": "codes"}, "code_accuracy_by_stream"
    return [
        Result("code_accuracy", accuracy, "fraction", told, (accuracy - 0.1, accuracy + 0.1)),
        Result("duration_error", 21.04, "ms", told),
        *(Result(by_stream, accuracy / n, "fraction", {**told, "stream": n}) for n in (1, 2)),
    ]


def test_sets_are_rows_and_streams_columns():
    rows = table([*results("valid", 0.5), *results("test", 0.25)])
    assert rows == [
        ["set", "codes, %", "duration error, ms", "stream 1", "stream 2"],
        ["valid", "50.0 [40.0, 60.0]", "21.0", "50.0", "25.0"],
        ["test", "25.0 [15.0, 35.0]", "21.0", "25.0", "12.5"],
    ]
    assert table([Result("wer", 0.1, "fraction", {"set": "test"})]) == []
    rows = table([*results("valid", 0.5), Result("mel_l1", 0.3, "log10", {"set": "other"})])
    assert rows[2] == ["other", "–", "0.300", "–", "–", "–"]


def test_a_report_shows_the_table_and_the_pictures_beside_the_results(tmp_path):
    folder = tmp_path / "exp/codes/evaluate_test"
    write_results(folder / "results.json", [*results("test", 0.5)], 1.0)
    rng = np.random.default_rng(0)
    draw_durations(rng.uniform(0, 90, 30), rng.uniform(0, 90, 30), np.arange(30) < 3,
                   folder / "durations.png")  # fmt: skip
    seconds = np.arange(10) / 50
    f0 = np.where(np.arange(10) % 2, 120.0, 0.0)
    borders = np.array([0.0, 0.1, 0.2])
    pair = np.array([100.0, np.nan]), np.array([110.0, np.nan])
    draw_pitch([Contour("u1", seconds, f0, borders, *pair)], folder / "pitch.png")
    report = write_report(tmp_path / "exp/report", [folder / "results.json"], {}, {}, "A report")
    text = report.read_text()
    assert "| test | 50.0 [40.0, 60.0] | 21.0 | 50.0 | 25.0 |" in text
    assert "code_accuracy" not in text.split("## How it was made")[0]
    for name in ("durations", "pitch"):
        assert f"![{name}](../codes/evaluate_test/{name}.png)" in text
        assert (report.parent / f"../codes/evaluate_test/{name}.png").stat().st_size > 1000
