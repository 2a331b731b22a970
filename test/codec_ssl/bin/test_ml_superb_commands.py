"""ML-SUPERB by its command lines: data dirs, scores of each task, the score of all."""

import pytest
import toy_mlsuperb

from codec_ssl.bin import (
    asr_text,
    asr_vocabulary,
    prepare_data,
    score_asr,
    score_ml_superb,
    superb_score,
)
from codec_ssl.data.corpora.ml_superb import MONOLINGUAL
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import read_table, write_table
from codec_ssl.errors import DataError
from codec_ssl.evaluation.ml_superb import BEST
from codec_ssl.report.results import Result, read_results, write_results


@pytest.fixture(scope="module")
def data(tmp_path_factory, call):
    """Data dirs of the toy, and hypotheses of its test set: all right but for two."""
    root = tmp_path_factory.mktemp("ml superb")
    toy_mlsuperb.make(root / "corpus", spoken=False)
    call(prepare_data, "ml_superb", "--corpus_dir", root / "corpus", "--out_dir", root / "data")
    test = DataDir(root / "data/test_10min")
    languages = test.labels("lang")
    spoken = {utt: f"[{languages[utt]}] {text}" for utt, text in test.text.items()}
    first = {
        lang: min(u for u, each in languages.items() if each == lang) for lang in ("deu", "epo")
    }
    spoken[first["deu"]] = f"[eng] {test.text[first['deu']]}X"
    spoken[first["epo"]] = test.text[first["epo"]][1:]
    write_table(root / "text", spoken)
    return root


def score(call, root, out, *options, module=score_ml_superb):
    call(module, "--data_dir", root / "data/test_10min", "--out", root / out, *options)
    return read_results(root / out / "results.json").results


def test_tokens_count_for_languages_and_not_for_characters(data, call):
    results = score(call, data, "joint", "--hyp", data / "text", "--recipe", "egs2/x/y")
    found = {each.metric: each for each in results if "lang" not in each.scored}
    text = read_table(data / "data/test_10min/text")
    characters = {
        group: sum(len(text[u]) for u in text if ("epo" in u) == (group == "few_shot"))
        for group in ("normal", "few_shot")
    }
    assert found["cer_normal"].value == pytest.approx(1 / characters["normal"])
    assert found["cer_few_shot"].value == pytest.approx(1 / characters["few_shot"])
    assert found["cer"].value == pytest.approx(2 / sum(characters.values()))
    assert found["language_accuracy_normal"].value == pytest.approx(11 / 12)
    assert found["language_accuracy_few_shot"].value == pytest.approx(5 / 6)
    whole = found["language_accuracy"]
    assert whole.value == pytest.approx(16 / 18)
    assert whole.interval[0] <= whole.value <= whole.interval[1]
    told = {"task": "joint", "duration": "10min", "set": "test_10min", "recipe": "egs2/x/y"}
    assert {key: found["cer"].scored[key] for key in told} == told
    by = {r.scored["lang"]: r.value for r in results if r.metric == "language_accuracy_by_lang"}
    assert by == {"deu": pytest.approx(5 / 6), "eng": 1.0, "epo": pytest.approx(5 / 6)}
    assert "few-shot" in (data / "joint/scores.txt").read_text()


def test_ordinary_scores_agree_on_characters(data, call):
    ours = score(call, data, "joint", "--hyp", data / "text")
    theirs = score(call, data, "plain", "--hyp", data / "text", module=score_asr)
    for metric in ("cer", "cer_by_lang"):
        values = [
            {r.scored.get("lang"): r.value for r in some if r.metric == metric}
            for some in (ours, theirs)
        ]
        assert values[0] == values[1]
    words = next(each for each in theirs if each.metric == "wer")
    assert words.value == pytest.approx(2 / words.scored["tokens"])


def test_each_task_scores_what_is_its_own(data, call):
    only_text = data / "without"
    write_table(only_text, read_table(data / "data/test_10min/text"))
    asr = {r.metric for r in score(call, data, "asr", "--hyp", only_text, "--task", "asr")}
    assert {"cer_normal", "cer_few_shot"} <= asr and not any("language" in name for name in asr)
    lid = {r.metric for r in score(call, data, "lid", "--hyp", data / "text", "--task", "lid")}
    assert "language_accuracy_normal" in lid and not any("cer" in name for name in lid)


def test_languages_alone_are_learnt_and_scored(data, call, tmp_path):
    options = ["--data_dir", data / "data/test_10min", "--out", tmp_path, "--lang_only", "true"]
    call(asr_text, *options)
    results = score(call, data, "x", "--hyp", tmp_path / "target", "--task", "lid")
    assert {each.value for each in results} == {1.0}
    options = ["--text", tmp_path / "target", "--out", tmp_path, "--lang_token", "true"]
    call(asr_vocabulary, *options)
    tokens = (tmp_path / "tokens.txt").read_text().split()
    assert sorted(tokens[2:-1]) == ["[deu]", "[eng]", "[epo]"]


def test_a_missing_hypothesis_is_named(data, call, tmp_path):
    table = read_table(data / "text")
    gone = table.popitem()[0]
    write_table(tmp_path / "text", table)
    for task in ("lid", "joint"):
        with pytest.raises(DataError, match=gone):
            score(call, data, "x", "--hyp", tmp_path / "text", "--task", task)
    options = ["--hyp", tmp_path / "text", "--ignore_missing", "true", "--task", "lid"]
    counted = next(r for r in score(call, data, "x", *options) if r.metric == "language_accuracy")
    assert counted.scored["utterances"] == 17


def test_four_tasks_make_a_superb_score(call, tmp_path, capsys):
    told = {"duration": "1h", "set": "test_10min"}
    runs: dict[str, list[Result]] = {}
    for (task, metric), value in BEST["1h"].items():
        for setting in MONOLINGUAL if task == "mono" else [None]:
            scored = {**told, "task": task, "setting": setting}
            runs.setdefault(task, []).append(Result(metric, value, "fraction", scored))
    for task, results in runs.items():
        write_results(tmp_path / task / "results.json", results, 0.0)
    options = [tmp_path, "--duration", "1h", "--out", tmp_path / "all"]
    call(superb_score, *options)
    assert "SUPERB score, 1h: 1000.0" in capsys.readouterr().out
    [total] = read_results(tmp_path / "all/results.json").results
    assert (total.metric, total.value) == ("superb_score", pytest.approx(1000))
    write_results(tmp_path / "mono/results.json", runs["mono"][1:], 0.0)
    with pytest.raises(DataError, match=r"expected 13 settings, missing: \['eng1'\]"):
        call(superb_score, *options)
    with pytest.raises(DataError, match="expected all measures, missing: cer of mono"):
        call(superb_score, tmp_path, "--duration", "10min")
    write_results(tmp_path / "again/results.json", runs["lid"], 0.0)
    with pytest.raises(DataError, match="found a second one"):
        call(superb_score, *options)
