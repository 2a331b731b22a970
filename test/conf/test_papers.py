"""Every row of every paper names a recipe and a config of this repository, and known numbers."""

import pytest

from codec_ssl.report.paper_table import PAPERS, check, load_paper

NAMES = sorted(path.stem for path in PAPERS.glob("*.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_rows_name_recipes_and_configs_that_exist(name):
    assert check(load_paper(name)) == []


def values(table, column):
    rows = load_paper("codec2vec").table(table).rows
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
