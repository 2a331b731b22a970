"""Shape files for ESPnet's samplers, made from the index of a store without reading a token."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from codec_ssl.data.tables import read_table, write_atomic
from codec_ssl.errors import DataError
from codec_ssl.tokens.store import TokenStore

_logger = logging.getLogger(__name__)


class Utterances(Protocol):
    """What knows its utterances: a token store, a feature cache, a phone store.

    Attributes:
        path: Where it is, for messages.
    """

    path: Path

    def __contains__(self, utt_id: object) -> bool: ...


def write_lengths(
    store: TokenStore,
    path: Path,
    *,
    wanted: str | Path | None = None,
    min_frames: int = 1,
    max_frames: int | None = None,
) -> int:
    """Write the lengths with which utterances count in a batch: ``<utterance> <frames>`` a line.

    Args:
        store: The codes.
        path: File to write, atomically: every rank writes the same.
        wanted: Any table whose first column names the utterances to use (a shape file); None
            uses all of the store.
        min_frames: Shorter utterances are left out, and counted in the log.
        max_frames: Longer ones count with this length, to which the collate function crops them.

    Returns:
        Number of utterances written.

    Raises:
        DataError: None is left.
    """
    every = dict(zip(store.utt_ids, store.lengths.tolist(), strict=True))
    chosen = every if wanted is None else {utt: every[utt] for utt in utterances_of(wanted, store)}
    kept = {utt: frames for utt, frames in chosen.items() if frames >= min_frames}
    if not kept:
        raise DataError(
            f"{store.path}: none of {len(chosen)} utterances has {min_frames} frames or more",
            stage="tokens",
        )
    longest = max_frames or max(kept.values())
    _logger.info(
        "%s: %d utterances, %.2f h; %d shorter than min_frames %d are left out, %d longer than "
        "max_frames %s are cropped",
        store.path,
        len(kept),
        sum(kept.values()) / store.meta.frame_rate / 3600,
        len(chosen) - len(kept),
        min_frames,
        sum(frames > longest for frames in kept.values()),
        max_frames,
    )
    write_shapes(path, {utt: min(frames, longest) for utt, frames in kept.items()})
    return len(kept)


def write_shapes(path: Path, lengths: Mapping[str, int]) -> None:
    """Write ``<utterance> <length>`` a line, sorted, atomically; makes the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, "".join(f"{utt} {length}\n" for utt, length in sorted(lengths.items())))


def utterances_of(table: str | Path, store: Utterances) -> list[str]:
    """First column of a table that names utterances of a store.

    Raises:
        DataError: If the store lacks one of them.
    """
    ids = list(read_table(table))
    missing = [utt for utt in ids if utt not in store]
    if missing:
        raise DataError(
            f"{table}: {len(missing)} utterances are not in {store.path}, such as {missing[0]}",
            stage="tokens",
        )
    return ids
