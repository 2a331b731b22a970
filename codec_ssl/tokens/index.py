"""The index of a store: from an utterance id to its position, and back, without loading it.

A hash table lies in the file itself, so that opening costs the same for ten utterances as for
ten million, and all processes of a machine share the same pages.

Letters: U utterances.
"""

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from codec_ssl.errors import TokenError
from codec_ssl.tokens.files import map_tensors, write_tensors
from codec_ssl.tokens.meta import FORMAT

_EMPTY = -1


class UnknownUtterance(TokenError, KeyError):
    """An utterance id that the store does not have."""

    def __str__(self) -> str:
        # KeyError would show the message in quotes.
        return str(self.args[0])


def join_ids(utt_ids: Sequence[str]) -> np.ndarray:
    """Ids as UTF-8 bytes (n,) uint8, a newline after each."""
    return np.frombuffer("".join(f"{utt}\n" for utt in utt_ids).encode(), dtype=np.uint8)


def split_ids(joined: np.ndarray) -> list[str]:
    """The inverse of :func:`join_ids`."""
    return joined.tobytes().decode().split("\n")[:-1]


def write_index(path: str | Path, utt_ids: Sequence[str], num_frames: np.ndarray) -> None:
    """Write the index.

    Args:
        path: The file.
        utt_ids: U ids, by position.
        num_frames: (U,) frames of each.
    """
    joined = join_ids(utt_ids)
    arrays = {
        "ids": joined,
        "id_ends": np.flatnonzero(joined == ord("\n")).astype(np.uint32),
        "num_frames": num_frames.astype(np.int32),
        "slots": _hash_table(utt_ids),
    }
    write_tensors(path, arrays, {"format": FORMAT})


class Index:
    """An index file, mapped.

    Args:
        path: The file.

    Attributes:
        num_frames: (U,) int32 frames of each utterance, by position.
    """

    def __init__(self, path: str | Path) -> None:
        arrays = map_tensors(path).arrays
        self._path = path
        self.num_frames = arrays["num_frames"]
        # Python reads single numbers from a memoryview several times as fast as from an array.
        self._ids, self._id_ends, self._slots, self._frames = (
            memoryview(arrays[name]) for name in ("ids", "id_ends", "slots", "num_frames")
        )

    def __len__(self) -> int:
        return len(self.num_frames)

    def utt_id(self, position: int) -> str:
        """Id of the utterance at a position, in O(1)."""
        return self._id_bytes(position).decode()

    def frames(self, position: int) -> int:
        """Frames of the utterance at a position, in O(1)."""
        return self._frames[position]

    def utt_ids(self) -> list[str]:
        """All ids, by position."""
        return split_ids(self._ids)

    def position(self, utt_id: str) -> int:
        """Position of an utterance, in O(1).

        Raises:
            UnknownUtterance: If it is not there.
        """
        position = self.find(utt_id)
        if position == _EMPTY:
            raise UnknownUtterance(f"{self._path}: expected utterance {utt_id!r}, found none")
        return position

    def find(self, utt_id: str) -> int:
        """Position of an utterance, or -1."""
        key = utt_id.encode()
        last = len(self._slots) - 1
        slot = zlib.crc32(key) & last
        while (position := self._slots[slot]) != _EMPTY:
            if self._id_bytes(position) == key:
                return position
            slot = (slot + 1) & last
        return _EMPTY

    def _id_bytes(self, position: int) -> bytes:
        start = self._id_ends[position - 1] + 1 if position else 0
        return self._ids[start : self._id_ends[position]].tobytes()


def _hash_table(utt_ids: Sequence[str]) -> np.ndarray:
    """Open addressing with linear probing, at most two thirds full; -1 is an empty slot."""
    size = 1 << max(1, (3 * len(utt_ids) // 2)).bit_length()
    slots = [_EMPTY] * size
    for position, utt_id in enumerate(utt_ids):
        slot = zlib.crc32(utt_id.encode()) & (size - 1)
        while slots[slot] != _EMPTY:
            slot = (slot + 1) & (size - 1)
        slots[slot] = position
    return np.array(slots, dtype=np.int32)
