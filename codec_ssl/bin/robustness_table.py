"""Error rates of recognisers, clean and in noise, from the results.json of their scoring.

    python -m codec_ssl.bin.robustness_table exp
    python -m codec_ssl.bin.robustness_table codes=exp/codes_seed1 codes=exp/codes_seed2 mel=exp/mel

Without a name, every experiment is a row. A name that comes again adds runs, whose mean is shown.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.data.tables import write_atomic
from codec_ssl.errors import DataError
from codec_ssl.report.render import FORMATS, render
from codec_ssl.report.results import Result, find_results, read_results
from codec_ssl.report.robustness import METRICS, NOTE, draw, systems_of, tables

_ENDINGS = {"text": "txt", "markdown": "md"}


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("results", nargs="+", metavar="[NAME=]PATH", help="folders of results.json, or such files")
    add("--metric", choices=METRICS, default=METRICS[0], help="word or character error rate")
    add("--sets", nargs="+", help="clean sets to show (default: all that have noisy copies)")
    add("--format", choices=FORMATS, default="text")
    add("--out", type=Path, help="folder for robustness.txt and .md of the sets, and a picture")
    return parser


def main() -> None:
    """Read, tabulate, print.

    Raises:
        DataError: If there are no results of noisy sets, or a set has none.
    """
    args = get_parser().parse_args()
    systems = read_systems(args.results)
    found = tables(systems, args.metric)
    for name in args.sets or [None]:
        if not found or (name is not None and name not in found):
            raise DataError(
                f"{', '.join(args.results)}: expected {args.metric} of noisy copies of "
                f"{name or 'a set'}, found those of: {', '.join(found) or 'none'}",
                "score",
            )
    chosen = {name: found[name] for name in args.sets or found}
    print(_shown(chosen, args.metric, args.format), end="")
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        for style, ending in _ENDINGS.items():
            shown = _shown(chosen, args.metric, style)
            write_atomic(args.out / f"robustness.{ending}", shown)
        draw(systems, args.out / "robustness.png", args.metric)


def read_systems(given: Sequence[str]) -> dict[str, list[Result]]:
    """Results by system, of paths with a name or without.

    Raises:
        DataError: A path has no results.
    """
    systems: dict[str, list[Result]] = {}
    for text in given:
        name, is_named, path = text.partition("=")
        if not is_named or Path(text).exists():
            name, path = "", text
        file = Path(path)
        read = [read_results(file)] if file.is_file() else [f for _, f in find_results([file])]
        results = [result for each in read for result in each.results]
        if not results:
            raise DataError(f"{path}: expected results.json of score_asr, found none", "score")
        for system, some in ({name: results} if name else systems_of(results)).items():
            systems.setdefault(system, []).extend(some)
    return systems


def _shown(found: dict[str, list[list[str]]], metric: str, style: str) -> str:
    title = f"{metric.upper()} of {{}}, %, by the ratio of speech to noise"
    return "\n".join(
        render(rows[0], rows[1:], style, title=title.format(name), notes=[NOTE])
        for name, rows in found.items()
    )


if __name__ == "__main__":
    cli.run(main)
