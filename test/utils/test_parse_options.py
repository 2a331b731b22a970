"""Promises of utils/parse_options.sh."""

import subprocess
from pathlib import Path

import pytest

PARSER = Path(__file__).resolve().parents[2] / "utils/parse_options.sh"

SCRIPT = """#!/usr/bin/env bash
# Makes something.
# In two lines.
set -euo pipefail
# a comment that is no help

# options
nj=4          # parallel jobs
dry_run=false # true: only a plan
name="a # b"  # text
# Model
config=       # file to train with
              # (none: the default)
deep_value='x y'
# end options{arguments}
. "{parser}"
printf '<%s>' "${{nj}}" "${{dry_run}}" "${{name}}" "${{config}}" "${{deep_value}}"
for argument in "$@"; do printf '[%s]' "${{argument}}"; done
"""

DEFAULTS = "<4><false><a # b><><x y>"


@pytest.fixture
def script(tmp_path: Path):
    """A script in a folder with a space, as a function of its words."""
    path = tmp_path / "a folder" / "make.sh"
    path.parent.mkdir()

    def call(*words: str, arguments: str = "", cwd: Path | None = None, name: str = ""):
        path.write_text(SCRIPT.format(parser=PARSER, arguments=arguments))
        return subprocess.run(
            ["bash", name or str(path), *words],
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
        )

    call.path = path
    return call


def test_without_words_the_defaults_stand(script):
    assert script().stdout == DEFAULTS


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--nj", "8"], "<8><false><a # b><><x y>"),
        (["--nj=8"], "<8><false><a # b><><x y>"),
        (["--dry-run", "true"], "<4><true><a # b><><x y>"),
        (["--deep-value=a=b", "--config", ""], "<4><false><a # b><><a=b>"),
        (["--name", "--max_epoch 3"], "<4><false><--max_epoch 3><><x y>"),
        (["--name", "$(touch x) `id` \"'*"], "<4><false><$(touch x) `id` \"'*><><x y>"),
        (["--name", "--nj dry_run"], "<4><false><--nj dry_run><><x y>"),
        (["--nj", "1", "--nj", "2"], "<2><false><a # b><><x y>"),
        (["--name", "two\nlines"], "<4><false><two\nlines><><x y>"),
    ],
)
def test_a_value_arrives_as_it_was_written(script, words, expected):
    result = script(*words)
    assert (result.returncode, result.stdout) == (0, expected), result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--nope", "3"], "unknown option --nope; there are: --nj --dry_run --name --config"),
        (["--nj"], "option --nj needs a value"),
        (["--nj", "--dry_run", "true"], "option --nj needs a value; --dry_run follows it"),
        (["--dry_run", "yes"], "option --dry_run is true or false, not 'yes'"),
        (["-n", "3"], "unknown option -n"),
        (["stage", "3"], "unexpected argument 'stage'"),
        (["--PATH", "x"], "unknown option --PATH"),
    ],
)
def test_a_wrong_word_is_an_error_that_names_it(script, words, message):
    result = script(*words)
    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr.startswith("make.sh: error: ")
    assert message in result.stderr


def test_help_is_made_from_the_declarations(script):
    result = script("--nj", "9", "--help")
    assert result.returncode == 0
    assert result.stdout.splitlines() == [
        "Makes something.",
        "In two lines.",
        "",
        "usage: make.sh [options]",
        "  --nj                 parallel jobs (default: 9)",
        "  --dry_run            true: only a plan (default: false)",
        "  --name               text (default: a # b)",
        "",
        "Model",
        "  --config             file to train with",
        "                       (none: the default)",
        "  --deep_value          (default: x y)",
    ]


@pytest.mark.parametrize(
    ("arguments", "words", "ok"),
    [
        (": <from> <to>", ["a b", "c"], True),
        (": <from> <to>", ["a"], False),
        (": <from> <to>", ["a", "b", "c"], False),
        (": <from> [to]", ["a"], True),
        (": <first> [more...]", ["a", "b", "c", "d"], True),
        ("", [], True),
    ],
)
def test_arguments_are_those_that_the_end_marker_names(script, arguments, words, ok):
    result = script("--nj", "4", *words, arguments=arguments)
    assert (result.returncode == 0) == ok
    if ok:
        assert result.stdout == DEFAULTS + "".join(f"[{word}]" for word in words)


def test_double_dash_ends_the_options(script):
    assert script("--nj=4", "--", "--nj", arguments=": <x>").stdout == DEFAULTS + "[--nj]"


def test_script_called_by_a_relative_name_may_change_folder_first(script):
    script("--nj=1")
    text = script.path.read_text().replace("# options\n", 'cd "$(dirname "$0")"\n# options\n', 1)
    other = script.path.with_name("moved.sh")
    other.write_text(text)
    result = subprocess.run(
        ["bash", "a folder/moved.sh", "--nj", "5"],
        cwd=script.path.parents[1],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.stdout.startswith("<5>"), result.stderr


def test_nothing_of_the_parser_stays_behind(script, tmp_path):
    script()
    leftover = tmp_path / "left.sh"
    leftover.write_text(
        script.path.read_text() + "\ncompgen -v _options; compgen -A function _options\n:"
    )
    result = subprocess.run(["bash", str(leftover)], capture_output=True, text=True, check=False)
    assert result.stdout.rstrip("\n") == DEFAULTS, result.stderr
