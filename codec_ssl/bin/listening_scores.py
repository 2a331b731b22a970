"""Mean opinion scores with 95 % intervals from results that listeners downloaded."""

import argparse
import time
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.data.tables import write_atomic
from codec_ssl.evaluation.listening import mean_opinions, read_ratings, table
from codec_ssl.report.render import FORMATS
from codec_ssl.report.results import FILE_NAME, Result, write_results

_ENDINGS = {"text": "txt", "markdown": "md"}


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("ratings", nargs="+", type=Path, help="JSON files, one a listener")
    add("--format", choices=FORMATS, default="text")
    add("--out", type=Path, help="folder of mos.txt, mos.md and results.json")
    add("--recipe", default="", help="recipe's path in the repository, recorded")
    add("--set", default="", help="name of the set, recorded")
    return parser


def main() -> None:
    """Read, average, print."""
    begin = time.perf_counter()
    args = get_parser().parse_args()
    ratings = read_ratings(args.ratings)
    told = {"recipe": args.recipe or None, "set": args.set or None}
    results = [
        Result(found.metric, found.value, found.unit, {**told, **found.scored}, found.interval)
        for found in mean_opinions(ratings)
    ]
    title = f"Listening test, page {ratings.page}"
    print(table(results, args.format, title=title), end="")
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        for style, ending in _ENDINGS.items():
            write_atomic(args.out / f"mos.{ending}", table(results, style, title=title))
        write_results(args.out / FILE_NAME, results, time.perf_counter() - begin)


if __name__ == "__main__":
    cli.run(main)
