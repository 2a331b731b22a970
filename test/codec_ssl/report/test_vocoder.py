"""Tables of vocoders: rows are systems, kinds of speech are kept apart, dashes have reasons."""

from codec_ssl.report.codec_metrics import METRICS
from codec_ssl.report.markdown import find_result_files, write_report
from codec_ssl.report.paper_table import find_ours, load_paper
from codec_ssl.report.results import Result, read_results, write_results
from codec_ssl.report.vocoder import CONVERSION, RESYNTHESIS, SOURCE, TIMED, table

UNITS = {"features": "hubert_large_l18", "tokenizer": "repcodec", "sizes": "1024", "kbps": 0.5}
NOTE = "utmos: not scored: needs weights: --utmos names them"


def scored(system, speech, metric, value, interval=None, **more):
    told = {"codec": system, "speech": speech, "set": "test", "num_codebooks": None, **more}
    return Result(metric, value, METRICS[metric].unit, told, interval)


def test_systems_stand_in_rows_with_their_units_and_intervals():
    found = table(
        [
            scored("repcodec", RESYNTHESIS, "vde", 0.174, (0.16, 0.19), **UNITS),
            scored("repcodec", RESYNTHESIS, "speaker_similarity", 0.764, **UNITS),
            scored("encodec", RESYNTHESIS, "vde", 0.1, features="encodec", sizes="1024x1024"),
            scored("repcodec", TIMED, "speaker_similarity", 0.2, **UNITS),
            scored("repcodec", CONVERSION, "speaker_similarity", 0.3, **UNITS),
        ],
        RESYNTHESIS,
    )
    assert found == [
        ["system", "units", "kbps", "speaker similarity ↑", "VDE, % ↓"],
        ["repcodec", "hubert_large_l18, 1024", "0.5", "0.76", "17.4 [16.0, 19.0]"],
        ["encodec", "encodec, 1024x1024", "–", "–", "10.0"],
    ]


def test_converted_voices_are_compared_with_both_speakers():
    results = [
        scored("repcodec", CONVERSION, "speaker_similarity", 0.8, **UNITS),
        scored("repcodec", SOURCE, "speaker_similarity", 0.6, **UNITS),
        scored("original", CONVERSION, "speaker_similarity", 0.5),
    ]
    header, *rows = table(results, CONVERSION, missing={"wer"})
    assert header[3:] == ["WER, % ↓", "similarity to target ↑", "to source ↓"]
    assert [row[0] for row in rows] == ["original", "repcodec"]
    assert [row[3:] for row in rows] == [["–", "0.50", "–"], ["–", "0.80", "0.60"]]
    assert table(results, RESYNTHESIS) == []


def test_a_report_has_a_table_for_each_kind_and_the_reasons_of_dashes(tmp_path):
    kinds = {RESYNTHESIS: "vde", TIMED: "speaker_similarity", CONVERSION: "speaker_similarity"}
    for kind, metric in kinds.items():
        told = UNITS | {"maker": f"tracker of {kind}" if metric == "vde" else "resemblyzer"}
        results = [scored("kmeans", kind, metric, 0.25, (0.2, 0.3), **told)]
        write_results(tmp_path / f"exp/{kind}/results.json", results, 1.0, notes=[NOTE])
    write_report(tmp_path / "report", find_result_files(tmp_path / "exp"), {}, {})
    text = (tmp_path / "report/REPORT.md").read_text()
    for title in ("## Resynthesis: test", "## Voice conversion: test", "with predicted durations:"):
        assert title in text
    assert "25.0 [20.0, 30.0]" in text and text.count(NOTE) == 3
    assert text.count("F0 is found by tracker of resynthesis\n") == text.count("F0 is found") == 1
    # They are no codecs to be counted, nor tokenizers to be drawn.
    assert "## Codecs" not in text and "## Tokens" not in text


def test_the_papers_tables_find_ours(tmp_path):
    def files(results):
        write_results(tmp_path / "results.json", results, 1.0)
        return [read_results(tmp_path / "results.json")]

    lj = {"recipe": "egs2/ljspeech/voc1", "set": "ljspeech_test"}
    vctk = {"recipe": "egs2/vctk/voc1", "set": "vctk_test"}
    made = {"config": "conf/train_unit_hifigan.yaml"}
    books = {"features": "encodec_24k_1cb", "tokenizer": "encodec_24k_1cb", "sizes": "1024"}
    found = files(
        [
            scored("repcodec", RESYNTHESIS, "wer", 0.05, **UNITS, **made),
            scored("repcodec", RESYNTHESIS, "wer", 0.06, **{**UNITS, **made, **lj}),
            scored("repcodec", TIMED, "wer", 0.2, **{**UNITS, **made, **lj}),
            scored("repcodec", RESYNTHESIS, "wer", 0.07, **{**UNITS, **made, **vctk}),
            scored("repcodec", CONVERSION, "wer", 0.08, **{**UNITS, **made, **vctk}),
            scored("encodec_24k_1cb", RESYNTHESIS, "wer", 0.5, **{**books, **vctk}),
            scored("original", RESYNTHESIS, "wer", 0.03, **lj),
            scored("original", CONVERSION, "wer", 0.04, **vctk),
        ]
    )
    three = load_paper("repcodec").table("3")
    ours = {}
    for row in three.rows:
        cells = {column.name: find_ours(row, column, found) for column in three.columns}
        ours[row.name] = {name: round(cell.value, 1) for name, cell in cells.items() if cell}
    assert ours["RepCodec"] == {"LJ HuB-l18": 6.0, "VCTK HuB-l18": 7.0, "VC HuB-l18": 8.0}
    assert set(ours["EnCodec 1 RVQ 0.75 kbps"]) == {"VCTK HuB-l18", "VCTK d2v-l18", "VCTK Wh-l32"}
    assert ours["original"]["LJ HuB-l18"] == 3.0 and ours["original"]["VC HuB-l18"] == 4.0
    assert ours["k-means"] == {} and "VCTK HuB-l18" not in ours["original"]
