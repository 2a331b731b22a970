"""Make a listening test: one static page of blind clips, to open in a browser or put on any server.

Listeners rate and download their results; listening_scores makes a table of these.
"""

import argparse
import logging
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.bin.named_paths import named_paths
from codec_ssl.data.data_dir import DataDir
from codec_ssl.report.listening import PAGE, PageOptions, draw_utterances, write_page


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add, defaults = parser.add_argument, PageOptions()
    add("--systems", required=True, help="name=data_dir,name=data_dir… of what systems made")
    add("--reference", type=Path, required=True, help="data dir of the recordings, a hidden system")
    add("--out", type=Path, required=True, help="folder of the page and its clips")
    add(
        "--num", type=cli.positive_int, default=8, help="utterances, of those that all systems have"
    )
    add("--seed", type=int, default=defaults.seed, help="draws the utterances, names the clips")
    add("--title", default=defaults.title)
    add("--sample_rate", type=cli.positive_int, help="of all clips in Hz (default: their lowest)")
    add("--inline", type=cli.str2bool, default=defaults.inline, help="one file, audio in the page")
    add(
        "--open_reference",
        type=cli.str2bool,
        default=defaults.open_reference,
        help="begin each sentence with the recording, named as such",
    )
    return parser


def main() -> None:
    """Parse, draw, write."""
    args = get_parser().parse_args()
    reference = DataDir(args.reference)
    systems = {n: DataDir(path) for n, path in named_paths("--systems", args.systems).items()}
    utt_ids = draw_utterances(reference, systems, args.num, args.seed)
    options = PageOptions(args.title, args.seed, args.sample_rate, args.inline, args.open_reference)
    page_id = write_page(args.out, reference, systems, utt_ids, options)
    logging.info("wrote %s: page %s, %d sentences", args.out / PAGE, page_id, len(utt_ids))


if __name__ == "__main__":
    cli.run(main)
