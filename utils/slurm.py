#!/usr/bin/env python3
"""Runs a command, or numbered copies of it as a job array, on an existing Slurm cluster.

slurm.py [options] [JOB=1:8] logs/x.JOB.log -- command --job JOB

The call, the logs and the exit code are those of run.py, which also runs each job on its node; the
folder and the Python in use must be visible there. It waits for the jobs. Ended by a signal, it
cancels them; ended by SIGKILL, the next call for the same log cancels what is left before it
starts. conf/cluster/slurm.conf says how options become flags of sbatch.
"""

import argparse
import configparser
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from jobs import (
    END_MARK,
    Ending,
    Job,
    UsageError,
    make_parser,
    parse_call,
    replace_word,
    report,
    tail,
)

CONFIG = Path(__file__).resolve().parents[1] / "conf" / "cluster" / "slurm.conf"
FIRST_POLL_SECONDS, LAST_POLL_SECONDS = 0.5, 10.0
GRACE_SECONDS = 30.0  # for a log to show on a network file system


def read_flags(config: Path, args: argparse.Namespace) -> list[str]:
    """Translate options into flags of sbatch.

    Raises:
        UsageError: If the config cannot be read or leaves an option out.
    """
    parser = configparser.ConfigParser(interpolation=None)
    try:
        with config.open() as file:
            parser.read_file(file)
        flags, templates = parser["flags"], parser["options"]
        words = [flags["always"], flags["gpu" if args.gpu else "cpu"]]
        for option in ("num_threads", "gpu", "mem", "time", "num_nodes"):
            if value := getattr(args, option):
                words.append(templates[option].replace("{value}", str(value)))
    except (OSError, configparser.Error, KeyError) as error:
        raise UsageError(f"{config}: {error}") from error
    return [flag for word in words for flag in shlex.split(word)]


def slurm(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of Slurm.

    Raises:
        UsageError: If it isn't installed.
    """
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise UsageError(f"{command[0]} is not on PATH: is this a Slurm cluster?") from error


def in_queue(job_id: str) -> bool:
    """Whether a job, or a part of an array, has not ended; True while Slurm cannot say."""
    listed = slurm("squeue", "--noheader", "--format=%i", "--jobs", job_id)
    if listed.returncode:
        return "invalid job id" not in listed.stderr.lower()
    return bool(listed.stdout.strip())


def cancel(job_id: str) -> None:
    """Cancel a job and wait until it has ended."""
    slurm("scancel", job_id)
    while in_queue(job_id):
        time.sleep(FIRST_POLL_SECONDS)


def end_code(log: Path) -> int | None:
    """The exit code at the end of a job's log, or None while it has none."""
    if not log.exists():
        return None
    match = (
        re.match(re.escape(END_MARK) + r"(\d+)\)", tail(log, 1)[0]) if log.stat().st_size else None
    )
    return int(match[1]) if match else None


class Submission:
    """One job or job array. Its files lie beside the logs, under the log's name."""

    def __init__(
        self, args: argparse.Namespace, jobs: Sequence[Job], command: Sequence[str]
    ) -> None:
        self.jobs = jobs
        self.job_id = ""
        log = args.call[-1]
        word = args.call[0].partition("=")[0] if len(args.call) == 2 else ""
        base = replace_word(log, word, "all") if word else log
        self.script, self.id_file = Path(f"{base}.sbatch"), Path(f"{base}.sbatch.id")
        pattern = log.replace("%", "%%")
        self._flags = [
            f"--job-name={Path(base).name}",
            f"--output={replace_word(pattern, word, '%a') if word else pattern}.slurm",
            *read_flags(args.config, args),
        ]
        if word:
            at_once = f"%{args.max_jobs}" if args.max_jobs else ""
            self._flags.append(f"--array={jobs[0].number}-{jobs[-1].number}{at_once}")
        runner = [sys.executable, str(Path(__file__).resolve().with_name("run.py"))]
        runner += ["--num_threads", str(args.num_threads)]
        job_range = f'"{word}=${{SLURM_ARRAY_TASK_ID}}"' if word else ""
        # run.py ends with its parent, which must not be a thread of Slurm's: hence no exec.
        call = f"{shlex.join(runner)} {job_range} {shlex.join([log, '--', *command])}"
        self._text = f"#!/bin/bash\n{call}\nexit $?\n"

    def submit(self) -> None:
        """Send it off, after cancelling what an earlier call may have left.

        Raises:
            UsageError: If Slurm refuses it.
        """
        self.script.parent.mkdir(parents=True, exist_ok=True)
        if self.id_file.exists() and in_queue(left := self.id_file.read_text().strip()):
            print(f"slurm.py: cancelling job {left} of an earlier call", file=sys.stderr)
            cancel(left)
        for job in self.jobs:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            job.log.unlink(missing_ok=True)
            slurm_log(job).unlink(missing_ok=True)
        self.script.write_text(self._text)
        submitted = slurm("sbatch", "--parsable", *self._flags, str(self.script))
        if submitted.returncode:
            raise UsageError(f"sbatch refused it: {submitted.stderr.strip()}")
        self.job_id = submitted.stdout.strip().split(";")[0]
        self.id_file.write_text(self.job_id + "\n")

    def wait(self, ending: Ending) -> None:
        """Return when all jobs have ended, or when a signal came, after cancelling them."""
        pause, waiting, patience = FIRST_POLL_SECONDS, list(self.jobs), GRACE_SECONDS
        while waiting and ending.number is None and patience > 0:
            time.sleep(pause)
            waiting = [job for job in waiting if end_code(job.log) is None]
            if waiting and not in_queue(self.job_id):
                patience -= pause
            pause = min(pause * 1.2, LAST_POLL_SECONDS)
        if ending.number is not None:
            cancel(self.job_id)
        self.id_file.unlink(missing_ok=True)

    def failures(self) -> list[tuple[Job, str]]:
        """The jobs that did not end well, each with the reason."""
        failed = []
        for job in self.jobs:
            code = end_code(job.log)
            if code is None:
                said = tail(slurm_log(job), 1) or ["no reason given"]
                failed.append((job, f"ended by Slurm: {said[-1]}"))
            elif code:
                failed.append((job, f"code {code}"))
            else:
                slurm_log(job).unlink(missing_ok=True)
        return failed


def slurm_log(job: Job) -> Path:
    """Where Slurm itself writes about a job."""
    return Path(f"{job.log}.slurm")


def main() -> int:
    """Parse the call, submit, wait, report."""
    parser = make_parser(__doc__ or "")
    parser.add_argument(
        "--config", type=Path, default=CONFIG, help="how options become sbatch flags"
    )
    args, jobs = parse_call(parser, sys.argv[1:])
    ending = Ending()
    try:
        submission = Submission(args, jobs, sys.argv[sys.argv.index("--") + 1 :])
        submission.submit()
        submission.wait(ending)
    except (UsageError, OSError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    if ending.number is not None:
        return ending.exit_code(parser.prog)
    return report(parser.prog, submission.failures(), len(jobs))


if __name__ == "__main__":
    sys.exit(main())
