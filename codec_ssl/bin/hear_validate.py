"""Run HEAR's public validator on the HEAR module, with a model; TensorFlow is not needed."""

import argparse

from codec_ssl.bin import cli
from codec_ssl.evaluation.hear.validator import validate


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help="experiment directory, checkpoint or YAML")
    parser.add_argument("--device", default="cpu")
    return parser


def main() -> None:
    """Parse and validate."""
    args = get_parser().parse_args()
    validate(args.model, args.device)
    print("Looks good!")


if __name__ == "__main__":
    cli.run(main)
