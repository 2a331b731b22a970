"""egs2/mini/asr2 end to end, on units that need no model: scores, joined sets, refusals."""

import subprocess
import sys
from pathlib import Path

import logmel_units
import pytest
import toy_asr
from recipes import EGS, bash, run_recipe

from codec_ssl.report.results import find_results
from codec_ssl.tokens.contract import check as check_store
from codec_ssl.tokens.store import TokenStore

ROOT = Path(__file__).resolve().parents[2]
TINY = "--max_epoch 1 --num_iters_per_epoch 5"

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(1200)]


def run(folder: Path, tokens: Path, data: Path, *options: str) -> subprocess.CompletedProcess:
    """Run the recipe at its smallest size on tokens of a corpus."""
    inputs = ["--datadir", str(data), "--tokens", str(tokens)]
    return run_recipe("mini/asr2", folder, "--size", "ci", *inputs, *options)


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded corpus at its smallest, and k-means units of its log-mel frames."""
    folder = tmp_path_factory.mktemp("asr") / "a run"
    make = [sys.executable, "-m", "codec_ssl.bin.prepare_data", "mini", "--size", "ci"]
    subprocess.run([*make, "--out_dir", str(folder / "data")], check=True, cwd=ROOT)
    logmel_units.make(folder / "data", folder / "logmel", ["train", "valid", "test"])
    return folder


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two languages to train on together, and a test set."""
    folder = tmp_path_factory.mktemp("toy")
    for seed, (name, count) in enumerate({"en": 30, "fr": 20, "valid": 5, "test-one": 6}.items()):
        toy_asr.make_set(folder, name, count, seed, language=name)
    return folder


@pytest.fixture(scope="module")
def finished(units: Path) -> Path:
    done = run(units, units / "logmel", units / "data")
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return units


def test_a_run_ends_in_error_rates_and_a_report(finished: Path):
    files = {path.parent.name: (path, file) for path, file in find_results([finished / "exp"])}
    path, scored = files["score_test"]
    found = {result.metric: result for result in scored.results}
    perplexity = {r.metric: r.value for r in files["perplexity_test"][1].results}
    assert perplexity["text_perplexity"] < perplexity["unigram_perplexity"]
    expected = {
        "recipe": "egs2/mini/asr2",
        "config": "train_decoder_only.yaml",
        "set": "test",
        "features": "logmel",
        "tokenizer": "kmeans",
        "sizes": "64",
        "objective": "p(y|s)",
        "utterances": 40,
    }
    assert {key: found["wer"].scored[key] for key in expected} == expected
    # Half of the test set is single words: with nothing learnt, every sentence is wrong.
    assert found["cer"].value < 0.95
    assert "S.Err" in (path.parent / "scores.txt").read_text()
    report = (finished / "exp/report/REPORT.md").read_text()
    assert "| wer, % |" in report and "training_1.png" in report


def test_a_second_run_does_nothing_and_says_so(finished: Path):
    again = run(finished, finished / "logmel", finished / "data")
    assert again.returncode == 0, again.stderr
    assert "nothing to do: every stage is current" in again.stderr


def test_several_sets_are_joined_and_each_test_set_is_scored_by_itself(toy: Path):
    sets = ["--train_set", "en fr", "--valid_set", "valid", "--test_set", "test-one valid"]
    options = [*sets, "--vocab_size", "18", "--train_args", TINY, "--pieces_args", "--case upper"]
    done = run(toy, toy / "store", toy / "data", *options)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    assert len(TokenStore(toy / "dump/store/train")) == 50
    text = (toy / "dump/data/train/text").read_text().splitlines()
    assert len(text) == 50 and text == sorted(text)
    results = [r for _, file in find_results([toy / "exp"]) for r in file.results]
    assert sorted(r.scored["set"] for r in results if r.metric == "wer") == ["test_one", "valid"]
    assert [r.scored["lang"] for r in results if r.metric == "wer_by_lang"] == ["test-one", "valid"]


def test_without_units_they_are_made_first(tmp_path: Path):
    """By another recipe, here one that says what it was asked."""
    upstream = tmp_path / "up stream.sh"
    upstream.write_text('echo "$@" > "$(dirname "$0")/asked"; exit 3\n')
    options = ["--upstream", str(upstream), "--upstream_dir", str(tmp_path / "tok1")]
    done = run(tmp_path, Path(), tmp_path / "data", "--tokens", "", *options)
    assert done.returncode != 0
    asked = (tmp_path / "asked").read_text()
    assert asked.startswith("--stop_stage tokens --ngpu 0 --num_nodes 1 --size ci --datadir ")
    assert f"--dumpdir {tmp_path}/tok1/dump --expdir {tmp_path}/tok1/exp" in asked


def test_what_is_missing_is_named(toy: Path, tmp_path: Path):
    for options, message in (
        (["--train_set", "en nosuch"], f"needs {toy}/data/nosuch"),
        (["--tokens", "", "--upstream", ""], "--tokens DIR or --features DIR"),
        (["--train_config", "conf/no.yaml"], "no training config conf/no.yaml"),
    ):
        done = run(tmp_path, toy / "store", toy / "data", *options)
        assert done.returncode == 1
        assert message in done.stderr


def test_published_units_are_divided_by_speakers(tmp_path: Path):
    units, text = tmp_path / "units.tsv", tmp_path / "text"
    ids = [f"{speaker}-1-{n:04d}" for speaker in range(100, 120) for n in range(3)]
    rows = [f"{utt}\t1 2 3\t{utt[:3]} 7" for utt in ids]
    units.write_text("\n".join(["utt_id\thubert_l9\td2v_large_l18", *rows]) + "\n")
    text.write_text("".join(f"{utt} SOME WORDS\n" for utt in ids))
    script = EGS / "librispeech/asr2/local/published_tokens.sh"
    options = ["--text", str(text), "--tokens", str(units), "--text_only", "true"]
    options += ["--out", str(tmp_path / "out"), "--column", "d2v_large_l18"]
    done = bash(script, *options)
    assert done.returncode == 0, done.stderr
    speakers = {}
    for name in ("train", "valid", "test"):
        store = TokenStore(tmp_path / "out/tokens/d2v_large_l18" / name)
        assert store.meta.maker["encoder"] == "d2v_large" and store.meta.maker["layer"] == 18
        assert all(codes.flatten().tolist() == [int(utt[:3]), 7] for utt, codes in store.items())
        mute = TokenStore(tmp_path / "out/tokens/text_only" / name)
        assert {len(codes) for codes in mute.values()} == {1}
        check_store(mute)
        listed = (tmp_path / "out/data" / name / "text").read_text().splitlines()
        assert [line.split()[0] for line in listed] == sorted(store.utt_ids)
        speakers[name] = {utt[:3] for utt in store.utt_ids}
    assert {name: len(each) for name, each in speakers.items()} == {
        "train": 16,
        "valid": 2,
        "test": 2,
    }
    assert len(set.union(*speakers.values())) == 20
    options[-1] = "nosuch"
    done = bash(script, *options)
    assert done.returncode == 1 and "there are: hubert_l9\td2v_large_l18" in done.stderr
