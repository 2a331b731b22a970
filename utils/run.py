#!/usr/bin/env python3
"""Runs a command, or numbered copies of it side by side, on this machine, each with its own log.

run.py [options] [JOB=1:8] logs/x.JOB.log -- command --job JOB

With JOB=first:last, the word JOB (not a part of a longer word of letters and digits) in the log's
name and in the arguments becomes the job's number. Arguments go to the command as they are, without
a shell. All jobs are run, whatever fails; the exit code is 0 when all succeed, else 1, with the end
of the log of jobs that failed. When run.py ends for any reason, SIGKILL included, so do its jobs.

slurm.py takes the same call and runs the jobs on a Slurm cluster.
"""

import argparse
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jobs import (
    END_MARK,
    Ending,
    Job,
    UsageError,
    die_with_parent,
    make_parser,
    parse_call,
    parse_size,
    parse_time,
    report,
)

POLL_SECONDS = 0.02
TERM_SECONDS = 5.0


def find_gpus() -> list[str]:
    """List the GPUs this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name for name in visible.split(",") if name.strip() not in ("", "-1")]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        return []
    return [str(i) for i, line in enumerate(listed.stdout.splitlines()) if line.startswith("GPU")]


def available_memory() -> int:
    """Bytes of memory that jobs may take now."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) << 10
    raise RuntimeError("/proc/meminfo has no MemAvailable")


def jobs_at_once(args: argparse.Namespace, gpus: Sequence[str]) -> int:
    """How many jobs the cores, the memory and the GPUs of this machine allow side by side.

    Raises:
        UsageError: If this machine cannot run even one.
    """
    if args.num_nodes > 1:
        raise UsageError("--num_nodes above 1 needs slurm.py (CMD_BACKEND=slurm)")
    most = args.max_jobs or max(1, len(os.sched_getaffinity(0)) // args.num_threads)
    if args.gpu:
        if len(gpus) < args.gpu:
            raise UsageError(f"--gpu {args.gpu}, but this machine offers {len(gpus)}")
        most = min(most, len(gpus) // args.gpu) if args.max_jobs else len(gpus) // args.gpu
    if args.mem:
        most = min(most, max(1, available_memory() // parse_size(args.mem)))
    return most


def is_alive(group: int) -> bool:
    """Whether a process group has a member left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def kill_groups(groups: Iterable[int]) -> None:
    """End process groups: first asked, after ``TERM_SECONDS`` forced."""
    left = list(groups)
    for sent in (signal.SIGTERM, signal.SIGKILL):
        for group in left:
            with suppress(ProcessLookupError):
                os.killpg(group, sent)
        end = time.monotonic() + TERM_SECONDS
        while time.monotonic() < end:
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            left = [group for group in left if is_alive(group)]
            if not left:
                return
            time.sleep(POLL_SECONDS)


def kill_groups_keeping(process: subprocess.Popen[bytes]) -> None:
    """End one job's process group, leaving its exit code to be collected from ``process``."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
        with suppress(subprocess.TimeoutExpired):
            process.wait(TERM_SECONDS)
            return


class Guard:
    """A process that outlives run.py and ends its jobs, for when run.py was given no chance to.

    It listens on a pipe that closes with run.py. A job's own children are in the job's process
    group, so they go too.
    """

    def __init__(self) -> None:
        read_end, self._write_end = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._write_end)
            self._watch(read_end)
        os.close(read_end)

    @staticmethod
    def _watch(read_end: int) -> None:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        groups: set[int] = set()
        with os.fdopen(read_end) as messages:
            for line in messages:
                groups ^= {int(line)}
        kill_groups(groups)
        os._exit(0)

    def toggle(self, group: int) -> None:
        """Tell of a process group that began, or that ended."""
        os.write(self._write_end, f"{group}\n".encode())

    def close(self) -> None:
        """End the guard."""
        os.close(self._write_end)
        os.waitpid(self._pid, 0)


@dataclass
class Running:
    """A job at work."""

    job: Job
    process: subprocess.Popen[bytes]
    gpus: list[str]
    start: float
    deadline: float


class LocalRunner:
    """Runs jobs, some side by side, and remembers how each ended."""

    def __init__(self, args: argparse.Namespace, ending: Ending) -> None:
        self.ending = ending
        self.free_gpus = find_gpus() if args.gpu else []
        self.most = jobs_at_once(args, self.free_gpus)
        self.args = args
        self.running: list[Running] = []
        self.failures: list[tuple[Job, str]] = []
        self.guard = Guard()

    def run(self, jobs: Sequence[Job]) -> list[tuple[Job, str]]:
        """Run all jobs and return those that failed, each with the reason."""
        waiting = list(reversed(jobs))
        try:
            while (waiting or self.running) and self.ending.number is None:
                while waiting and len(self.running) < self.most:
                    self._start(waiting.pop())
                time.sleep(POLL_SECONDS)
                self._collect()
        finally:
            self._stop()
            self.guard.close()
        return sorted(self.failures, key=lambda failure: failure[0].number or 0)

    def _start(self, job: Job) -> None:
        gpus, self.free_gpus = self.free_gpus[: self.args.gpu], self.free_gpus[self.args.gpu :]
        env = dict(os.environ)
        for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            env[variable] = str(self.args.num_threads)
        if gpus:
            env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
        job.log.parent.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        where = f"{socket.gethostname()}, {self.args.num_threads} threads"
        if gpus:
            where += f", GPU {','.join(gpus)}"
        header = f"# {shlex.join(job.command)}\n# Started at {now()} on {where}\n#\n"
        job.log.write_bytes(os.fsencode(header))
        with job.log.open("ab") as log:
            try:
                # The fds a recipe left open (its lock) go along, so that they are held as long as
                # a job is at work; Python's own are never inherited.
                process = subprocess.Popen(
                    job.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=env,
                    close_fds=False,
                    start_new_session=True,
                    preexec_fn=die_with_parent,
                )
            except OSError as error:
                log.write(f"cannot run {job.command[0]}: {error.strerror}\n".encode())
                self.free_gpus += gpus
                self._end(job, 127, 0.0, "cannot be run")
                return
        self.guard.toggle(process.pid)
        limit = parse_time(self.args.time) if self.args.time else float("inf")
        self.running.append(Running(job, process, gpus, start, start + limit))

    def _collect(self) -> None:
        for entry in list(self.running):
            code = entry.process.poll()
            why = ""
            if code is None and time.monotonic() > entry.deadline:
                why = f"over its time limit of {self.args.time}"
                kill_groups_keeping(entry.process)
                code = entry.process.wait()
            if code is None:
                continue
            self.running.remove(entry)
            self.guard.toggle(entry.process.pid)
            self.free_gpus += entry.gpus
            self._end(entry.job, code, time.monotonic() - entry.start, why)

    def _end(self, job: Job, code: int, seconds: float, why: str = "") -> None:
        if code < 0:
            why = why or f"killed by {signal_name(-code)}"
            code = 128 - code
        why = why or (f"code {code}" if code else "")
        with job.log.open("a") as log:
            log.write(f"{END_MARK}{code}) at {now()}, elapsed {seconds:.1f} s")
            log.write(f", {why}\n" if why and not why.startswith("code") else "\n")
        if code or why:
            self.failures.append((job, why))

    def _stop(self) -> None:
        kill_groups([entry.process.pid for entry in self.running])
        for entry in self.running:
            self._end(
                entry.job, -signal.SIGTERM, time.monotonic() - entry.start, "run.py was ended"
            )


def now() -> str:
    """The time of day, for logs."""
    return datetime.now().astimezone().isoformat(" ", "seconds")


def signal_name(number: int) -> str:
    """The name of a signal, with the usual cause of SIGKILL."""
    name = signal.Signals(number).name
    return f"{name} (out of memory?)" if number == signal.SIGKILL else name


def main() -> int:
    """Parse the call, run the jobs, report."""
    parser = make_parser(__doc__ or "")
    args, jobs = parse_call(parser, sys.argv[1:])
    ending = Ending()
    try:
        failures = LocalRunner(args, ending).run(jobs)
    except UsageError as error:
        parser.error(str(error))
    except OSError as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    if ending.number is not None:
        return ending.exit_code(parser.prog)
    return report(parser.prog, failures, len(jobs))


if __name__ == "__main__":
    sys.exit(main())
