"""Evaluate models on a suite: what the corpora here allow, in parallel jobs, one table.

  python -m codec_ssl.bin.evaluate --suite superb --model exp/online --codec dac_16k --out eval

prints which tasks can run and what the others lack, runs them through the suite's recipe, each
group of tasks that share corpora as a job of its own, and writes OUT/SUITE/REPORT.md. A run that
was killed goes on where it was; what is done is not done again. Options that are not listed go to
the recipe's run.sh, such as --lrs "1e-3 1e-4" or --references "logmel untrained".
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.bin.probe_suite import run_probe
from codec_ssl.errors import CodecSSLError, ConfigError
from codec_ssl.evaluation.suites import NAMES, SCALES, Suite, get_suite

ROOT = Path(__file__).resolve().parents[2]


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--suite", choices=NAMES, required=True)
    what = "experiment directory, conf/encoders name, hub id or folder; may be given several times"
    add("--model", action="append", required=True, metavar="[NAME=]EXP", help=what)
    add("--out", type=Path, default=Path("evaluation"), help="folder of all that is made")
    add("--scale", choices=SCALES, help="public corpora, or mini: the embedded one (probe: mini)")
    add("--tasks", nargs="+", help="only these of the suite")
    add("--codec", help="before models that read codes")
    add("--jobs", type=cli.positive_int, default=1, help="groups of tasks at a time")
    add("--nj", type=cli.positive_int, default=1, help="jobs of each of them")
    add("--ngpu", type=int, default=0, help="GPUs of each group, whose jobs share them")
    add("--list", action="store_true", help="print which tasks can run, and run nothing")
    add("--job", type=int, help=argparse.SUPPRESS)  # one of the groups: run by this program itself
    return parser


def main() -> None:
    """Parse, tell what can run, run it, report."""
    args, rest = get_parser().parse_known_args()
    suite = get_suite(args.suite, args.scale or ("mini" if args.suite == "probe" else "public"))
    models = name_models(args.model)
    groups = suite.groups(runnable(suite, args.tasks, quiet=args.job is not None))
    if args.job is not None:
        sys.exit(run_group(suite, groups[args.job - 1], models, args, rest))
    if args.list:
        return
    if not groups:
        raise ConfigError(f"--suite {suite.name}: no task can run", stage="data")
    failed = run_all(args, len(groups))
    report(args.out / suite.name, f"{suite.name}: {', '.join(models)}")
    if failed:
        raise CodecSSLError(f"some tasks failed: see the ends of their logs above, in {args.out}")


def name_models(given: Sequence[str]) -> dict[str, str]:
    """Models by name: that before ``=``, or the last part of a path, with more of it if need be.

    Raises:
        ConfigError: A name comes twice.
    """
    named: dict[str, str] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or "/" in name:
            path = text
            parts = [part for part in Path(text).parts if part not in ("/", "..")]
            name = next(
                (n for k in range(1, len(parts) + 1) if (n := "_".join(parts[-k:])) not in named),
                text,
            )
        if not name or not path or name in named:
            raise ConfigError(f"--model: expected each name once, as NAME=EXP, found {text!r}")
        # Recipes run in their own folders.
        named[name] = str(Path(path).absolute()) if Path(path).exists() else path
    return named


def runnable(suite: Suite, wanted: Sequence[str] | None, *, quiet: bool) -> list[str]:
    """Tasks that can run; unless quiet, say of each whether, and what it lacks.

    Raises:
        ConfigError: A wanted task is not of the suite.
    """
    lacks = suite.lacks(os.environ)
    for task in wanted or ():
        if task not in lacks:
            raise ConfigError(f"--tasks: expected tasks of {sorted(lacks)}, found {task!r}")
    chosen = [task for task in lacks if wanted is None or task in wanted]
    if not quiet:
        width = max(map(len, chosen))
        for task in chosen:
            print(f"{task:{width}}  {'can run' if lacks[task] is None else lacks[task]}")
        sys.stdout.flush()
    return [task for task in chosen if lacks[task] is None]


def run_all(args: argparse.Namespace, num_groups: int) -> bool:
    """Run this command once for each group, side by side; whether one failed."""
    logs = args.out / args.suite / "logs"
    runner = [sys.executable, str(ROOT / "utils" / "run.py"), "--max_jobs", str(args.jobs)]
    runner += ["--gpu", str(args.ngpu), "--num_threads", os.environ.get("OMP_NUM_THREADS", "1")]
    job = [sys.executable, *sys.orig_argv[1:], "--job", "JOB"]
    call = [*runner, f"JOB=1:{num_groups}", str(logs / "evaluate.JOB.log"), "--", *job]
    return subprocess.run(call, check=False).returncode != 0


def run_group(
    suite: Suite,
    tasks: Sequence[str],
    models: dict[str, str],
    args: argparse.Namespace,
    rest: Sequence[str],
) -> int:
    """Run some tasks; return the exit status."""
    out = (args.out / suite.name / "_".join(tasks)).absolute()
    if suite.recipe is None:
        run_probe(models, tasks, out, args.codec, args.ngpu, rest)
        return 0
    given = {
        "tasks": " ".join(tasks),
        "encoders": ",".join(f"{name}={path}" for name, path in models.items()),
        "datadir": str(out / "data"),
        "dumpdir": str(out / "dump"),
        "expdir": str(out / "exp"),
        "nj": str(args.nj),
        "ngpu": str(args.ngpu),
    }
    if args.codec:
        given["codec"] = (
            str(Path(args.codec).absolute()) if Path(args.codec).exists() else args.codec
        )
    options = [f"--{name}={value}" for name, value in given.items()]
    return subprocess.run(
        ["bash", str(ROOT / suite.recipe / "run.sh"), *options, *rest], check=False
    ).returncode


def report(out: Path, title: str) -> None:
    """Put the scores of all groups into one report and print where it is."""
    from codec_ssl.report.markdown import REPORT, find_result_files, write_report

    files = find_result_files(out)
    if files:
        write_report(out, files, {}, {}, title)
        print((out / REPORT).read_text(encoding="utf-8"))


if __name__ == "__main__":
    cli.run(main)
