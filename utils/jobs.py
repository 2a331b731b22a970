"""What run.py and slurm.py share: the call, the jobs it stands for, how they end, the report."""

import argparse
import ctypes
import os
import re
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

TAIL_LINES, TAIL_JOBS = 20, 3
END_MARK = "# Ended (code "
PR_SET_PDEATHSIG = 1


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


def die_with_parent() -> None:
    """Ask the kernel to send SIGTERM when the parent is gone."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


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
