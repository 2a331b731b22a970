"""What every command line shares: logging to stderr, and short messages for user errors."""

import argparse
import logging
import os
import select
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from codec_ssl.errors import CodecSSLError

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def str2bool(value: str) -> bool:
    """Parse Kaldi-style booleans, so that ``--flag true`` and ``--flag false`` both work.

    Raises:
        ValueError: If the value is neither.
    """
    if value.lower() in {"true", "1", "yes"}:
        return True
    if value.lower() in {"false", "0", "no"}:
        return False
    raise ValueError(f"expected true or false, found {value!r}")


def positive_int(value: str) -> int:
    """Parse a number of things of which there must be one at least.

    Raises:
        argparse.ArgumentTypeError: If it is none, with the words that argparse shows.
    """
    if value.isdecimal() and int(value) > 0:
        return int(value)
    raise argparse.ArgumentTypeError(f"expected a whole number above 0, found {value!r}")


def run(main: Callable[[], None]) -> NoReturn:
    """Run a command line's ``main`` and exit.

    The status is 0, 1 with one line for a user error, or that of any Unix tool whose reader, such
    as ``head``, has gone: as if SIGPIPE had ended it, without a word.
    """
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    try:
        status = _status(main)
        # Here, not at exit, where Python would print a warning for a closed pipe.
        sys.stdout.flush()
    except BrokenPipeError:
        if not _reader_has_gone():
            raise  # a pipe to another process: a bug, to be seen
        # At exit, Python flushes what is left once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 128 + signal.SIGPIPE
    sys.exit(status)


def _status(main: Callable[[], None]) -> str | int | None:
    try:
        main()
    except CodecSSLError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except SystemExit as end:  # of --help, for example
        return end.code
    return 0


def _reader_has_gone() -> bool:
    """Whether standard output is a pipe that nobody reads any more."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
