"""Promises of the stage engine: utils/stages.sh and utils/stamp.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = r"""
set -euo pipefail
root='{root}'
stage=${{STAGE:-1}} stop_stage=${{STOP:-2}} dry_run=${{DRY:-false}} expdir=exp
. "${{root}}/utils/stages.sh"
stages_begin "1 first" "2 second"
at=${{AT:-}}  # how folders are named: relative, or by their full path
if stage 1 first "${{at}}one" "make one" --in "${{at}}input.txt" --opt "${{OPTION:-a}}"; then
    echo ran-first; cp input.txt one/content; stage_done
fi
if stage 2 second "${{at}}two" "make two" --in "${{at}}one" \
    --extent "max_epoch: ${{EPOCHS:-1}}"; then
    echo ran-second; if [ -n "${{CRASH:-}}" ]; then exit 7; fi
    cat one/content >> two/content; stage_done
fi
stages_end
"""


@pytest.fixture
def recipe(tmp_path: Path):
    folder = tmp_path / "a recipe"
    folder.mkdir()
    (folder / "input.txt").write_text("hello\n")
    (folder / "script.sh").write_text(SCRIPT.format(root=str(ROOT)))

    def run(**env: str) -> subprocess.CompletedProcess:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "script.sh"],
            cwd=folder,
            env={**os.environ, "PATH": path, **env},
            capture_output=True,
            text=True,
            check=False,
        )

    run.folder = folder
    return run


def test_second_run_does_nothing_and_says_so(recipe):
    first = recipe()
    assert first.returncode == 0, first.stderr
    assert first.stdout.split() == ["ran-first", "ran-second"]
    second = recipe()
    assert second.stdout == ""
    assert "nothing to do: every stage is current" in second.stderr


def test_the_same_folders_named_by_their_full_paths_are_current(recipe):
    recipe()
    again = recipe(AT=f"{recipe.folder}/")
    assert again.returncode == 0, again.stderr
    assert again.stdout == ""
    assert "nothing to do: every stage is current" in again.stderr


def test_a_recipe_that_was_moved_is_current(recipe):
    recipe()
    moved = recipe.folder.with_name("moved")
    recipe.folder.rename(moved)
    recipe.folder.symlink_to(moved)
    again = recipe(AT=f"{moved}/")
    assert again.stdout == "" and "every stage is current" in again.stderr


def test_changed_input_reruns_what_depends_on_it_and_keeps_the_old(recipe):
    recipe()
    (recipe.folder / "input.txt").write_text("changed\n")
    again = recipe()
    assert again.stdout.split() == ["ran-first", "ran-second"]
    assert "input input.txt changed" in again.stderr
    assert (recipe.folder / "one.old-1" / "content").read_text() == "hello\n"
    assert (recipe.folder / "two" / "content").read_text() == "changed\n"


def test_changed_option_is_named(recipe):
    recipe()
    again = recipe(OPTION="b")
    assert "option changed: a; b" in again.stderr


@pytest.mark.parametrize("value", ["--max_epoch=2", "--in", ""])
def test_options_may_look_like_those_of_the_engine(recipe, value):
    first = recipe(OPTION=value)
    assert first.returncode == 0, first.stderr
    assert recipe(OPTION=value).stdout == ""


def test_larger_extent_goes_on_in_the_same_folder(recipe):
    recipe()
    again = recipe(EPOCHS="2")
    assert again.stdout.split() == ["ran-second"]
    assert (recipe.folder / "two" / "content").read_text() == "hello\nhello\n"
    assert not (recipe.folder / "two.old-1").exists()


def test_crashed_stage_stops_the_script_and_goes_on_next_time(recipe):
    crashed = recipe(CRASH="1")
    assert crashed.returncode == 7
    again = recipe()
    assert again.stdout.split() == ["ran-second"]
    assert "was cut short, goes on" in again.stderr


def test_missing_input_names_the_stage_that_makes_it(recipe):
    late = recipe(STAGE="second")
    assert late.returncode == 1
    assert "stage 'first' makes" in late.stderr


def test_unknown_stage_name_lists_the_stages(recipe):
    wrong = recipe(STAGE="third")
    assert wrong.returncode == 1
    assert "no stage is called 'third'" in wrong.stderr
    assert "1 first 2 second" in wrong.stderr


def test_dry_run_shows_the_plan_and_writes_nothing(recipe):
    before = sorted(recipe.folder.rglob("*"))
    plan = recipe(DRY="true")
    assert plan.returncode == 0
    assert sorted(recipe.folder.rglob("*")) == before
    assert "not made yet" in plan.stdout
    recipe()
    (recipe.folder / "input.txt").write_text("changed\n")
    stale = recipe(DRY="true").stdout.splitlines()
    assert "input input.txt changed" in stale[0]
    assert "after first" in stale[1]


def test_two_runs_at_once_do_not_write_beside_each_other(recipe):
    (recipe.folder / "exp").mkdir()
    holder = subprocess.Popen(
        ["flock", str(recipe.folder / "exp" / ".lock"), "sleep", "60"], start_new_session=True
    )
    try:
        script = recipe.folder / "script.sh"
        engine = (ROOT / "utils/stages.sh").read_text().replace("flock -w 20", "flock -w 1")
        (recipe.folder / "utils").mkdir()
        (recipe.folder / "utils/stages.sh").write_text(engine)
        (recipe.folder / "utils/stamp.py").write_text((ROOT / "utils/stamp.py").read_text())
        script.write_text(SCRIPT.format(root="."))
        blocked = recipe()
        assert blocked.returncode == 1
        assert "another run is at work in exp" in blocked.stderr
    finally:
        os.killpg(holder.pid, 9)
        holder.wait()
