"""Recognisers beside each other: rows are experiments, tables are test sets."""

from codec_ssl.report.recognition import tables
from codec_ssl.report.results import Result


def scored(exp, metric, value, name="test", interval=None, **more):
    told = {"exp": exp, "set": name, "input": "codec", **more}
    return Result(metric, value, "fraction", told, interval)


def test_experiments_stand_in_rows_and_sets_in_tables():
    found = tables(
        [
            scored("exp/codes", "wer", 0.102, interval=(0.05, 0.2)),
            scored("exp/codes", "cer", 0.05),
            scored("exp/codes", "real_time_factor", 0.01234),
            scored("exp/mel", "wer", 0.08, input="audio"),
            scored("exp/codes", "wer", 0.5, name="unseen"),
            scored("exp/codes", "wer", 0.9, name="test_snr5"),
            scored("exp/codes", "wer_by_lang", 0.9, lang="en"),
            Result("wer", 0.3, "fraction", {"tokenizer": "kmeans", "set": "test"}),
        ]
    )
    assert found == {
        "test": [
            ["", "input", "WER, %", "CER, %", "real-time factor"],
            ["codes", "codec", "10.2 [5.0, 20.0]", "5.0", "0.0123"],
            ["mel", "audio", "8.0", "–", "–"],
        ],
        "unseen": [["", "input", "WER, %"], ["codes", "codec", "50.0"]],
    }


def test_runs_of_one_name_are_averaged():
    runs = [scored(f"seed{n}/codes", "wer", value) for n, value in enumerate((0.1, 0.2))]
    [_, row] = tables(runs)["test"]
    assert row == ["codes", "codec", "15.0 ± 7.1"]
