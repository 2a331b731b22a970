"""The SUPERB score of ML-SUPERB, from the results of its four tasks.

Looks for results.json of score_ml_superb under the given folders, one run a task and duration; the
monolingual track may have one run a setting. Says which task is missing.
"""

import argparse
import time
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.data.corpora.ml_superb import DURATIONS, MONOLINGUAL
from codec_ssl.errors import DataError
from codec_ssl.evaluation.ml_superb import SCORED, monolingual_rate, superb_score, task_scores
from codec_ssl.report.render import render
from codec_ssl.report.results import FILE_NAME, Result, find_results, write_results


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("exp", nargs="+", type=Path, help="folders of experiments, searched for results.json")
    add("--duration", choices=DURATIONS, default="10min", help="training data")
    add("--set", default="test_10min", help="scored set")
    add("--out", type=Path, help="folder of a results.json of its own")
    return parser


def main() -> None:
    """Collect, print, write."""
    begin = time.perf_counter()
    args = get_parser().parse_args()
    values = collect(args.exp, args.duration, args.set)
    tasks = task_scores(values, args.duration)
    rows = [
        [f"{task} {name}", f"{100 * value:.1f}", f"{tasks[task]:.1f}" if task in tasks else ""]
        for (task, name), value in sorted(values.items())
    ]
    print(render(["measure", "%", "score of the task"], rows, "text"), end="")
    total = superb_score(values, args.duration)
    print(f"SUPERB score, {args.duration}: {total:.1f}")
    if args.out:
        told = {"duration": args.duration, "set": args.set}
        found = [Result("superb_score", total, "thousandths", told)]
        write_results(args.out / FILE_NAME, found, time.perf_counter() - begin)


def collect(roots: list[Path], duration: str, set_name: str) -> dict[tuple[str, str], float]:
    """Value of each task and measure; that of the monolingual track is a mean over its settings.

    Raises:
        DataError: There are two results of one measure, which only a person can choose between.
    """
    values: dict[tuple[str, str], float] = {}
    settings: dict[str, tuple[str, float]] = {}
    for path, file in find_results(roots):
        for result in file.results:
            scored, task = result.scored, str(result.scored.get("task"))
            of_this = (scored.get("duration"), scored.get("set")) == (duration, set_name)
            if not of_this or result.metric not in SCORED.get(task, ()):
                continue
            if task == "mono":
                name, taken = str(scored.get("setting")), settings
            else:
                name, taken = (task, result.metric), values
            if name in taken:
                raise DataError(f"{path}: expected one result of {name}, found a second one")
            if task == "mono":
                settings[name] = (MONOLINGUAL[name][1], result.value)
            else:
                values[name] = result.value
    if settings:
        if missing := sorted(MONOLINGUAL.keys() - settings.keys()):
            raise DataError(f"monolingual track: expected 13 settings, missing: {missing}")
        values["mono", "cer"] = monolingual_rate(settings)
    return values


if __name__ == "__main__":
    cli.run(main)
