"""Print a table of a paper with our numbers beside the published ones."""

import argparse
import sys
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.report.paper_table import load_paper
from codec_ssl.report.render import FORMATS, paper_table
from codec_ssl.report.results import find_results


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paper", help="name of a file in conf/papers, or a YAML file")
    parser.add_argument("table", nargs="?", help="table of the paper; all of them if left out")
    parser.add_argument("roots", nargs="*", type=Path, help="folders to look for results.json in")
    parser.add_argument("--format", choices=FORMATS, default="text")
    return parser


def main() -> None:
    """Parse, look up, print."""
    args = get_parser().parse_args()
    paper = load_paper(args.paper)
    if args.table and args.table not in paper.tables and Path(args.table).is_dir():
        args.roots.insert(0, Path(args.table))
        args.table = None
    tables = [paper.table(args.table)] if args.table else list(paper.tables.values())
    files = [file for _, file in find_results(args.roots)]
    sys.stdout.write("\n".join(paper_table(table, files, args.format) for table in tables))


if __name__ == "__main__":
    cli.run(main)
