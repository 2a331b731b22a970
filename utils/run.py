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
import ctypes
import os
import re
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
from types import FrameType

POLL_SECONDS = 0.02
TERM_SECONDS = 5.0
TAIL_LINES, TAIL_JOBS = 20, 3
PR_SET_PDEATHSIG = 1
END_MARK = "# Ended (code "


class UsageError(Exception):
    """The call itself is wrong."""


@dataclass(frozen=True)
class Job:
    """One copy of the command; ``number`` is None when there is only one."""

    number: int | None
    log: Path
    command: tuple[str, ...]

    @property
    def name(self) -> str:
        """The job in messages."""
        return self.command[0] if self.number is None else f"job {self.number}"


def replace_word(text: str, word: str, value: str) -> str:
    """Replace ``word`` where it is not a part of a longer word of letters and digits."""
    return re.sub(rf"(?<![A-Za-z0-9]){re.escape(word)}(?![A-Za-z0-9])", value, text)


def expand(job_range: str | None, log: str, command: Sequence[str]) -> list[Job]:
    """Make the jobs of a call.

    Raises:
        UsageError: If the range is empty, or the jobs would share one log.
    """
    if job_range is None:
        return [Job(None, Path(log), tuple(command))]
    match = re.fullmatch(r"([A-Za-z_]\w*)=(\d+)(?::(\d+))?", job_range)
    if match is None:
        raise UsageError(f"expected a range such as JOB=1:8, found {job_range!r}")
    word, first, last = match[1], int(match[2]), int(match[3] or match[2])
    if last < first:
        raise UsageError(f"the range {job_range} is empty")
    if last > first and replace_word(log, word, "") == log:
        raise UsageError(f"the log {log} has no {word}: all jobs would write into it")

    def number(text: str, index: int) -> str:
        return replace_word(text, word, str(index))

    return [
        Job(i, Path(number(log, i)), tuple(number(argument, i) for argument in command))
        for i in range(first, last + 1)
    ]


def parse_size(text: str) -> int:
    """Read a size such as 500M or 8G (a bare number is MB, as in Slurm) as bytes."""
    match = re.fullmatch(r"(\d+)([KMGT]?)B?", text.upper())
    if match is None:
        raise argparse.ArgumentTypeError(f"expected a size such as 8G, found {text!r}")
    return int(match[1]) << {"K": 10, "": 20, "M": 20, "G": 30, "T": 40}[match[2]]


def parse_time(text: str) -> float:
    """Read a duration as Slurm does (M, M:S, H:M:S, D-H, D-H:M, D-H:M:S) as seconds."""
    if re.fullmatch(r"(\d+-)?\d+(:\d+){0,2}", text) is None:
        raise argparse.ArgumentTypeError(f"expected a time such as 2:00:00, found {text!r}")
    days, _, clock = text.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    if days:
        hours, minutes, seconds = [*parts, 0, 0][:3]
    elif len(parts) == 3:
        hours, minutes, seconds = parts
    else:
        hours, (minutes, seconds) = 0, [*parts, 0][:2]
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


def positive(text: str) -> int:
    """Read a count of one or more."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number of 1 or more, found {text!r}")
    return int(text)


def make_parser(doc: str) -> argparse.ArgumentParser:
    """Make the parser that run.py and slurm.py share."""
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )

    def add(name: str, **options: object) -> None:
        parser.add_argument(f"--{name}", f"--{name.replace('_', '-')}", dest=name, **options)

    add(
        "num_threads",
        type=positive,
        default=1,
        help="cores of a job, told to it as OMP_NUM_THREADS",
    )
    add("gpu", type=int, default=0, help="GPUs of a job; locally, jobs get free ones or wait")
    add("mem", help="memory of a job, such as 8G; locally, it limits how many run at once")
    add("time", help="time limit of a job, such as 2:00:00")
    add("num_nodes", type=positive, default=1, help="nodes of a job (slurm.py only)")
    add("max_jobs", type=positive, help="jobs at once (default locally: cores / num_threads)")
    parser.add_argument("call", nargs="+", metavar="[JOB=1:8] log")
    return parser


def parse_call(
    parser: argparse.ArgumentParser, argv: Sequence[str]
) -> tuple[argparse.Namespace, list[Job]]:
    """Split a call at ``--`` into options and jobs."""
    before, mark, command = _split(argv, "--")
    args = parser.parse_args(before)
    try:
        if not mark or not command:
            raise UsageError("no command: write it after the log and --")
        if len(args.call) > 2:
            raise UsageError(f"expected [JOB=1:8] log before --, found {shlex.join(args.call)}")
        job_range = args.call[0] if len(args.call) == 2 else None
        if args.gpu < 0:
            raise UsageError("--gpu is 0 or more")
        for name, parse in (("mem", parse_size), ("time", parse_time)):
            if getattr(args, name) is not None:
                parse(getattr(args, name))
        return args, expand(job_range, args.call[-1], command)
    except (UsageError, argparse.ArgumentTypeError) as error:
        parser.error(str(error))


def _split(argv: Sequence[str], mark: str) -> tuple[list[str], bool, list[str]]:
    if mark not in argv:
        return list(argv), False, []
    place = list(argv).index(mark)
    return list(argv[:place]), True, list(argv[place + 1 :])


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


def die_with_parent() -> None:
    """Ask the kernel to send SIGTERM when the parent is gone."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


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

    def __init__(self, args: argparse.Namespace, ending: "Ending") -> None:
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


def kill_groups_keeping(process: subprocess.Popen[bytes]) -> None:
    """End one job's process group, leaving its exit code to be collected from ``process``."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
        with suppress(subprocess.TimeoutExpired):
            process.wait(TERM_SECONDS)
            return


def now() -> str:
    """The time of day, for logs."""
    return datetime.now().astimezone().isoformat(" ", "seconds")


def signal_name(number: int) -> str:
    """The name of a signal, with the usual cause of SIGKILL."""
    name = signal.Signals(number).name
    return f"{name} (out of memory?)" if number == signal.SIGKILL else name


def tail(log: Path, lines: int = TAIL_LINES) -> list[str]:
    """Read the last lines of a log, however long it is."""
    if not log.exists():
        return ["(there is no log)"]
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 400 * lines))
        return file.read().decode(errors="replace").splitlines()[-lines:]


def report(program: str, failures: Sequence[tuple[Job, str]], total: int) -> int:
    """Print which jobs failed and the ends of their logs; return the exit code."""
    if not failures:
        return 0
    listed = ", ".join(f"{job.name} ({why})" for job, why in failures)
    print(f"{program}: {len(failures)} of {total} failed: {listed}", file=sys.stderr)
    for job, _ in failures[:TAIL_JOBS]:
        print(f"--- {job.name}: the end of {job.log}", file=sys.stderr)
        for line in tail(job.log):
            print(f"    {line}", file=sys.stderr)
    if len(failures) > TAIL_JOBS:
        others = " ".join(str(job.log) for job, _ in failures[TAIL_JOBS:])
        print(f"--- further logs: {others}", file=sys.stderr)
    return 1


class Ending:
    """Remembers the signal that asked this program to end, so that it ends between two steps."""

    def __init__(self) -> None:
        self.number: int | None = None
        # Under nohup it is meant to outlive its caller.
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._note)
            die_with_parent()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.number = number

    def exit_code(self, program: str) -> int:
        """Say what ended the jobs; the exit code of a program that a signal ended."""
        name = signal.Signals(self.number or signal.SIGTERM).name
        print(f"{program}: ended by {name}, and its jobs with it", file=sys.stderr)
        return 128 + (self.number or signal.SIGTERM)


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
