"""What tests of several recipes share: a place to make recipes in, and a finished run."""

import shutil
from pathlib import Path

import pytest
from recipes import MAE1, TOK1, finish_recipe

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parts of the repository that a recipe uses, without what its runs have made."""
    folder = tmp_path_factory.mktemp("clone") / "a clone"
    for part in ("conf", "egs2", "utils"):
        made = shutil.ignore_patterns("data", "dump", "exp", "logs", "__pycache__")
        shutil.copytree(ROOT / part, folder / part, symlinks=True, ignore=made)
    # A link: install.sh then sees the repository's own environment, which it leaves as it is.
    (folder / "tools").symlink_to(ROOT / "tools")
    return folder


@pytest.fixture(scope="session")
def mini_mae1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of egs2/mini/mae1 at its smallest size; its users are of one group."""
    folder = tmp_path_factory.mktemp("mini") / "mae1 run"
    finish_recipe("mini/mae1", folder, *MAE1)
    return folder


@pytest.fixture(scope="session")
def mini_tok1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of egs2/mini/tok1 at its smallest size; its users are of one group."""
    folder = tmp_path_factory.mktemp("tok") / "a run"
    finish_recipe("mini/tok1", folder, *TOK1)
    return folder
