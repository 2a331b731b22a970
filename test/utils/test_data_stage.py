"""Promises of utils/data_stage.sh: data are made again only of another corpus."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = r"""
set -euo pipefail
root='{root}'
stage=1 stop_stage=1 dry_run=false expdir=exp datadir=data audio_dir="" manifest="" audio_opts=""
size="" local_data_opts="" align=""
. "${{root}}/utils/stages.sh"
. "${{root}}/utils/data_stage.sh"
stages_begin "1 data"
if [ -n "${{TASKS:-}}" ]; then task_data_stage 1 data ${{TASKS}}; else data_stage 1 data; fi
stages_end
"""
DATA = r"""
corpus=${corpus:-${TOYCORPUS:-}}
echo "made of ${corpus}"
"""


@pytest.fixture
def recipe(tmp_path: Path):
    (tmp_path / "local").mkdir()
    (tmp_path / "local/data.sh").write_text(DATA)
    (tmp_path / "script.sh").write_text(SCRIPT.format(root=str(ROOT)))

    def run(**env: str) -> str:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "script.sh"],
            cwd=tmp_path,
            env={**os.environ, "PATH": path, **env},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def test_another_folder_of_the_environment_makes_other_data_and_none_keeps_what_is_there(recipe):
    assert recipe(TOYCORPUS="/a b") == "made of /a b"
    assert recipe(TOYCORPUS="/a b") == ""
    assert recipe() == ""
    assert recipe(TOYCORPUS="/c") == "made of /c"


def test_a_corpus_that_needs_no_folder_is_made_once(recipe, tmp_path: Path):
    (tmp_path / "local/data.sh").write_text("echo made\n")
    assert recipe() == "made"
    assert recipe() == ""


def test_another_choice_of_tasks_leaves_the_data_of_others_alone(recipe, tmp_path: Path):
    script = 'echo "${@: -1}"; for task in ${4//,/ }; do echo ok >"data/${task}/made"; done\n'
    (tmp_path / "local/data.sh").write_text(script)
    assert recipe(TASKS="ks pr") == "ks,pr"
    assert recipe(TASKS="pr") == ""
    assert recipe(TASKS="sid ks") == "sid"
    assert sorted(path.parent.name for path in tmp_path.glob("data/*/made")) == ["ks", "pr", "sid"]
