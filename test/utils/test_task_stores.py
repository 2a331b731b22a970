"""Promises of utils/task_stores.sh: tasks of the same recordings share what is kept of them."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = f"""
set -euo pipefail
datadir=data dry_run=false
sets_of() {{ echo train; }}
. '{ROOT}/utils/task_stores.sh'
distinct_sets kept "$@"
"""


@pytest.fixture
def sets(tmp_path: Path):
    def record(task: str, wavs: str, segments: str | None = None) -> None:
        folder = tmp_path / "data" / task / "train"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "wav.scp").write_text(wavs)
        if segments is not None:
            (folder / "segments").write_text(segments)

    def run(*tasks: str) -> list[str]:
        command = ["bash", "-c", SCRIPT, "script", *tasks]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout.split()

    run.record, run.kept = record, tmp_path / "kept"
    return run


def test_the_second_task_of_the_same_recordings_is_a_link_to_the_first_ones(sets):
    for task in ("asr", "pr"):
        sets.record(task, "u u.wav\n")
    sets.record("ks", "v v.wav\n")
    assert sets("asr", "pr", "ks") == ["asr/train", "ks/train"]
    assert (sets.kept / "pr/train").readlink() == sets.kept / "asr/train"


def test_other_segments_of_the_same_files_are_other_recordings(sets):
    sets.record("asr", "u u.wav\n", "a u 0 1\n")
    sets.record("pr", "u u.wav\n", "a u 0 2\n")
    assert sets("asr", "pr") == ["asr/train", "pr/train"]


def test_what_was_kept_before_stays_and_a_link_goes_once_the_recordings_differ(sets):
    for task in ("asr", "pr", "sf"):
        sets.record(task, "u u.wav\n")
    (sets.kept / "sf/train").mkdir(parents=True)
    assert sets("asr", "pr", "sf") == ["asr/train", "sf/train"]
    sets.record("pr", "w w.wav\n")
    assert sets("asr", "pr", "sf") == ["asr/train", "pr/train", "sf/train"]
    assert not (sets.kept / "pr/train").is_symlink()
