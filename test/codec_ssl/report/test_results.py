"""results.json says what was scored, by which code, and never lies about a checkout."""

import json
import shlex
import subprocess
import sys

import pytest

from codec_ssl.errors import DataError
from codec_ssl.report import results as module
from codec_ssl.report.results import Result, find_results, git_state, read_results, write_results

RESULT = Result("wer", 0.07, "fraction", {"system": "a", "layer": 9}, (0.06, 0.08))


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "deep" / "results.json"
    plain = Result("storage", 2.59, "GB")
    written = write_results(path, [RESULT, plain], 1.5, notes=["näh"], command="probe --x 'a b'")
    read = read_results(path)
    assert read == written
    assert read.results == [RESULT, plain]
    assert read.versions["torch"].split(".")[0].isdigit()
    assert read.machine["cores"] >= 1
    assert [path.name for path in path.parent.iterdir()] == ["results.json"]


def test_the_command_is_this_process_own_by_default(tmp_path):
    command = write_results(tmp_path / "results.json", [RESULT], 0.1).command
    assert shlex.split(command) == sys.orig_argv


def test_a_killed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "results.json"
    before = write_results(path, [RESULT], 1.0)

    def fail(*_):
        raise OSError("killed")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="killed"):
        write_results(path, [], 2.0)
    assert read_results(path) == before


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"schema": 99, "results": []}', '{"schema": 1, "results": [{}]}']
)
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(DataError, match=r"results\.json.*rerun stage 'probe'"):
        read_results(path)


def test_a_missing_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.json"):
        read_results(tmp_path / "nowhere.json")


def test_files_are_found_below_a_root_in_order(tmp_path):
    for name in ("b", "a/c"):
        write_results(tmp_path / name / "results.json", [RESULT], 0.1)
    assert [str(p.relative_to(tmp_path)) for p, _ in find_results([tmp_path])] == [
        "a/c/results.json",
        "b/results.json",
    ]


def test_what_a_recipe_moved_aside_is_no_result(tmp_path):
    root = tmp_path / "exp.old-7"  # a user's own name for the root is none of our business
    for name in ("vq/test", "vq/test.old-1", "vq.old-2/test"):
        write_results(root / name / "results.json", [RESULT], 1.0)
    assert [path.parent for path, _ in find_results([root])] == [root / "vq/test"]


def test_git_state_tells_revision_and_local_changes(tmp_path, monkeypatch):
    def git(*arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        command = ["git", "-C", tmp_path, *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    monkeypatch.setattr(module, "__file__", str(tmp_path / "results.py"))
    assert git_state() == {"revision": None, "dirty": None}
    git("init", "-q")
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-q", "-m", "first")
    assert git_state() == {"revision": git("rev-parse", "HEAD"), "dirty": False}
    (tmp_path / "file").write_text("two")
    assert git_state()["dirty"] is True


def test_the_file_is_plain_json(tmp_path):
    write_results(tmp_path / "results.json", [RESULT], 0.1)
    contents = json.loads((tmp_path / "results.json").read_text())
    assert contents["results"][0]["interval"] == [0.06, 0.08]
    assert set(contents) >= {"command", "git", "versions", "seconds", "machine"}
