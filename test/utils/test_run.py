"""Promises of utils/run.py."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import alive, wait_for

RUN = Path(__file__).resolve().parents[2] / "utils/run.py"


@pytest.fixture
def run(tmp_path: Path):
    """run.py in an empty folder, as a function of its words."""

    def call(*words: str, **env: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, str(RUN), *words],
            cwd=tmp_path,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            check=False,
        )

    return call


def start(tmp_path: Path, *words: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(RUN), *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )


def output(log: Path) -> list[str]:
    return [line for line in log.read_text().splitlines() if not line.startswith("#")]


def test_every_job_gets_its_number_in_log_and_arguments(run, tmp_path):
    result = run(
        "JOB=2:4", "logs/x.JOB.log", "--", "echo", "n=JOB", "a_JOB.ark", "JOBS", "myJOB", "JOB/JOB"
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert sorted(p.name for p in (tmp_path / "logs").iterdir()) == [
        "x.2.log",
        "x.3.log",
        "x.4.log",
    ]
    assert output(tmp_path / "logs/x.3.log") == ["n=3 a_3.ark JOBS myJOB 3/3"]


def test_any_name_may_count(run, tmp_path):
    assert run("SPLIT=7", "x.SPLIT.log", "--", "echo", "SPLIT JOB").returncode == 0
    assert output(tmp_path / "x.7.log") == ["7 JOB"]


def test_arguments_reach_the_command_unchanged(run, tmp_path):
    words = ["a b", "$HOME", "`id`", '"', "'", "*", "", "--", "\\", "é\n2"]
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"
    assert run("a log.log", "--", sys.executable, "-c", code, *words).returncode == 0
    [line] = [x for x in output(tmp_path / "a log.log") if x.startswith("[")]
    assert eval(line) == words


def test_log_tells_command_host_time_code_and_duration(run, tmp_path):
    run("x.log", "--", "bash", "-c", "echo out; echo err >&2; sleep 0.3; exit 3")
    lines = (tmp_path / "x.log").read_text().splitlines()
    assert lines[0] == "# bash -c 'echo out; echo err >&2; sleep 0.3; exit 3'"
    assert re.fullmatch(rf"# Started at \d{{4}}-.* on {os.uname().nodename}, 1 threads", lines[1])
    assert lines[3:5] == ["out", "err"]
    elapsed = re.fullmatch(r"# Ended \(code 3\) at \d{4}-.*, elapsed ([\d.]+) s", lines[-1])
    assert 0.2 < float(elapsed[1]) < 10


def test_failures_are_named_with_the_ends_of_their_own_logs(run, tmp_path):
    script = "seq 100; echo about JOB; [ JOB -ne 2 ] && [ JOB -ne 4 ]"
    result = run("JOB=1:5", "x.JOB.log", "--", "bash", "-c", script)
    assert result.returncode == 1
    assert "2 of 5 failed: job 2 (code 1), job 4 (code 1)" in result.stderr
    assert "about 2" in result.stderr and "about 4" in result.stderr
    assert "about 1" not in result.stderr and "\n    50\n" not in result.stderr
    assert all("# Ended (code 0)" in (tmp_path / f"x.{i}.log").read_text() for i in (1, 3, 5))


def test_command_that_does_not_exist(run):
    result = run("x.log", "--", "no-such-command")
    assert result.returncode == 1
    assert "cannot run no-such-command: No such file" in result.stderr


def test_job_killed_from_outside_is_said_to_be(run):
    result = run("x.log", "--", "bash", "-c", "kill -9 $$")
    assert result.returncode == 1
    assert "killed by SIGKILL (out of memory?)" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["x.log", "echo"], "no command"),
        (["x.log", "--"], "no command"),
        (["JOB=1:2", "x.log", "--", "true"], "the log x.log has no JOB"),
        (["JOB=2:1", "x.JOB.log", "--", "true"], "the range JOB=2:1 is empty"),
        (["JOB=a", "x.JOB.log", "--", "true"], "expected a range such as JOB=1:8"),
        (["JOB=1", "x.log", "y", "--", "true"], "expected [JOB=1:8] log"),
        (["--num_threads", "0", "x.log", "--", "true"], "1 or more"),
        (["--time", "soon", "x.log", "--", "true"], "expected a time"),
        (["--mem", "lots", "x.log", "--", "true"], "expected a size"),
        (["--num_nodes", "2", "x.log", "--", "true"], "needs slurm.py"),
        (["--nope", "x.log", "--", "true"], "unrecognized arguments: --nope"),
    ],
)
def test_a_wrong_call_is_an_error_and_runs_nothing(run, tmp_path, words, message):
    result = run(*words)
    assert result.returncode == 2
    assert message in result.stderr
    assert list(tmp_path.iterdir()) == []


def most_at_once(folder: Path) -> int:
    """The largest number of jobs that overlapped, from the times they wrote."""
    events = []
    for file in folder.glob("t.*"):
        begin, end = map(float, file.read_text().split())
        events += [(begin, 1), (end, -1)]
    running = peak = 0
    for _, step in sorted(events):
        running += step
        peak = max(peak, running)
    return peak


TIMED = (
    "import time; t = time.time(); time.sleep(0.3); open('t.JOB', 'w').write(f'{t} {time.time()}')"
)


@pytest.mark.parametrize(("options", "most"), [(["--max_jobs", "1"], 1), (["--max-jobs=3"], 3)])
def test_no_more_than_max_jobs_run_at_once(run, tmp_path, options, most):
    assert run(*options, "JOB=1:4", "x.JOB.log", "--", sys.executable, "-c", TIMED).returncode == 0
    assert most_at_once(tmp_path) <= most
    assert len(list(tmp_path.glob("t.*"))) == 4


def test_cores_limit_the_jobs_and_jobs_know_their_threads(run, tmp_path):
    cores = len(os.sched_getaffinity(0))
    run("--num_threads", str(cores), "JOB=1:2", "x.JOB.log", "--", sys.executable, "-c", TIMED)
    assert most_at_once(tmp_path) == 1
    run(
        "--num_threads",
        "3",
        "x.log",
        "--",
        "bash",
        "-c",
        "echo $OMP_NUM_THREADS",
        OMP_NUM_THREADS="9",
    )
    assert output(tmp_path / "x.log") == ["3"]


def test_jobs_share_the_gpus_and_wait_for_a_free_one(run, tmp_path):
    code = TIMED + "; import os; print(os.environ['CUDA_VISIBLE_DEVICES'])"
    words = ["--gpu", "2", "JOB=1:3", "x.JOB.log", "--", sys.executable, "-c", code]
    assert run(*words, CUDA_VISIBLE_DEVICES="4,5,6,7").returncode == 0
    used = [output(tmp_path / f"x.{i}.log")[0] for i in (1, 2, 3)]
    assert set(used) == {"4,5", "6,7"}
    assert most_at_once(tmp_path) <= 2
    result = run(*words, CUDA_VISIBLE_DEVICES="0")
    assert result.returncode == 2
    assert "--gpu 2, but this machine offers 1" in result.stderr


def test_memory_limits_the_jobs(run, tmp_path):
    run(
        "--mem",
        "1000T",
        "--max_jobs",
        "4",
        "JOB=1:2",
        "x.JOB.log",
        "--",
        sys.executable,
        "-c",
        TIMED,
    )
    assert most_at_once(tmp_path) == 1


def test_time_limit_ends_a_job_with_its_children(run, tmp_path):
    result = run("--time", "0:1", "x.log", "--", "bash", "-c", "sleep 1000 & echo $!; wait")
    assert result.returncode == 1
    assert "over its time limit of 0:1" in result.stderr
    child = int(output(tmp_path / "x.log")[0])
    wait_for(lambda: not alive(child))


# A job with a child of its own, both of which write their process ids.
FAMILY = """
import os, subprocess
child = subprocess.Popen(["sleep", "1000"])
open("pids.JOB.new", "w").write(f"{os.getpid()} {child.pid}")
os.rename("pids.JOB.new", "pids.JOB")
child.wait()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_when_run_py_is_killed_so_are_jobs_and_their_children(tmp_path, number):
    words = ["--max_jobs", "2", "JOB=1:3", "x.JOB.log", "--", sys.executable, "-c", FAMILY]
    process = start(tmp_path, *words)
    files = [tmp_path / "pids.1", tmp_path / "pids.2"]
    wait_for(lambda: all(file.exists() for file in files))
    pids = [int(word) for file in files for word in file.read_text().split()]
    assert all(map(alive, pids))
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    wait_for(lambda: not any(map(alive, pids)))
    assert not (tmp_path / "pids.3").exists()
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 128 + number
        assert f"ended by {signal.Signals(number).name}" in said
        assert "# Ended (code 143)" in (tmp_path / "x.1.log").read_text()


@pytest.mark.slow
def test_a_job_that_ignores_sigterm_is_killed(tmp_path):
    code = "trap '' TERM; echo $$ > pid.new; mv pid.new pid; while :; do sleep 1; done"
    process = start(tmp_path, "x.log", "--", "bash", "-c", code)
    pid = int(wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    process.terminate()
    process.communicate(timeout=30)
    wait_for(lambda: not alive(pid))


def test_when_the_calling_script_is_killed_run_py_ends_too(tmp_path):
    job = "echo $$ > pid.new; mv pid.new pid; sleep 1000"
    script = f"'{sys.executable}' '{RUN}' x.log -- bash -c '{job}'; true"
    # The tests themselves may run under nohup, which run.py would heed.
    caller = subprocess.Popen(
        ["bash", "-c", script],
        cwd=tmp_path,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    pid = int(wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text()))
    caller.kill()
    caller.wait()
    wait_for(lambda: not alive(pid))


def test_a_lock_of_the_caller_is_held_as_long_as_a_job_lives(tmp_path):
    script = (
        f"exec 9>lock; flock 9; '{sys.executable}' '{RUN}' x.log -- bash -c 'touch begun; sleep 2'"
    )
    caller = subprocess.Popen(["bash", "-c", script], cwd=tmp_path)
    wait_for(lambda: (tmp_path / "begun").exists())
    assert (
        subprocess.run(["flock", "-n", str(tmp_path / "lock"), "true"], check=False).returncode == 1
    )
    assert caller.wait(20) == 0
    assert (
        subprocess.run(["flock", "-n", str(tmp_path / "lock"), "true"], check=False).returncode == 0
    )


def test_starts_fast():
    """A stage of many short jobs is not slowed by its launcher: no package is imported."""
    listing = subprocess.run(
        [sys.executable, "-X", "importtime", str(RUN), "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    modules = {line.rpartition("|")[2].strip() for line in listing.stderr.splitlines()}
    assert not {"torch", "numpy", "codec_ssl"} & modules
