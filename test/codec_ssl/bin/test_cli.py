"""What every command line shares, in processes of their own as users run them."""

import os
import subprocess
import sys

import numpy as np
import pytest

from codec_ssl.tokens.store import TokenStoreWriter

COMMANDS = {
    "one line": "print('a line')",
    "more than a pipe holds": "print('x' * 1_000_000)",
    "help": "argparse.ArgumentParser(description='words').parse_args(['--help'])",
}


def shell(command: str, unbuffered: str = "") -> subprocess.CompletedProcess:
    """Run in bash; the standard output ends with the status of the first command of the pipe."""
    return subprocess.run(
        ["bash", "-c", command + "; echo ${PIPESTATUS[0]}"],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        capture_output=True,
        text=True,
        check=False,
    )


def python(main: str) -> str:
    """A command that takes its time, so that a reader which reads nothing has gone before."""
    imports = "import argparse, time; from codec_ssl.bin import cli; from codec_ssl import errors"
    return f'{sys.executable} -c "{imports}; time.sleep(0.2); cli.run(lambda: {main})"'


@pytest.fixture(scope="module")
def status_of_unix_tools() -> str:
    return shell("yes | true").stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_a_reader_that_has_gone_ends_a_command_as_it_ends_yes(status_of_unix_tools, name):
    done = shell(f"{python(COMMANDS[name])} | true")
    assert (done.stdout, done.stderr) == (status_of_unix_tools, "")


def test_a_reader_that_has_gone_is_noticed_without_a_buffer(status_of_unix_tools):
    done = shell(f"{python(COMMANDS['one line'])} | true", unbuffered="1")
    assert (done.stdout, done.stderr) == (status_of_unix_tools, "")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_reader_that_stays_gets_all(name):
    done = shell(f"{python(COMMANDS[name])} | cat")
    assert done.stderr == ""
    assert done.stdout.endswith("\n0\n") and len(done.stdout) > 8


def test_a_broken_pipe_to_another_process_is_not_hidden():
    done = shell(f"{python('(_ for _ in ()).throw(BrokenPipeError(32, 1))')} | cat")
    assert done.stdout == "1\n"
    assert "Traceback" in done.stderr and "BrokenPipeError" in done.stderr


def test_a_user_error_is_one_line_and_status_1():
    error = "errors.DataError('x: expected y', stage='data')"
    done = shell(f"{python(f'(_ for _ in ()).throw({error})')} | cat")
    assert done.stdout == "1\n"
    assert done.stderr == "error: x: expected y (mend: rerun stage 'data')\n"


@pytest.mark.parametrize("verb", ["info", "cat"])
def test_tokens_into_head_prints_what_was_asked_for(tmp_path, status_of_unix_tools, verb):
    writer = TokenStoreWriter(
        tmp_path / "store",
        utt_ids=["u"],
        sizes=[64] * 4,
        frame_rate=50,
        sample_rate=16000,
        maker={"kind": "codec", "name": "test", "fingerprint": "f00"},
    )
    writer.write_shard(0, [("u", np.zeros((50_000, 4), dtype=np.int64))])
    writer.finalize()
    command = f"{sys.executable} -m codec_ssl.bin.tokens {verb} {tmp_path}/store"
    done = shell(f"{command} | head -c 2")
    assert done.stdout[:2] in ("st", "u ")
    assert done.stderr == ""
    # What fits into the pipe may be written before head closes it.
    expected = {status_of_unix_tools} | ({"0\n"} if verb == "info" else set())
    assert done.stdout[2:] in expected
