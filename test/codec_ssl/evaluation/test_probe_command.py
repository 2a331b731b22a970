"""The probe's command line writes results that the paper table and the report can read."""

import sys

import pytest
import toy_corpus

from codec_ssl.bin import probe as command
from codec_ssl.bin import report as report_command
from codec_ssl.bin.named_paths import named_paths
from codec_ssl.errors import ConfigError
from codec_ssl.report.paper_table import Column, Row, find_ours
from codec_ssl.report.results import read_results


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe, command")
    for seed, (name, size) in enumerate({"train": 30, "valid": 12, "test": 12}.items()):
        toy_corpus.make_split(folder, name, size, seed)
    for seed in (0, 1):
        toy_corpus.make_exp(folder / f"exp{seed}", folder / "store" / "train", seed)
    return folder


def run(monkeypatch, root, out, *options):
    stores = ",".join(f"{n}={root}/store/{n}" for n in ("train", "valid", "test"))
    data_dirs = ",".join(f"{n}={root}/{n}" for n in ("train", "valid", "test"))
    given = ["--stores", stores, "--data_dirs", data_dirs, "--out", str(out), *options]
    monkeypatch.setattr(sys, "argv", ["probe", *given])
    command.main()
    return read_results(out / "results.json")


def test_seeds_baselines_and_recipe_are_recorded(monkeypatch, root, tmp_path):
    monkeypatch.chdir(root)
    options = ["--tasks", "phone", "--layers", "0,3", "--recipe", "egs2/toy/ssl1"]
    file = run(monkeypatch, root, tmp_path / "out", "--exp", "toy=exp0,exp1", *options)
    accuracy = [r for r in file.results if r.metric == "phone_accuracy"]
    assert [(r.scored["system"], r.scored["layer"]) for r in accuracy] == [
        ("toy", 0), ("toy", 3), ("toy", 0), ("toy", 3),
        ("codec", 0), ("logmel", 0), ("untrained", 0), ("untrained", 3),
    ]  # fmt: skip
    row = Row(
        "ours", recipe="egs2/toy/ssl1", config="conf/train_toy.yaml", match={"codec": "toy_codec"}
    )
    ours = find_ours(row, Column("phone", "phone_accuracy", "percent", "higher"), [file])
    assert ours.num_runs == 2
    assert "| untrained |" in (tmp_path / "out" / "REPORT.md").read_text()
    report = ["report", "--expdir", str(tmp_path), "--out", str(tmp_path / "whole")]
    monkeypatch.setattr(sys, "argv", report)
    report_command.main()
    assert (tmp_path / "whole" / "REPORT.md").is_file()


def test_wrong_options_say_what_was_expected(monkeypatch, root, tmp_path):
    with pytest.raises(ConfigError, match=r"--exp: expected NAME=EXP"):
        run(monkeypatch, root, tmp_path, "--exp", "nothing")
    with pytest.raises(ConfigError, match=r"--baselines.*found 'mfcc'"):
        run(monkeypatch, root, tmp_path, "--exp", f"a={root}/exp0", "--baselines", "mfcc")
    with pytest.raises(ConfigError, match=r"--stores: expected train, valid, test"):
        command.get_splits("train=x", "train=x")


def test_named_paths_may_hold_commas_and_spaces():
    assert named_paths("--x", "a=/p/one, two/x,b-c=/q") == {"a": "/p/one, two/x", "b-c": "/q"}
    assert named_paths("--x", "") == {}
    for wrong in ("plain", "a=", "=b", "a=1,a=2"):
        with pytest.raises(ConfigError, match="--x"):
            named_paths("--x", wrong)
