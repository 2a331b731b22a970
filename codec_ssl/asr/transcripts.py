"""Transcripts of a data dir's ``text``, with utterances named that have none."""

import argparse
import logging
from collections.abc import Callable, Collection
from pathlib import Path

from codec_ssl.data.tables import read_table
from codec_ssl.errors import DataError

_logger = logging.getLogger(__name__)
_SHOWN = 5
UNUSABLE = ("error", "skip")


def add_unusable_option(parser: argparse._ActionsContainer) -> None:
    """Add ``--unusable_text``, what :func:`read_transcripts` does with them."""
    parser.add_argument(
        "--unusable_text",
        default=UNUSABLE[0],
        choices=UNUSABLE,
        help="skip: leave out utterances without a transcript or with an empty one",
    )


def read_transcripts(
    path: str | Path,
    normalization: Callable[[str], str],
    *,
    utt_ids: Collection[str] | None = None,
    unusable: str = "error",
) -> dict[str, str]:
    """Read the transcripts of utterances, as they stand in the file.

    Args:
        path: Kaldi's ``text``.
        normalization: What a transcript must survive without becoming empty.
        utt_ids: Utterances that need one; None: those of the file.
        unusable: ``skip`` leaves out, and logs, utterances without a transcript or with an empty
            one; ``error`` names them and stops.

    Returns:
        Transcripts by utterance, in the order of ``utt_ids``.

    Raises:
        DataError: If the file cannot be read, an utterance is unusable, or none is left.
    """
    table = read_table(path, allow_empty=True)
    wanted = table if utt_ids is None else utt_ids
    missing = [utt for utt in wanted if utt not in table]
    found = {utt: table[utt] for utt in wanted if utt in table}
    empty = [utt for utt, text in found.items() if not normalization(text)]
    problems = [
        f"{len(utts)} with {what} ({', '.join(utts[:_SHOWN])}{', ...' * (len(utts) > _SHOWN)})"
        for what, utts in (("no transcript", missing), ("an empty transcript", empty))
        if utts
    ]
    if problems:
        message = f"{path}: of {len(wanted)} utterances, found {' and '.join(problems)}"
        if unusable == "error":
            raise DataError(f"{message}; --unusable_text skip leaves them out", stage="data")
        _logger.warning("%s: left out", message)
    for utt in empty:
        del found[utt]
    if not found:
        raise DataError(
            f"{path}: expected transcripts of {len(wanted)} utterances, found none", stage="data"
        )
    return found
