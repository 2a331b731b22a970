"""Codes kept by the content of what they were made of: a token store that grows while it is used.

Whoever gets waveforms without names (a downstream run of another toolkit) finds the codes of an
earlier epoch, process or run again. In a folder of its own for each maker of codes lie

``store-N``     a token store of all that earlier runs added; its ids are SHA-256 of the contents
``*.codes``     one journal a process: what it added, record after record
``lock``        held shared by every user

A record is written with one call and checked by its CRC when it is read, so a kill costs no more
than the record it hit. Processes see each other's journals. Whoever opens the folder alone, with
journals that have grown to a quarter of the store, makes the next store of both.

Letters: T frames, Q codebooks, K codebook size.
"""

import fcntl
import logging
import os
import shutil
import struct
import uuid
import weakref
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from codec_ssl.errors import TokenError
from codec_ssl.tokens.files import canonical, text_digest
from codec_ssl.tokens.meta import META_NAME
from codec_ssl.tokens.packing import pack, packed_bytes, unpack
from codec_ssl.tokens.reader import TokenStore
from codec_ssl.tokens.writer import TokenStoreWriter

_HEAD = struct.Struct("<32sII")  # SHA-256 of the content, T, CRC-32 of all but itself
_FOLD_PART = 4

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Place:
    """Where a record's packed codes lie in a journal."""

    descriptor: int
    offset: int
    num_frames: int


class ContentCache:
    """Finds and keeps codes by the SHA-256 of what they were made of.

    Args:
        folder: Folder of all caches; this maker's own is made in it.
        sizes: K of each codebook.
        frame_rate: Frames a second.
        sample_rate: Rate in Hz of the audio that the codes are made from.
        maker: What makes the codes, as a token store records it.

    Attributes:
        path: The maker's own folder.

    Raises:
        TokenError: If the folder cannot be written, or a store in it is damaged.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        sizes: Sequence[int],
        frame_rate: float,
        sample_rate: int,
        maker: Mapping[str, Any],
    ) -> None:
        self._plan = {
            "sizes": list(sizes),
            "frame_rate": frame_rate,
            "sample_rate": sample_rate,
            "maker": dict(maker),
        }
        self._sizes = list(sizes)
        self.path = Path(folder) / text_digest(canonical(self._plan))[:16]
        self._journals: dict[str, tuple[int, int]] = {}  # name: descriptor, bytes read so far
        self._places: dict[bytes, _Place] = {}
        self._own: tuple[int, str, int] | None = None  # process, name, descriptor
        self._open: list[int] = []
        self._closing = weakref.finalize(self, _close, self._open)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = self._opened(self.path / "lock", os.O_RDWR | os.O_CREAT)
        except OSError as error:
            raise TokenError(f"{self.path}: codes cannot be kept: {error.strerror}") from error
        self._fold_if_alone()
        newest = self._stores()[-1:]
        self._store = TokenStore(newest[0]) if newest else None
        self._read_journals()
        _logger.info("%s: %d utterances, %.1f MB", self.path, len(self), self.num_bytes / 1e6)

    def __len__(self) -> int:
        stored = 0 if self._store is None else len(self._store)
        return stored + sum(not self._is_stored(key) for key in self._places)

    @property
    def num_bytes(self) -> int:
        """Size on disk."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())

    def get(self, key: bytes) -> np.ndarray | None:
        """Codes (T, Q) int64 of a content, None where they were not kept yet."""
        if self._is_stored(key):
            return self._store[key.hex()]
        if key not in self._places:
            self._read_journals()
        place = self._places.get(key)
        return None if place is None else self._read(place)

    def add(self, key: bytes, codes: np.ndarray) -> None:
        """Keep the codes (T, Q) of a content.

        Raises:
            TokenError: If they are out of range, or cannot be written.
        """
        packed = pack(codes, self._sizes).tobytes()
        record = _HEAD.pack(key, len(codes), _crc(key, len(codes), packed)) + packed
        name, descriptor = self._own_journal()
        # Another process reads this file too, but only this one appends to it.
        start = os.lseek(descriptor, 0, os.SEEK_END)
        try:
            written = os.write(descriptor, record)
        except OSError as error:
            message = f"{self.path / name}: could not be written: {error.strerror}"
            raise TokenError(message) from error
        if written < len(record):
            os.ftruncate(descriptor, start)
            raise TokenError(f"{self.path / name}: could not be written: is the disk full?")
        self._places[key] = _Place(descriptor, start + _HEAD.size, len(codes))

    def close(self) -> None:
        """Let go of files and lock; what was added stays. Done too when nobody holds it."""
        self._closing()
        self._journals, self._places, self._own = {}, {}, None

    def _is_stored(self, key: bytes) -> bool:
        return self._store is not None and key.hex() in self._store

    def _read(self, place: _Place) -> np.ndarray:
        size = packed_bytes(place.num_frames, self._sizes)
        packed = os.pread(place.descriptor, size, place.offset)
        return unpack(np.frombuffer(packed, np.uint8), self._sizes, place.num_frames)

    def _own_journal(self) -> tuple[str, int]:
        """This process's journal: a fork makes its own."""
        if self._own is None or self._own[0] != os.getpid():
            name = f"{os.getpid()}-{uuid.uuid4().hex}.codes"
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND
            self._own = os.getpid(), name, self._opened(self.path / name, flags)
        return self._own[1:]

    def _read_journals(self) -> None:
        """Take in what other processes have added since."""
        own = None if self._own is None else self._own[1]
        for file in sorted(self.path.glob("*.codes")):
            if file.name == own:
                continue
            if file.name not in self._journals:
                self._journals[file.name] = self._opened(file, os.O_RDONLY), 0
            descriptor, begin = self._journals[file.name]
            for key, place in self._records(descriptor, begin):
                self._places[key] = place
                begin = place.offset + packed_bytes(place.num_frames, self._sizes)
            self._journals[file.name] = descriptor, begin

    def _records(self, descriptor: int, begin: int) -> Iterator[tuple[bytes, _Place]]:
        """Whole records from a place on; the first that is cut off, or still written, ends them."""
        while len(head := os.pread(descriptor, _HEAD.size, begin)) == _HEAD.size:
            key, num_frames, crc = _HEAD.unpack(head)
            begin += _HEAD.size
            size = packed_bytes(num_frames, self._sizes)
            packed = os.pread(descriptor, size, begin)
            if len(packed) < size or crc != _crc(key, num_frames, packed):
                return
            yield key, _Place(descriptor, begin, num_frames)
            begin += size

    def _stores(self) -> list[Path]:
        """Finished stores, the newest last."""
        found = [path for path in self.path.glob("store-*") if (path / META_NAME).is_file()]
        return sorted(found, key=lambda path: int(path.name.partition("-")[2]))

    def _fold_if_alone(self) -> None:
        """Make the next store, unless the folder is in use; hold the lock shared from then on."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            fcntl.flock(self._lock, fcntl.LOCK_SH)
            return
        journals = list(self.path.glob("*.codes"))
        stores = self._stores()
        stored = sum(file.stat().st_size for store in stores[-1:] for file in store.iterdir())
        if journals and sum(j.stat().st_size for j in journals) * _FOLD_PART >= stored:
            self._fold(stores)
            for journal in journals:
                journal.unlink()
        for leftover in self.path.glob("store-*"):
            if leftover not in self._stores()[-1:]:
                shutil.rmtree(leftover)
        fcntl.flock(self._lock, fcntl.LOCK_SH)

    def _fold(self, stores: Sequence[Path]) -> None:
        self._read_journals()
        old = TokenStore(stores[-1]) if stores else {}
        added = {key.hex(): place for key, place in self._places.items() if key.hex() not in old}
        if added:
            number = int(stores[-1].name.partition("-")[2]) + 1 if stores else 1
            path = self.path / f"store-{number}"
            shutil.rmtree(path, ignore_errors=True)
            writer = TokenStoreWriter(path, utt_ids=sorted([*old, *added]), **self._plan)
            for shard in range(writer.num_shards):
                ids = writer.shard_utt_ids(shard)
                codes = ((i, self._read(added[i]) if i in added else old[i]) for i in ids)
                writer.write_shard(shard, codes)
            writer.finalize()
        for descriptor, _ in self._journals.values():
            self._open.remove(descriptor)
            os.close(descriptor)
        self._journals, self._places = {}, {}

    def _opened(self, path: Path, flags: int) -> int:
        self._open.append(os.open(path, flags, 0o644))
        return self._open[-1]


def _close(descriptors: list[int]) -> None:
    while descriptors:
        os.close(descriptors.pop())


def _crc(key: bytes, num_frames: int, packed: bytes) -> int:
    return zlib.crc32(packed, zlib.crc32(_HEAD.pack(key, num_frames, 0)))
