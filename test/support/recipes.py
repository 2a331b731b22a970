"""Recipes, run as their users run them."""

import os
import subprocess
from pathlib import Path

EGS = Path(__file__).resolve().parents[2] / "egs2"
RUN_SCRIPTS = sorted(p for p in EGS.glob("*/*/run.sh") if "TEMPLATE" not in p.parts)

# The smallest run of mini/mae1, which mini/hear1's test goes on with.
MAE1 = ("--size", "ci", "--nj", "1")
# The smallest run of mini/tok1, with a point of the curve over training; the tests of mini/asr2 and
# mini/voc1 go on with its units.
TOK1 = (
    *("--size", "ci", "--tokenizers", "kmeans,vq,repcodec"),
    *("--curve_epochs", "1", "--num_clusters", "32"),
)


def bash(script: Path, *options: str) -> subprocess.CompletedProcess:
    """Run a script on one thread, in this repository's environment; a clone would install one."""
    return subprocess.run(
        ["bash", str(script), *options],
        env={"CODEC_SSL_VENV": str(EGS.parent / ".venv"), **os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def run_recipe(recipe: str | Path, folder: Path, *options: str) -> subprocess.CompletedProcess:
    """Run a recipe, such as ``mini/tok1`` or a folder, with its output folders elsewhere."""
    places = [f"--{name}dir={folder / name}" for name in ("data", "dump", "exp")]
    return bash(EGS / recipe / "run.sh", *places, *options)


def finish_recipe(recipe: str, folder: Path, *options: str) -> str:
    """Run a recipe to its end; return what it logged."""
    done = run_recipe(recipe, folder, *options)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return done.stderr


def plan(recipe: str | Path, folder: Path, *options: str) -> list[tuple[str, str]]:
    """Stage and output of each line of a recipe's plan, outputs below the folder."""
    done = run_recipe(recipe, folder, "--dry_run", "true", *options)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    return [(row[1], row[2].removeprefix(f"{folder}/")) for row in rows]


def recipe_id(path: Path) -> str:
    return str(path.relative_to(EGS))


def begins_with_units(script: Path) -> bool:
    """Whether a recipe takes token stores and data dirs of another one."""
    return script.parent.name == "asr2"


def run(command: list[str], cwd: Path) -> subprocess.CompletedProcess:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
