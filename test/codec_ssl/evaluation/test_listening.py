"""Mean opinion scores: means by hand, intervals of known spread, and files that do not fit."""

import json

import numpy as np
import pytest

from codec_ssl.bin import listening_scores
from codec_ssl.errors import DataError
from codec_ssl.evaluation.listening import mean_opinions, read_ratings
from codec_ssl.report.results import read_results


def write(path, listener, ratings, page="p"):
    """A file as the page makes it, of ratings by system and utterance."""
    rows = [
        {"system": system, "utterance": utt, "rating": rating, "clip": f"{system}{utt}"}
        for (system, utt), rating in ratings.items()
    ]
    contents = {"page": page, "listener": listener, "ratings": rows}
    path.write_text(json.dumps(contents))
    return path


def drawn(listeners, utterances, seed=0):
    """Ratings of two systems, about 2 and about 4."""
    random = np.random.default_rng(seed)
    return [
        {
            (system, f"u{u}"): int(np.clip(base + random.integers(-1, 2), 1, 5))
            for system, base in (("bad", 2), ("good", 4), ("reference", 5))
            for u in range(utterances)
        }
        for _ in range(listeners)
    ]


def test_means_are_over_ratings_and_the_reference_comes_last(tmp_path):
    first = {("a", "u"): 1, ("a", "v"): 4, ("reference", "u"): 5, ("reference", "v"): None}
    second = {("a", "u"): 3, ("a", "v"): None, ("reference", "u"): 4, ("reference", "v"): 4}
    paths = [write(tmp_path / f"{n}.json", n, rows) for n, rows in enumerate((first, second))]
    a, reference = mean_opinions(read_ratings(paths))
    assert (a.scored["system"], reference.scored["system"]) == ("a", "reference")
    assert a.value == pytest.approx((1 + 4 + 3) / 3) and a.scored["ratings"] == 3
    assert reference.value == pytest.approx((5 + 4 + 4) / 3)
    assert (a.scored["listeners"], a.scored["utterances"], a.scored["page"]) == (2, 2, "p")
    assert a.interval[0] <= a.value <= a.interval[1]


def test_a_system_that_nobody_rated_has_no_score(tmp_path):
    rows = {("a", "u"): None, ("b", "u"): 3}
    [only] = mean_opinions(read_ratings([write(tmp_path / "1.json", 1, rows)]))
    assert only.scored["system"] == "b" and only.interval is None


def test_intervals_are_wider_where_listeners_disagree(tmp_path):
    alike = [{("s", f"u{u}"): 3 + u % 2 for u in range(8)}] * 6
    unlike = [{("s", f"u{u}"): 1 + (n % 2) * 4 for u in range(8)} for n in range(6)]
    widths = []
    for name, rows in (("alike", alike), ("unlike", unlike)):
        paths = [write(tmp_path / f"{name}{n}.json", n, row) for n, row in enumerate(rows)]
        [found] = mean_opinions(read_ratings(paths))
        widths.append(found.interval[1] - found.interval[0])
    # 48 ratings of 1 and 5 by chance would give 1.13; but six listeners are only six.
    assert widths[0] < 0.8 and widths[1] > 2


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says():
    from codec_ssl.evaluation.listening import _interval

    random, held = np.random.default_rng(1), 0
    for _ in range(60):
        strictness, ease = random.normal(0, 0.5, (12, 1)), random.normal(0, 0.5, (1, 12))
        low, high = _interval(3 + strictness + ease + random.normal(0, 0.3, (12, 12)))
        held += low < 3 < high
    assert held >= 50


def test_the_command_prints_a_table_and_writes_results(tmp_path, call, capsys):
    paths = [write(tmp_path / f"{n}.json", n, rows) for n, rows in enumerate(drawn(4, 6))]
    call(listening_scores, *paths, "--out", tmp_path / "out", "--recipe", "egs2/toy/voc1")
    shown = capsys.readouterr().out
    assert [line.split()[0] for line in shown.splitlines()[4:]] == ["bad", "good", "reference"]
    assert (tmp_path / "out" / "mos.md").read_text().count("|") > 20
    results = {r.scored["system"]: r for r in read_results(tmp_path / "out/results.json").results}
    bad, good = results["bad"], results["good"]
    assert bad.metric == "mos" and bad.scored["recipe"] == "egs2/toy/voc1"
    assert bad.interval[1] < good.interval[0]


def test_files_that_do_not_fit_are_named(tmp_path):
    rows = {("a", "u"): 3}
    good = write(tmp_path / "good.json", 1, rows)
    with pytest.raises(DataError, match=r"twice\.json: expected each listener once, found 1 in"):
        read_ratings([good, write(tmp_path / "twice.json", 1, rows)])
    with pytest.raises(DataError, match=r"other\.json: expected ratings of page p.*found page q"):
        read_ratings([good, write(tmp_path / "other.json", 2, rows, page="q")])
    with pytest.raises(DataError, match=r"wrong\.json: expected a rating from 1 to 5.*found \[6\]"):
        read_ratings([write(tmp_path / "wrong.json", 3, {("a", "u"): 6})])
    (tmp_path / "none.json").write_text("{}")
    with pytest.raises(DataError, match=r"none\.json: expected the JSON that a listening page"):
        read_ratings([tmp_path / "none.json"])
    with pytest.raises(DataError, match="found none"):
        read_ratings([])
