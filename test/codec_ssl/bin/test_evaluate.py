"""The harness: what can run is told, run in jobs through a recipe, resumed, and reported once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from codec_ssl.bin import evaluate, probe_suite
from codec_ssl.errors import CodecSSLError, ConfigError
from codec_ssl.report.results import Result, write_results

ROOT = Path(__file__).resolve().parents[3]
SCORED = {"task": "t", "system": "s", "valid_score": 0.5}
# A stand-in for a recipe: it notes its options and leaves a score for each task.
RUN = """\
#!/usr/bin/env bash
set -eu
for option in "$@"; do
    case ${option} in --tasks=*) tasks=${option#*=} ;; --expdir=*) exp=${option#*=} ;; esac
done
mkdir -p "${exp}"
printf '%s\\n' "$@" >>"${exp}/options.txt"
for task in ${tasks}; do
    if [ "${task}" = "${FAIL_ON:-}" ]; then echo "no ${task} today"; exit 3; fi
    mkdir -p "${exp}/scores/${task}"
    cp "${SCORE}" "${exp}/scores/${task}/results.json"
done
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with that recipe as mini/superb1 and superb/superb1, and two corpora."""
    root = tmp_path / "a repository"
    for recipe in ("mini", "superb"):
        script = root / "egs2" / recipe / "superb1" / "run.sh"
        script.parent.mkdir(parents=True)
        script.write_text(RUN)
    (root / "utils").symlink_to(ROOT / "utils")
    (tmp_path / "fluent" / "data").mkdir(parents=True)
    (tmp_path / "fluent" / "wavs").mkdir()
    (tmp_path / "snips").mkdir()
    (tmp_path / "snips" / "all.iob.snips.txt").touch()
    score = Result("hear_accuracy", 0.5, "fraction", SCORED, (0.4, 0.6))
    write_results(tmp_path / "score.json", [score], 1.0)
    (tmp_path / "exp").mkdir()
    return root


def run(repository: Path, *options: str, **more: str) -> subprocess.CompletedProcess:
    """The command in a process of its own, with that repository in place of this one."""
    folder = repository.parent
    corpora = {"FLUENT": str(folder / "fluent"), "AUDIO_SNIPS": str(folder / "snips")}
    for name in ("LIBRISPEECH", "SPEECH_COMMANDS", "QUESST14", "VOXCELEB1", "LIBRIMIX", "IEMOCAP"):
        corpora[name] = ""
    start = folder / "start.py"
    lines = (
        "from pathlib import Path",
        "from codec_ssl.bin import cli, evaluate",
        f"evaluate.ROOT = Path({str(repository)!r})",
        "cli.run(evaluate.main)",
    )
    start.write_text("\n".join(lines))
    return subprocess.run(
        [sys.executable, str(start), *options],
        cwd=folder,
        env={**os.environ, **corpora, "SCORE": str(folder / "score.json"), **more},
        capture_output=True,
        text=True,
        check=False,
    )


def test_what_can_run_is_told_and_only_that_is_run(repository: Path):
    told = run(repository, "--suite", "superb", "--model", "exp", "--list")
    assert told.returncode == 0, told.stderr
    lines = dict(line.split(maxsplit=1) for line in told.stdout.splitlines())
    assert lines["ic"] == lines["sf"] == "can run" and lines["sv"] == "VOXCELEB1 is not set"
    assert not (repository.parent / "evaluation").exists()


def test_groups_run_side_by_side_fail_alone_and_give_one_report(repository: Path):
    options = ("--suite", "superb", "--model", "exp", "--jobs", "2", "--lrs", "1e-3 1e-4")
    failed = run(repository, *options, FAIL_ON="ic")
    assert failed.returncode == 1 and "no ic today" in failed.stderr + failed.stdout
    out = repository.parent / "evaluation" / "superb"
    assert (out / "sf" / "exp" / "scores" / "sf" / "results.json").is_file()
    assert "50.0" in (out / "REPORT.md").read_text()
    done = run(repository, *options)
    assert done.returncode == 0, done.stderr
    given = (out / "ic" / "exp" / "options.txt").read_text().splitlines()
    assert f"--encoders=exp={repository.parent / 'exp'}" in given
    assert given[-2:] == ["--lrs", "1e-3 1e-4"]
    assert (out / "ic" / "exp" / "scores" / "ic" / "results.json").is_file()


def test_models_are_named_by_what_sets_them_apart(tmp_path: Path):
    assert evaluate.name_models(["a/exp/online", "b/exp/online", "h=hubert_base"]) == {
        "online": "a/exp/online",
        "exp_online": "b/exp/online",
        "h": "hubert_base",
    }
    with pytest.raises(ConfigError, match="each name once"):
        evaluate.name_models(["a=x", "a=y"])


def test_a_task_of_another_suite_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.argv", ["evaluate", "--suite=hear", "--model=x", "--tasks", "ks"])
    with pytest.raises(ConfigError, match="'ks'"):
        evaluate.main()


def test_probes_go_on_at_the_first_step_that_is_not_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "checkpoint").write_text("1")
    calls: list[str] = []
    run_for_real = subprocess.run

    def fake(call, check):
        if call[1] != "-m":
            return run_for_real(call, check=check, stdout=subprocess.DEVNULL)
        calls.append(call[2].removeprefix("codec_ssl.bin."))
        broken = call[2].endswith("probe") and len(calls) == 5
        return subprocess.CompletedProcess(call, int(broken))

    monkeypatch.setattr(probe_suite.subprocess, "run", fake)
    models = {"m": str(tmp_path / "model")}
    with pytest.raises(CodecSSLError, match="probe failed"):
        probe_suite.run_probe(models, ["phone"], tmp_path / "out", "dac_16k")
    assert calls == ["prepare_data", *["extract_codes"] * 3, "probe"]
    probe_suite.run_probe(models, ["phone"], tmp_path / "out", "dac_16k")
    probe_suite.run_probe(models, ["phone"], tmp_path / "out", "dac_16k")
    assert calls[5:] == ["probe"]
    (tmp_path / "model" / "checkpoint").write_text("22")
    probe_suite.run_probe(models, ["phone"], tmp_path / "out", "dac_16k")
    assert calls[6:] == ["probe"]
    with pytest.raises(ConfigError, match="--codec"):
        probe_suite.run_probe(models, ["phone"], tmp_path / "out", None)
