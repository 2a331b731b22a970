"""What superb1 would do, by its plan: nothing is run."""

from pathlib import Path

import pytest
from recipes import run_recipe

TASKS = ("--tasks", "ks pr", "--codec", "dac_16k")


def plan(folder: Path, *options: str) -> list[tuple[str, str]]:
    """Stage and output of each line of a plan, outputs below the folder."""
    done = run_recipe("mini/superb1", folder, "--dry_run", "true", *TASKS, *options)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    return [(row[1], row[2].removeprefix(f"{folder}/")) for row in rows]


def refused(folder: Path, *options: str) -> str:
    done = run_recipe("mini/superb1", folder, "--dry_run", "true", *TASKS, *options)
    assert done.returncode != 0
    return done.stderr


@pytest.fixture
def encoders(tmp_path: Path) -> str:
    """``--encoders`` with an experiment behind one of others."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model/config.yaml").write_text("model: codec2vec\n")
    return f"other=hubert_base,ours={tmp_path}/model"


def test_each_seed_of_fresh_weights_is_a_row_of_its_own(tmp_path: Path, encoders: str):
    references = ("--references", "untrained untrained:1 untrained:7")
    outputs = [out for _, out in plan(tmp_path, "--encoders", encoders, *references)]
    systems = ["other", "ours", "untrained", "untrained_1", "untrained_7"]
    scored = [out for out in outputs if out.startswith("exp/scores/")]
    assert scored == [f"exp/scores/{name}/{task}" for name in systems for task in ("ks", "pr")]
    words = refused(tmp_path, "--encoders", encoders, "--references", "untrained:x")
    assert "--references untrained:x: the seed is a number" in words
