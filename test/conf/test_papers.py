"""Every row of every paper names a recipe and a config of this repository, and known numbers."""

import pytest

from codec_ssl.report.codec_metrics import GROUPS, METRICS
from codec_ssl.report.paper_table import PAPERS, check, load_paper

CODECS = PAPERS.parent / "codecs"
NAMES = sorted(path.stem for path in PAPERS.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_rows_name_recipes_and_configs_that_exist(name):
    assert check(load_paper(name)) == []


def values(table, column, paper="codec2vec"):
    rows = load_paper(paper).table(table).rows
    return [row.published[column].value if column in row.published else None for row in rows]


def test_codec2vec_table_one_is_as_known():
    # HuBERT, DinoSR, then Codec2Vec with HuBERT labels, reconstruction, iterative, online.
    assert values("I", "PR") == [5.4, None, 5.2, 19.6, 5.5, 4.2]
    assert values("I", "ASR") == [6.4, 4.7, 6.9, 13.9, 7.2, 6.2]
    assert values("I", "KS") == [96.3, None, 96.7, None, None, 96.7]
    assert values("I", "IC") == [98.3, None, None, 78.3, 97.1, 98.4]
    assert values("I", "SF-F1") == [88.5, None, 88.6, None, 88.9, None]
    assert values("I", "SF-CER") == [25.2, None, 24.5, None, 24.1, None]
    assert values("I", "SD") == [5.9, None, None, None, 5.5, None]
    assert values("I", "SV") == [5.1, 5.5, 5.1, None, 5.2, 6.0]
    assert values("I", "ER") == [None, None, None, None, 65.4, None]


def test_codec2vec_costs_agree_with_their_ratios():
    sizes, hours = values("II", "data GB"), values("II", "GPU hours")
    assert (sizes, hours) == ([60.4, 3.6], [830, 356])
    # The paper rounds 60.4 / 3.6 = 16.8 to 16.5 (which needs 3.66) and 830 / 356 = 2.33 to 2.3.
    assert sizes[0] / sizes[1] == pytest.approx(values("II", "smaller by")[1], rel=0.02)
    assert hours[0] / hours[1] == pytest.approx(values("II", "faster by")[1], rel=0.02)


def test_codec2vec_table_three_is_as_known():
    assert values("III", "PR") == [5.2, 6.0]
    assert values("III", "SF-F1") == [88.6, 87.9]
    assert values("III", "SF-CER") == [24.5, 26.3]
    assert values("III", "SV") == [5.1, 6.2]


def repcodec(table, row):
    """A row of RepCodec's table as a list; published bounds count as the bound."""
    [found] = [each for each in load_paper("repcodec").table(table).rows if each.name == row]
    return [published.value for published in found.published.values()]


def test_repcodec_has_its_eleven_tables():
    names = ["1", "2a", "2b", "2c", "2d", "3", "4", "5", "7", "8", "9", "10", "11"]
    tables = load_paper("repcodec").tables
    # Table 6 is the architecture; 2 comes in four parts.
    assert sorted(tables, key=names.index) == names


def test_repcodec_error_rates_are_as_known():
    row = [9.93, 4.11, 4.87, 5.39, 12.89, 13.12, 5.73, 4.02, 5.15, 2.87, 5.04, 5.01]
    assert repcodec("1", "RepCodec 0.5 kbps") == row
    row = [10.83, 6.14, 6.57, 7.23, 100, 100, 6.36, 5.0, 5.97, 4.55, 9.52, 9.97]
    assert repcodec("1", "k-means 0.5 kbps") == row
    row = [9.38, 3.96, 4.71, 5.01, 12.03, 12.36, 5.40, 3.76, 5.04, 2.12, 4.72, 4.75]
    assert repcodec("7", "RepCodec 0.5 kbps") == row
    assert repcodec("2c", "RepCodec") == [4.14, 4.02, 3.89, 4.03]
    assert repcodec("2d", "VQ") == [10.55, 13.83, 10.42]
    assert repcodec("10", "RepCodec") == [8.78, 14.97, 9.42]
    assert repcodec("8", "RepCodec p(s,y)") == [6.70, 6.47, 6.77, 6.30]
    assert values("11", "WER", "repcodec") == [2.91, 2.87, 2.83]


def test_repcodec_numbers_that_stand_in_two_tables_agree():
    rows = {name: repcodec("1", f"{name} 0.5 kbps") for name in ("k-means", "VQ", "RepCodec")}
    for name, row in rows.items():
        hubert, data2vec = row[7], row[9]
        assert repcodec("2c", name)[1] == hubert
        assert repcodec("8", f"{name} p(y|s)")[::2] == [hubert, data2vec]
    # 4.02 in one table is 4.03 in two others.
    assert repcodec("2b", "RepCodec (1 VQ)") == [4.03, rows["RepCodec"][9]]
    assert repcodec("2a", "RepCodec (100 h)") == repcodec("2b", "RepCodec (1 VQ)")


def test_repcodec_pnmi_grows_with_the_length_of_the_n_gram():
    kmeans, ours = repcodec("5", "k-means"), repcodec("5", "RepCodec")
    assert kmeans == [0.63, 0.73, 0.82, 0.89] and ours == [0.35, 0.82, 0.99, 0.999]


def test_codec_asr_has_the_one_number_that_was_found():
    tables = load_paper("codec_asr").tables
    found = [
        cell.value for t in tables.values() for row in t.rows for cell in row.published.values()
    ]
    assert found == [21]


def test_codecs_generalize_numbers_are_those_that_could_be_found():
    paper = "codecs_generalize"
    english = load_paper(paper).table("1-en").rows[0]
    found = {name: published.value for name, published in english.published.items()}
    assert found == {"PESQ": 2.85, "DNSMOS": 3.14, "SPK-SIM": 0.91}
    # English, Multilingual, Multilingual+Audio; then the authors' weights of each, to be scored.
    assert values("2", "MCD", paper) == [7.32, None, 5.53, None, None, None]
    assert values("2", "CI-SDR", paper)[:3] == [-10.25, None, -7.31]
    assert values("counts", "de+es best", paper)[:3] == [15, 2, None]
    assert values("counts", "de+es worst", paper)[:3] == [0, 16, None]
    assert values("counts", "speech best", paper)[:3] == [None, None, 6]
    assert values("counts", "non-speech worst", paper)[:3] == [2, None, 0]
    # Eleven metrics in two languages name 22 best: five are left for the third codec.
    assert sum(filter(None, values("counts", "de+es best", paper))) <= 22
    codecs = {row.match["codec"] for row in load_paper(paper).table("2").rows[3:]}
    assert codecs == {path.stem for path in CODECS.glob("soundstream_16k*.yaml")}


def test_codecs_generalize_has_the_metrics_of_evaluate_codec():
    tables = load_paper("codecs_generalize").tables
    for name, group in (("1-en", "speech"), ("1-de", "speech"), ("2", "audio"), ("3-es", "tts")):
        columns = tables[name].columns
        assert {column.metric for column in columns} == set(GROUPS[group])
        for column in columns:
            metric = METRICS[column.metric]
            assert column.better == metric.better
            assert column.unit in (metric.unit, "percent" if metric.unit == "fraction" else "")
