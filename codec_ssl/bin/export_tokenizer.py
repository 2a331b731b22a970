"""Write the tokenizer of a training as it was after some epoch."""

import argparse
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.tokenizers.experiment import export_tokenizer


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exp", type=Path, required=True, help="experiment of train_tokenizer")
    parser.add_argument("--checkpoint", default="latest", help="latest, best or an epoch number")
    parser.add_argument("--out", type=Path, required=True, help="folder of the tokenizer")
    return parser


def main() -> None:
    """Parse and write."""
    args = get_parser().parse_args()
    export_tokenizer(args.exp, args.checkpoint, args.out)


if __name__ == "__main__":
    cli.run(main)
