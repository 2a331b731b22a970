"""egs2/superb/mlsuperb1 end to end on a toy in the public layout: two languages and a reserved one.

espeak says its numbers; the codec has random weights, which keep enough of the sound.
"""

import subprocess
from pathlib import Path

import pytest
import toy_mae
import toy_mlsuperb
from recipes import EGS, bash, run_recipe

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import read_table
from codec_ssl.report.results import Result, find_results
from codec_ssl.tokens.store import TokenStore

RUN = EGS / "superb/mlsuperb1/run.sh"

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(1200)]


def run(folder: Path, *options: str) -> subprocess.CompletedProcess:
    """Run the recipe at its smallest size on the toy."""
    inputs = ["--codec", str(folder / "codec"), "--local_data_opts", f"--corpus {folder}/corpus"]
    return run_recipe("superb/mlsuperb1", folder, "--size", "ci", "--nj", "1", *inputs, *options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # No blank in the name: options of local/data.sh are a list of words.
    folder = tmp_path_factory.mktemp("mlsuperb")
    toy_mlsuperb.make(folder / "corpus")
    toy_mae.make_codec(folder / "codec")
    done = run(folder)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def results(finished: Path) -> list[Result]:
    return [result for _, file in find_results([finished / "exp"]) for result in file.results]


def test_characters_and_languages_are_scored_for_all_groups_and_languages(results: list[Result]):
    found = {each.metric: each for each in results if "lang" not in each.scored}
    told = {
        "recipe": "egs2/superb/mlsuperb1",
        "config": "train_codec_asr.yaml",
        "set": "test_10min",
        "task": "joint",
        "duration": "10min",
    }
    for metric in ("cer", "language_accuracy"):
        assert {key: found[metric].scored[key] for key in told} == told
        parts = [found[f"{metric}_{group}"].scored for group in ("normal", "few_shot")]
        assert [part["utterances"] for part in parts] == [12, 6]
        by = {r.scored["lang"] for r in results if r.metric == f"{metric}_by_lang"}
        assert by == {"deu", "eng", "epo"}
    # Something was learnt: of two languages, always saying one would be right in half.
    assert found["language_accuracy_normal"].value > 0.5 and found["cer_normal"].value < 0.9


def test_languages_are_tokens_of_their_own_before_the_text(finished: Path):
    texts = finished / "dump/text_with_languages/train_10min"
    languages, text = read_table(texts / "utt2lang"), read_table(texts / "text")
    target = read_table(texts / "target")
    assert target == {utt: f"[{languages[utt]}] {text[utt]}" for utt in text}
    [vocabulary] = finished.glob("dump/vocabulary*/tokens.txt")
    tokens = set(vocabulary.read_text().split("\n"))
    assert {"[deu]", "[eng]", "[epo]"} < tokens and "[" not in tokens
    train = DataDir(finished / "data/train_10min")
    assert sum(lang == "epo" for lang in train.labels("lang").values()) == 5
    assert TokenStore(finished / "dump/codes_codec/train_10min").utt_ids == train.utt_ids


def test_the_report_has_both_groups_and_the_scores_all_languages(finished: Path):
    report = (finished / "exp/report/REPORT.md").read_text()
    for column in ("CER normal, %", "CER few-shot, %", "languages right, normal, %"):
        assert f"| {column} |" in report
    [scores] = finished.glob("exp/*/score_test_10min/scores.txt")
    rows = [line.split()[:3] for line in scores.read_text().splitlines()]
    for language, group in (("deu", "normal"), ("eng", "normal"), ("epo", "few-shot")):
        assert ["lang", language, group] in rows


def test_a_second_run_does_nothing_and_says_so(finished: Path):
    again = run(finished)
    assert again.returncode == 0, again.stderr
    assert "nothing to do: every stage is current" in again.stderr


def plan(*options: str) -> str:
    planned = bash(RUN, "--dry_run", "true", *options)
    assert planned.returncode == 0, planned.stderr
    return planned.stdout


def test_each_task_has_texts_and_experiments_of_its_own():
    assert "dump/10min/text_with_languages/train_10min" in plan()
    lid = plan("--task", "lid", "--duration=1h")
    assert "dump/1h/text_languages/train_1h" in lid and "exp/1h_lid/dac_16k_train" in lid
    asr = plan("--task", "asr")
    assert "dump/10min/text/train_10min" in asr and "exp/10min_asr/dac_16k_train" in asr
    mono = plan("--task", "mono", "--setting", "rus")
    assert "data/rus_10min" in mono and "exp/rus_10min_mono/dac_16k_train" in mono
    assert "exp/10min_joint/audio_train_logmel_asr" in plan("--input", "audio")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--task", "nosuch"), "--task is joint, asr, lid or mono, not 'nosuch'"),
        (("--duration", "2h"), "--duration is 10min or 1h, not '2h'"),
    ],
)
def test_wrong_options_are_refused(options: tuple[str, ...], message: str):
    refused = bash(RUN, *options)
    assert refused.returncode == 1 and message in refused.stderr


def test_the_reader_asks_for_the_corpus(tmp_path: Path):
    command = ["bash", "local/data.sh", "--datadir", str(tmp_path)]
    asked = subprocess.run(command, cwd=RUN.parent, capture_output=True, text=True, check=False)
    assert asked.returncode == 1 and "MLSUPERB=DIR" in asked.stderr
