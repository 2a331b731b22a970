"""Compare codecs by their results.json: values, and how often each is best and worst."""

import argparse
import time
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.data.tables import write_atomic
from codec_ssl.errors import ConfigError
from codec_ssl.report.best_worst import compare
from codec_ssl.report.best_worst_tables import count_results, count_table, value_table
from codec_ssl.report.codec_metrics import expand
from codec_ssl.report.render import FORMATS
from codec_ssl.report.results import (
    FILE_NAME,
    ResultFile,
    find_results,
    read_results,
    write_results,
)

_ENDINGS = {"text": "txt", "markdown": "md"}


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("results", nargs="+", type=Path, help="results.json of evaluate_codec, or folders of them")
    add("--metrics", default="all", help="metrics and groups, separated by blanks")
    add("--systems", nargs="+", help="codecs to compare, in this order (default: all)")
    add(
        "--groups",
        nargs="*",
        default=[],
        metavar="NAME=SET,SET",
        help="sets (SET:tts1 of synthesis) to sum over",
    )
    add(
        "--set_metrics",
        nargs="*",
        default=[],
        metavar="SET=METRIC,METRIC",
        help="metrics or groups of them that a set is compared by, e.g. of sounds: NAME=audio",
    )
    add("--format", choices=FORMATS, default="text")
    add("--out", type=Path, help="folder of best_worst.txt, .md and results.json of the counts")
    return parser


def main() -> None:
    """Read, compare, print."""
    begin = time.perf_counter()
    args = get_parser().parse_args()
    files = [file for path in args.results for file in _read(path)]
    metrics = expand(args.metrics.replace(",", " ").split())
    results = [result for file in files for result in file.results]
    set_metrics = _lists("--set_metrics", args.set_metrics)
    comparison = compare(
        results,
        metrics=metrics,
        systems=args.systems,
        set_metrics={name: expand(given) for name, given in set_metrics.items()},
    )
    groups = _lists("--groups", args.groups)
    notes = _reasons([note for file in files for note in file.notes], metrics)

    def render(style: str) -> str:
        values = [value_table(comparison, name, style) for name in comparison.conditions]
        return "\n".join([*values, count_table(comparison, style, groups, notes)])

    print(render(args.format), end="")
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        for style, ending in _ENDINGS.items():
            write_atomic(args.out / f"best_worst.{ending}", render(style))
        seconds = time.perf_counter() - begin
        write_results(args.out / FILE_NAME, count_results(comparison, groups), seconds)


def _read(path: Path) -> list[ResultFile]:
    return [file for _, file in find_results([path])] if path.is_dir() else [read_results(path)]


def _lists(option: str, given: list[str]) -> dict[str, list[str]]:
    """Each ``NAME=ITEM,ITEM`` by its name."""
    found: dict[str, list[str]] = {}
    for text in given:
        name, _, items = text.partition("=")
        if not name or not items or name in found:
            raise ConfigError(f"{option}: expected NAME=ITEM,ITEM, each once, found {text!r}")
        found[name] = items.split(",")
    return found


def _reasons(notes: list[str], metrics: list[str]) -> list[str]:
    """Why whole metrics were not scored, each said once."""
    told = [n for n in notes if ": not scored: " in n and n.partition(":")[0] in metrics]
    return list(dict.fromkeys(told))


if __name__ == "__main__":
    cli.run(main)
