"""What commands of ``prepare_data`` that read a corpus have in common."""

import argparse
from collections.abc import Callable
from pathlib import Path

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError

type Call = Callable[[argparse.Namespace], list[DataDir]]


def add_corpus(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    call: Call,
    text: str,
) -> argparse.ArgumentParser:
    """Add a command with ``--corpus_dir`` and ``--out_dir``, and return its parser."""
    parser = commands.add_parser(name, help=text)
    parser.add_argument("--corpus_dir", type=Path, required=True, help="its folder")
    parser.add_argument("--out_dir", type=Path, required=True)
    parser.set_defaults(call=call)
    return parser


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add ``--seed``."""
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")


def fractions(text: str) -> tuple[float, float, float]:
    """Parse the shares of train, valid and test, such as ``0.8,0.1,0.1``.

    Raises:
        ConfigError: If they are not three numbers.
    """
    try:
        train, valid, test = (float(share) for share in text.split(","))
    except ValueError:
        raise ConfigError(
            f"--fractions: expected three numbers such as 0.8,0.1,0.1, found {text!r}"
        ) from None
    return train, valid, test
