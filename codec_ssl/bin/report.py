"""Put the results, training curves and code usage of an experiment folder into REPORT.md."""

import argparse
import logging
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.bin.named_paths import named_paths
from codec_ssl.report.markdown import find_histories, find_result_files, write_report


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--expdir", type=Path, required=True, help="root of the experiments")
    parser.add_argument("--results", type=Path, nargs="*", help="results.json; all of expdir's")
    parser.add_argument("--stores", default="", help="name=DIR,… token stores for code usage")
    parser.add_argument("--title", default="Report")
    parser.add_argument("--out", type=Path, required=True, help="folder of REPORT.md")
    return parser


def main() -> None:
    """Parse and write."""
    args = get_parser().parse_args()
    files = find_result_files(args.expdir) if args.results is None else args.results
    histories = find_histories(args.expdir)
    stores = named_paths("--stores", args.stores)
    path = write_report(args.out, files, histories, stores, args.title)
    logging.info("wrote %s", path)


if __name__ == "__main__":
    cli.run(main)
