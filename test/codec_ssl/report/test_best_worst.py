"""Best and worst counts against counting by hand, with ties, gaps and seeds."""

from dataclasses import replace

import pytest

from codec_ssl.errors import ConfigError, DataError
from codec_ssl.report.best_worst import compare, count, extremes
from codec_ssl.report.best_worst_tables import count_results, count_table, value_table
from codec_ssl.report.codec_metrics import GROUPS, METRICS, expand
from codec_ssl.report.markdown import find_result_files, write_report
from codec_ssl.report.results import Result, write_results

# By set, then metric, then system: English, Multilingual, Multilingual+Audio.
VALUES = {
    "german": {"mcd": (5.0, 6.0, 5.5), "pesq": (2.9, 2.5, 2.7), "wer": (0.1, 0.2, 0.2)},
    "spanish": {"mcd": (5.1, 5.9, 6.2), "pesq": (2.8, 2.8, 2.7)},
    "audioset": {"mcd": (7.32, 6.9, 5.53), "ci_sdr": (-10.25, -9.0, -7.31)},
}
SYSTEMS = ("English", "Multilingual", "Multilingual+Audio")


def results(values=VALUES, **more):
    return [
        Result(
            metric,
            value,
            METRICS[metric].unit,
            {"codec": system, "set": name, "exp": f"exp/{system}", "config": "c.yaml", **more},
            (value - 0.1, value + 0.1),
        )
        for name, metrics in values.items()
        for metric, cells in metrics.items()
        for system, value in zip(SYSTEMS, cells, strict=False)
        if value is not None
    ]


def test_each_metric_of_a_set_has_one_best_and_one_worst():
    counts = count(compare(results()))
    # german 3, spanish 2 (of which PESQ ties at its best end), audioset 2.
    assert counts.best == {"English": 5, "Multilingual": 1, "Multilingual+Audio": 2}
    assert counts.worst == {"English": 2, "Multilingual": 3, "Multilingual+Audio": 3}
    assert counts.uncounted == []
    speech = count(compare(results()), ["german", "spanish"])
    assert speech.best == {"English": 5, "Multilingual": 1, "Multilingual+Audio": 0}


def test_the_direction_of_better_is_the_metrics_own():
    comparison = compare(results())
    assert extremes(comparison, "german", "mcd") == ({"English"}, {"Multilingual"})
    assert extremes(comparison, "german", "pesq") == ({"English"}, {"Multilingual"})
    assert extremes(comparison, "german", "wer")[0] == {"English"}
    lower = {name for name, metric in METRICS.items() if metric.better == "lower"}
    assert lower == {"mcd", "wer", "mel_distance", "stft_distance", "vde", "gpe", "ffe"}


def test_values_that_print_alike_tie():
    near = {"german": {"pesq": (2.901, 2.899, 2.5), "stoi": (0.9001, 0.9002, 0.9003)}}
    comparison = compare(results(near))
    best = {"English", "Multilingual"}
    assert extremes(comparison, "german", "pesq") == (best, {"Multilingual+Audio"})
    assert extremes(comparison, "german", "stoi") == (set(), set())
    assert count(comparison).uncounted == ["german, STOI: all tie"]


def test_a_gap_is_not_counted_and_said():
    gaps = {"german": {"pesq": (2.9, None, 2.5), "mcd": (1, 2, 3)}}
    counts = count(compare(results(gaps)))
    assert sum(counts.best.values()) == 1
    assert counts.uncounted == ["german, PESQ: no value of Multilingual"]
    # Without that system, it counts.
    pair = compare(results(gaps), systems=["English", "Multilingual+Audio"])
    assert count(pair).best == {"English": 2, "Multilingual+Audio": 0}
    alone = compare(results(gaps), systems=["English"])
    assert count(alone).uncounted == [
        "german, MCD: only one system",
        "german, PESQ: only one system",
    ]


def test_seeds_are_averaged_and_a_repeated_run_replaces_itself():
    first, second = {"german": {"mcd": (4.0, 5.0)}}, {"german": {"mcd": (6.0, 5.2)}}
    found = [*results(first), *results(second, exp="seed2")]
    cell = compare(found).cells["german", "mcd", "English"]
    assert (cell.value, cell.num_runs, cell.interval) == (5.0, 2, None)
    assert cell.deviation == pytest.approx(2**0.5)
    assert compare(found + results(second)).cells["german", "mcd", "English"].value == 6.0


def test_numbers_of_codebooks_are_systems_of_their_own_only_where_there_are_several():
    eight, four = results(num_codebooks=8), results({"german": {"mcd": (9.0,)}}, num_codebooks=4)
    assert compare(eight).systems == list(SYSTEMS)
    assert "English (4)" in compare(eight + four).systems


def test_a_synthesis_belongs_to_its_codec_whatever_number_of_codebooks_is_told():
    spoken = results({"german": {"wer": (0.3, 0.2, 0.1)}}, recipe="egs2/css10/tts1", exp="tts")
    comparison = compare(results(num_codebooks=8) + spoken)
    assert comparison.systems == list(SYSTEMS)
    assert extremes(comparison, "german:tts1", "wer") == ({"Multilingual+Audio"}, {"English"})


def changed(found, index, **more):
    """Results of which one was scored in another way."""
    one = found[index]
    return [*found[:index], replace(one, scored={**one.scored, **more}), *found[index + 1 :]]


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"maker": "ESPnet-SPK"}, "ESPnet-SPK; Resemblyzer"),
        ({"level": "rms"}, "Resemblyzer; Resemblyzer, level rms"),
        ({"max_delay": 0.02}, "Resemblyzer; Resemblyzer, max_delay 0.02"),
        ({"sample_rate": 8000}, "Resemblyzer; Resemblyzer, sample_rate 8000"),
    ],
)
def test_what_was_measured_in_different_ways_is_not_counted_and_said(told, found):
    values = {"german": {"speaker_similarity": (0.9, 0.8, 0.7)}}
    alike = results(values, maker="Resemblyzer", max_delay=0.0, level="none")
    assert count(compare(alike)).best["English"] == 1
    counts = count(compare(changed(alike, 1, **told)))
    assert sum(counts.best.values()) == 0
    where = "german, speaker similarity: measured in different ways"
    assert counts.uncounted == [f"{where}: {found}"]


def test_systems_that_were_scored_on_fewer_utterances_are_told():
    found = changed(results({"german": {"mcd": (1, 2, 3)}}, utterances=100), 2, utterances=97)
    counts = count(compare(found))
    told = "german, MCD: utterances English 100, Multilingual 100, Multilingual+Audio 97"
    assert counts.uneven == [told] and counts.best["English"] == 1
    assert f"not all were scored: {told}" in count_table(compare(found), "text")


def test_a_set_may_be_compared_by_some_metrics_only():
    chosen = compare(results(), set_metrics={"german": ["pesq"]})
    assert set(chosen.row("german", "pesq")) == set(SYSTEMS) and not chosen.row("german", "mcd")
    assert chosen.row("spanish", "mcd")
    assert count(chosen, ["german"]).best == {**dict.fromkeys(SYSTEMS, 0), "English": 1}
    with pytest.raises(DataError, match="expected results on french, found sets german"):
        compare(results(), set_metrics={"french": ["pesq"]})


@pytest.mark.parametrize("name", ["german", "all"])
def test_a_group_does_not_take_the_place_of_a_set_or_of_the_total(name):
    with pytest.raises(ConfigError, match=f"group {name}: expected another name"):
        count_table(compare(results()), "text", {name: ["german", "spanish"]})


def test_synthesis_of_a_set_is_a_condition_of_its_own():
    spoken = results({"german": {"wer": (0.3, 0.2, 0.1)}}, recipe="egs2/css10/tts1", exp="tts")
    comparison = compare(spoken + results(recipe="egs2/mls/codec1"))
    assert comparison.origins["English"]["recipe"] == "egs2/mls/codec1"
    assert comparison.conditions == ["german:tts1", "german", "spanish", "audioset"]
    assert comparison.cells["german", "wer", "English"].num_runs == 1
    assert extremes(comparison, "german:tts1", "wer") == ({"Multilingual+Audio"}, {"English"})


def test_tables_show_values_intervals_counts_and_rules():
    comparison = compare(results())
    values = value_table(comparison, "audioset", "text")
    assert "-10.25 [-10.35, -10.15]▼" in values and "5.53 [5.43, 5.63]▲" in values
    assert "PESQ" not in values
    counts = count_table(comparison, "markdown", {"speech": ["german", "spanish"]}, ["utmos: no"])
    lines = counts.splitlines()
    assert "| speech | 5 / 0 | 1 / 3 | 0 / 3 |" in lines
    assert "| all | 5 / 2 | 1 / 3 | 2 / 3 |" in lines
    assert "- utmos: no" in lines and any("ties count for all that tie" in line for line in lines)


def test_counts_are_results_that_a_paper_table_can_find():
    found = count_results(compare(results()), {"speech": ["german", "spanish"]})
    [result] = [
        r
        for r in found
        if (r.metric, r.scored["set"], r.scored["codec"]) == ("best_count", "speech", "English")
    ]
    assert (result.value, result.unit, result.scored["config"]) == (5, "count", "c.yaml")


def test_a_report_shows_codecs_in_tables_of_their_own(tmp_path):
    write_results(tmp_path / "a/results.json", results(), 1.0, command="score")
    counts = count_results(compare(results()))
    write_results(tmp_path / "b/results.json", counts, 1.0, command="count")
    text = write_report(tmp_path, find_result_files(tmp_path), {}, {}).read_text()
    assert "## Codecs" in text and "7.32 [7.22, 7.42]▼" in text and "| all | 5 / 2 |" in text
    assert "best_count" not in text and "| mcd |" not in text
    alone = [r for r in results() if r.scored["codec"] == "English"]
    write_results(tmp_path / "c/d/results.json", alone, 1.0, command="score")
    text = write_report(tmp_path / "c", find_result_files(tmp_path / "c"), {}, {}).read_text()
    assert "7.32 [7.22, 7.42]" in text and "Best and worst counts" not in text


def test_what_is_not_there_is_named():
    with pytest.raises(DataError, match="expected results of French, found codecs English"):
        compare(results(), systems=["French"])
    with pytest.raises(DataError, match="expected results of codecs, found codecs none"):
        compare([])
    with pytest.raises(DataError, match="expected results on french, found sets german, spanish"):
        count(compare(results()), ["french"])


def test_groups_of_metrics_are_those_of_the_paper():
    assert len(GROUPS["speech"]) == 11 and set(METRICS) == set(GROUPS["all"])
    assert expand(["audio"]) == ["mcd", "ci_sdr", "visqol"]
    assert expand(["stoi", "audio", "mcd"]) == ["mcd", "ci_sdr", "visqol", "stoi"]
    with pytest.raises(ConfigError, match="or groups speech, audio, tts, vocoder, all, found bleu"):
        expand(["mcd", "bleu"])
    with pytest.raises(ConfigError, match="found none"):
        expand([])
