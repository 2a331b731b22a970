"""What superb1 would do, by its plan: nothing is run."""

from pathlib import Path

import pytest
from recipes import plan, run_recipe

pytestmark = [pytest.mark.plan]

RECIPE = "mini/superb1"
TASKS = ("--tasks", "ks pr", "--codec", "dac_16k")


def refused(folder: Path, *options: str) -> str:
    done = run_recipe(RECIPE, folder, "--dry_run", "true", *TASKS, *options)
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
    outputs = [
        out for _, out in plan(RECIPE, tmp_path, *TASKS, "--encoders", encoders, *references)
    ]
    systems = ["other", "ours", "untrained", "untrained_1", "untrained_7"]
    scored = [out for out in outputs if out.startswith("exp/scores/")]
    assert scored == [f"exp/scores/{name}/{task}" for name in systems for task in ("ks", "pr")]
    words = refused(tmp_path, "--encoders", encoders, "--references", "untrained:x")
    assert "--references untrained:x: the seed is a number" in words


def test_tokens_are_stored_before_their_embeddings_are_trained(tmp_path: Path, encoders: str):
    (tmp_path / "km").mkdir()
    systems = ("--encoders", "dac=codes", "--references", "")
    tokens = ("--tokenizers", f"units={tmp_path}/model+{tmp_path}/km,mel=logmel+{tmp_path}/km")
    lines = plan(RECIPE, tmp_path, *TASKS, *systems, *tokens)
    stored = [out for stage, out in lines if stage == "codes"]
    folders = ["dump/codes_dac_16k", "dump/tokens_units", "dump/tokens_mel"]
    sets = [f"{task}/{name}" for task in ("ks", "pr") for name in ("train", "valid", "test")]
    assert stored == [f"{folder}/{name}" for folder in folders for name in sets]
    trained = [out for stage, out in lines if stage == "train"]
    assert trained == [f"exp/superb/{s}/{t}" for s in ("dac", "units", "mel") for t in ("ks", "pr")]
    words = refused(tmp_path, *systems, "--features", "cache")
    assert "--features cache: embeddings of tokens and codes are learnt anew" in words
    words = refused(tmp_path, *systems, "--tokenizers", "units=km")
    assert "expected NAME=ENCODER+FOLDER, found 'units=km'" in words
