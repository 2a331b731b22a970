"""A place to make recipes in, beside the repository's own."""

import shutil
from pathlib import Path

import pytest

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
