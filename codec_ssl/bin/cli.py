"""What every command line shares: logging to stderr, and short messages for user errors."""

import logging
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


def run(main: Callable[[], None]) -> NoReturn:
    """Run a command line's ``main`` and exit: 0, or 1 with one line for a user error."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    try:
        main()
    except CodecSSLError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    sys.exit(0)
