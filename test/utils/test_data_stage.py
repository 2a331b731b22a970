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
data_stage 1 data
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
