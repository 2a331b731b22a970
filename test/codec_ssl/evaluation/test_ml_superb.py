"""ML-SUPERB's measures against counts by hand and against the published leaderboard."""

import pytest

from codec_ssl.errors import DataError
from codec_ssl.evaluation.asr_wer import align
from codec_ssl.evaluation.language_id import identify
from codec_ssl.evaluation.ml_superb import (
    SCORED,
    LanguageScores,
    group_of,
    language_table,
    monolingual_rate,
    superb_score,
    task_scores,
)

# arXiv 2406.06371: monolingual CER; multilingual CER, few-shot CER; language accuracy; of both
# together accuracy, CER, few-shot CER; and the SUPERB score, each in 10min and 1h.
LEADERBOARD = {
    "MMS-1B": (
        *((33.3, 25.7), (21.3, 18.1), (30.2, 30.8), (84.8, 86.1)),
        *((73.3, 74.8), (26.0, 25.5), (25.4, 24.8), (983.5, 948.1)),
    ),
    "mHuBERT-147": (
        *((34.2, 26.3), (23.6, 22.0), (33.2, 32.9), (85.3, 91.0)),
        *((81.4, 90.0), (26.2, 22.1), (34.9, 33.5), (949.8, 950.2)),
    ),
    "MMS-300M": (
        *((33.8, 30.5), (28.7, 24.0), (36.5, 36.5), (62.3, 84.3)),
        *((71.9, 74.3), (31.5, 30.0), (30.9, 29.2), (824.9, 844.3)),
    ),
    "NWHC1": (
        *((39.5, 30.5), (28.9, 21.5), (41.4, 38.6), (67.1, 87.4)),
        *((77.1, 90.6), (28.8, 21.5), (40.3, 38.2), (774.4, 876.9)),
    ),
    "XLS-R-300M": (
        *((39.7, 30.6), (29.2, 22.0), (40.9, 39.3), (66.9, 87.9)),
        *((55.6, 85.6), (28.4, 22.9), (42.1, 42.4), (730.8, 850.5)),
    ),
    "WavLabLM-large-MS": (
        *((40.5, 32.8), (37.8, 31.9), (43.8, 42.8), (71.7, 81.1)),
        *((70.8, 80.0), (37.0, 32.2), (43.4, 41.2), (707.5, 740.9)),
    ),
}
KEYS = [(task, metric) for task, metrics in SCORED.items() for metric in metrics]
LANGUAGES = {"a": "eng", "b": "eng", "c": "deu", "d": "epo"}
REFERENCES = {"a": "ONE TWO", "b": "TEN", "c": "EINS", "d": "TRI"}
HYPOTHESES = {"a": "[eng] ONE TO", "b": "[deu] TEN", "c": "EIN", "d": "[epo] TRIO [eng]"}


@pytest.fixture
def scores():
    spoken = {"a": "ONE TO", "b": "TEN", "c": "EIN", "d": "TRIO"}
    characters = align(REFERENCES, spoken, "character")
    return LanguageScores(LANGUAGES, characters, identify(LANGUAGES, HYPOTHESES))


@pytest.mark.parametrize("column", [0, 1], ids=["10min", "1h"])
@pytest.mark.parametrize("system", LEADERBOARD)
def test_the_superb_score_of_published_systems_is_as_published(system, column):
    *measures, published = (cell[column] for cell in LEADERBOARD[system])
    values = {key: percent / 100 for key, percent in zip(KEYS, measures, strict=True)}
    # To the digit that is printed, so the formula and both ends of its scale are the public ones.
    assert superb_score(values, ("10min", "1h")[column]) == pytest.approx(published, abs=0.06)


def test_a_score_of_fewer_tasks_is_no_superb_score():
    values = {("lid", "language_accuracy_normal"): 0.853, ("asr", "cer_normal"): 0.213}
    assert task_scores(values, "10min") == {"lid": pytest.approx(1000)}
    with pytest.raises(DataError, match="missing: cer of mono, cer_few_shot of asr, "):
        superb_score(values, "10min")


def test_rates_are_of_all_characters_of_a_group(scores):
    assert scores.members == {"deu": ["c"], "eng": ["a", "b"], "epo": ["d"]}
    assert scores.groups == {"normal": ["a", "b", "c"], "few_shot": ["d"]}
    rates = scores.rates()
    assert (rates["eng"].errors, rates["eng"].tokens) == (1, 10)
    assert (rates["deu"].errors, rates["deu"].tokens) == (1, 4)
    assert scores.characters.counts(scores.groups["normal"]).rate == pytest.approx(2 / 14)
    assert scores.mean_rate() == pytest.approx((1 / 10 + 1 / 4 + 1 / 3) / 3)
    assert group_of("epo") == "few_shot" and group_of("eng") == "normal"


def test_the_table_has_groups_then_languages(scores):
    header, _, *rows = language_table(scores).splitlines()
    assert header.split() == ["group", "#", "Snt", "#", "Chr", "CER", "LID", "mistaken", "for"]
    assert [row.split() for row in rows] == [
        ["normal", "3", "14", "14.3", "33.3"],
        ["few-shot", "1", "3", "33.3", "100.0"],
        ["lang", "deu", "normal", "1", "4", "25.0", "0.0", "none"],
        ["lang", "eng", "normal", "2", "10", "10.0", "50.0", "deu"],
        ["lang", "epo", "few-shot", "1", "3", "33.3", "100.0"],
    ]


def test_the_monolingual_track_counts_each_language_once():
    rates = {"eng1": ("eng", 0.3), "eng2": ("eng", 0.5), "rus": ("rus", 0.2)}
    assert monolingual_rate(rates) == pytest.approx((0.4 + 0.2) / 2)
