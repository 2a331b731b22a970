"""Promises of utils/slurm.py.

Tested on a cluster of this machine alone where Slurm is installed and can be started, and always on
a stand-in for sbatch, squeue and scancel.
"""

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from processes import alive, wait_for

ROOT = Path(__file__).resolve().parents[2]

SLURM = ROOT / "utils/slurm.py"
PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel", "munged")

# Runs the jobs of an array side by side in the background; the queue is a folder of process ids.
STAND_IN = r"""#!/usr/bin/env python3
import os, pathlib, re, signal, subprocess, sys
queue = pathlib.Path(__file__).resolve().parent / "queue"
words = sys.argv[1:]
name = pathlib.Path(sys.argv[0]).name
if name == "sbatch":
    (queue.parent / "words").write_text("\n".join(words))
    flags = dict(w.lstrip("-").partition("=")[::2] for w in words[:-1])
    if flags.get("partition") == "none":
        sys.exit("sbatch: error: invalid partition specified: none")
    job_id = str(len(list(queue.iterdir())) + 100)
    first, last = map(int, re.match(r"(\d+)-(\d+)|", flags.get("array", "")).groups(default="0"))
    pids = []
    for i in range(first, last + 1):
        env = {**os.environ, "SLURM_ARRAY_TASK_ID": str(i)}
        log = open(flags["output"].replace("%%", "%").replace("%a", str(i)), "w")
        pids.append(subprocess.Popen(["bash", words[-1]], stdout=log, stderr=log, env=env,
                                     start_new_session=True).pid)
    (queue / job_id).write_text(" ".join(map(str, pids)))
    print(job_id)
elif name == "squeue":
    pids = (queue / words[-1]).read_text().split()
    for pid in pids:
        try:
            if pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                print(pid)
        except OSError:
            pass
else:
    for pid in (queue / words[-1]).read_text().split():
        try:
            os.killpg(int(pid), signal.SIGTERM)
        except ProcessLookupError:
            pass
"""

CONFIG = """
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={lab}/munge.socket
CryptoType=crypto/munge
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={ctld_port}
SlurmdPort={d_port}
StateSaveLocation={lab}/state
SlurmdSpoolDir={lab}/spool
SlurmctldPidFile={lab}/slurmctld.pid
SlurmdPidFile={lab}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
KillWait=2
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_slurm(lab: Path, stack: ExitStack) -> dict[str, str]:
    """Start a one-node cluster with its state in ``lab``, to be ended by ``stack``.

    Returns its environment.

    Raises:
        RuntimeError: If it does not come up.
    """
    for folder in ("state", "spool"):
        (lab / folder).mkdir()
    config = lab / "slurm.conf"
    host = socket.gethostname().partition(".")[0]
    config.write_text(
        CONFIG.format(
            lab=lab,
            host=host,
            user=getpass.getuser(),
            cpus=os.cpu_count(),
            ctld_port=free_port(),
            d_port=free_port(),
        )
    )
    key = lab / "munge.key"
    key.write_bytes(os.urandom(64))
    key.chmod(0o600)
    path = f"{os.environ['PATH']}:/usr/sbin"
    env = {**os.environ, "SLURM_CONF": str(config), "PATH": path}
    munged = [
        "munged",
        "--foreground",
        "--force",
        f"--socket={lab}/munge.socket",
        f"--key-file={key}",
    ]
    munged += [
        f"--log-file={lab}/munge.log",
        f"--pid-file={lab}/munge.pid",
        f"--seed-file={lab}/munge.seed",
    ]
    log = stack.enter_context((lab / "log").open("w"))
    for command in (munged, ["slurmctld", "-D"], ["slurmd", "-D", "-N", host]):
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
        stack.callback(process.wait)
        stack.callback(process.terminate)
        time.sleep(0.5)
    for _ in range(60):
        seen = subprocess.run(
            ["sinfo", "-h", "-o", "%T"], env=env, capture_output=True, text=True, check=False
        )
        if seen.stdout.strip() == "idle":
            return env
        time.sleep(0.5)
    raise RuntimeError(
        f"the node is {(seen.stdout or seen.stderr).strip()!r}: {(lab / 'log').read_text()[-600:]}"
    )


@pytest.fixture(scope="module", params=["slurm", "stand-in"])
def cluster(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The environment in which slurm.py finds a cluster."""
    with ExitStack() as stack:
        # Sockets have short names, and munge wants a folder that others cannot write into.
        lab = Path(tempfile.mkdtemp(prefix="lab", dir="/var/tmp"))
        stack.callback(shutil.rmtree, lab, ignore_errors=True)
        lab.chmod(0o755)
        if request.param == "slurm":
            absent = [
                p for p in PROGRAMS if not shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin")
            ]
            if absent:
                pytest.skip(f"Slurm is not installed: no {', '.join(absent)}")
            try:
                env = start_slurm(lab, stack)
            except (OSError, RuntimeError) as error:
                pytest.skip(f"Slurm does not start here: {error}")
        else:
            (lab / "queue").mkdir()
            for name in ("sbatch", "squeue", "scancel"):
                (lab / name).write_text(STAND_IN)
                (lab / name).chmod(0o755)
            env = {**os.environ, "PATH": f"{lab}:{os.environ['PATH']}"}
        yield env


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "a folder"
    path.mkdir()
    return path


def call(cluster: dict[str, str], folder: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(SLURM), *words],
        cwd=folder,
        env=cluster,
        capture_output=True,
        text=True,
        check=False,
    )


def test_array_runs_with_numbers_logs_and_failures_as_run_py(cluster, folder):
    script = 'echo "JOB of $1 with $OMP_NUM_THREADS"; [ JOB -ne 2 ]'
    result = call(
        cluster, folder, "JOB=1:3", "l/x.JOB.log", "--", "bash", "-c", script, "-", "a  b"
    )
    assert result.returncode == 1
    assert "1 of 3 failed: job 2 (code 1)" in result.stderr
    assert "2 of a  b with 1" in result.stderr
    for i, code in ((1, 0), (2, 1), (3, 0)):
        text = (folder / f"l/x.{i}.log").read_text()
        assert f"{i} of a  b with 1\n" in text
        assert f"# Ended (code {code})" in text
    names = {p.name for p in (folder / "l").iterdir()}
    assert names == {"x.1.log", "x.2.log", "x.3.log", "x.2.log.slurm", "x.all.log.sbatch"}


def test_single_command_succeeds_and_a_stale_log_does_not_count(cluster, folder):
    (folder / "x.log").write_text("# Ended (code 7)\n")
    result = call(
        cluster, folder, "--num_threads", "2", "x.log", "--", "bash", "-c", "echo $OMP_NUM_THREADS"
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "\n2\n" in (folder / "x.log").read_text()


JOB = "echo $$ > pid.JOB.new; mv pid.JOB.new pid.JOB; sleep 1000"


@pytest.mark.slow
def test_ended_by_a_signal_it_cancels_its_jobs(cluster, folder):
    words = [sys.executable, str(SLURM), "JOB=1:2", "x.JOB.log", "--", "bash", "-c", JOB]
    process = subprocess.Popen(words, cwd=folder, env=cluster, stderr=subprocess.PIPE, text=True)
    pid = int(wait_for(lambda: (folder / "pid.1").exists() and (folder / "pid.1").read_text()))
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert "ended by SIGTERM, and its jobs with it" in said
    wait_for(lambda: not alive(pid))


@pytest.mark.slow
def test_what_a_killed_call_left_is_cancelled_before_the_next_starts(cluster, folder):
    words = [sys.executable, str(SLURM), "x.log", "--", "bash", "-c", JOB]
    process = subprocess.Popen(words, cwd=folder, env=cluster)
    pid = int(wait_for(lambda: (folder / "pid.JOB").exists() and (folder / "pid.JOB").read_text()))
    process.kill()
    process.wait()
    assert alive(pid)
    result = call(cluster, folder, "x.log", "--", "bash", "-c", f"kill -0 {pid}")
    assert "of an earlier call" in result.stderr
    assert "No such process" in result.stderr
    assert not alive(pid)


def test_a_job_that_ended_without_a_word_has_failed(cluster, folder):
    # As when its memory ran out: SIGKILL to the runner itself.
    impatient = "import slurm, sys; slurm.GRACE_SECONDS = 0.5; sys.exit(slurm.main())"
    result = subprocess.run(
        [sys.executable, "-c", impatient, "x.log", "--", "bash", "-c", "kill -9 $PPID"],
        cwd=folder,
        env={**cluster, "PYTHONPATH": str(SLURM.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "1 of 1 failed: bash (ended by Slurm: " in result.stderr
    assert "Killed" in result.stderr


def test_refusal_is_shown(cluster, folder):
    config = folder / "my.conf"
    text = (ROOT / "conf/cluster/slurm.conf").read_text()
    config.write_text(text.replace("cpu =", "cpu = --partition=none"))
    result = call(cluster, folder, "--config", str(config), "x.log", "--", "true")
    assert result.returncode == 1
    assert "sbatch refused it" in result.stderr
    assert "invalid partition" in result.stderr


@pytest.mark.parametrize("cluster", ["stand-in"], indirect=True)
def test_options_become_the_flags_of_the_config(cluster, folder):
    config = folder / "my.conf"
    text = (ROOT / "conf/cluster/slurm.conf").read_text()
    text = text.replace("gpu =\n", "gpu = --partition=gpu '--comment=a b'\n", 1).replace(
        "mem = --mem={value}", "mem ="
    )
    config.write_text(text)
    options = [
        "--gpu",
        "2",
        "--num_threads",
        "4",
        "--mem",
        "8G",
        "--time",
        "1:00",
        "--num_nodes",
        "2",
    ]
    options += ["--max_jobs", "3", "--config", str(config)]
    assert call(cluster, folder, *options, "JOB=3:4", "x.JOB.log", "--", "true").returncode == 0
    flags = (Path(cluster["PATH"].split(":")[0]) / "words").read_text().splitlines()
    expected = [
        "--partition=gpu",
        "--comment=a b",
        "--cpus-per-task=4",
        "--gres=gpu:2",
        "--time=1:00",
        "--nodes=2",
        "--ntasks-per-node=1",
        "--array=3-4%3",
    ]
    assert set(expected) <= set(flags)
    assert not [flag for flag in flags if flag.startswith("--mem")]


def test_without_slurm_it_says_so(folder):
    env = {**os.environ, "PATH": "/nowhere"}
    result = call(env, folder, "x.log", "--", "true")
    assert result.returncode == 1
    assert "sbatch is not on PATH: is this a Slurm cluster?" in result.stderr
