"""Features of one layer on disk, for trainings that read random crops of them again and again.

=====================  ==========================================================================
``shard-00000.npy``    frames of consecutive utterances, one after another: (n, D), mapped
``index.safetensors``  ids and frame counts, as in a token store
``meta.json``          what the features are, their width and type, and where shards end
=====================  ==========================================================================

Index and meta come first: all of the plan is known before a feature is. A cache is complete when
all its shards are there. It is big (100 h at 50 Hz and width 768: 28 GB in half precision), so
nothing but the user's own wish makes one; everything can stream instead.

Letters: U utterances, T frames, D width.
"""

import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from codec_ssl.errors import DataError
from codec_ssl.features.base import Origin
from codec_ssl.tokens.files import canonical, text_digest
from codec_ssl.tokens.index import Index

_STAGE = "features"
META_NAME, INDEX_NAME, _SHARD_NAME = "meta.json", "index.safetensors", "shard-{:05d}.npy"
# Each mapped file holds a file descriptor; processes often may have 1024 of them.
_MAX_OPEN_SHARDS = 400


@dataclass(frozen=True)
class CacheMeta:
    """Content of ``meta.json``.

    Attributes:
        origin: What the features are.
        width: D.
        dtype: ``float16`` or ``float32``.
        num_utterances: U.
        num_frames: Their frames.
        content: SHA-256 over ids and frame counts.
        shard_ends: Utterances up to and with each shard.
    """

    origin: Origin
    width: int
    dtype: str
    num_utterances: int
    num_frames: int
    content: str
    shard_ends: list[int]

    @property
    def num_bytes(self) -> int:
        """Bytes of all frames."""
        return self.num_frames * self.width * np.dtype(self.dtype).itemsize

    def to_json(self) -> str:
        """One line of JSON."""
        return canonical(asdict(self)) + "\n"


class FeatureCache:
    """A complete cache, mapped. It is pickled as its path, so that processes share pages.

    Args:
        path: The folder.

    Raises:
        DataError: If it is missing or not complete.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.meta = read_meta(self.path)
        missing = [
            s for s in range(len(self.meta.shard_ends)) if not shard_path(self.path, s).is_file()
        ]
        if missing:
            raise DataError(
                f"{self.path}: expected {len(self.meta.shard_ends)} shards, found"
                f" {len(missing)} missing, the first {shard_path(self.path, missing[0]).name}",
                stage=_STAGE,
            )
        self._index = Index(self.path / INDEX_NAME)
        self._shard = lru_cache(maxsize=_MAX_OPEN_SHARDS)(self._open_shard)

    def __reduce__(self) -> tuple[type["FeatureCache"], tuple[Path]]:
        return type(self), (self.path,)

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[str]:
        return iter(self.utt_ids)

    def __contains__(self, utt_id: object) -> bool:
        return isinstance(utt_id, str) and self._index.find(utt_id) >= 0

    def __getitem__(self, utt_id: str) -> np.ndarray:
        position = self._index.position(utt_id)
        return self.crop(position, 0, self._index.frames(position))

    @property
    def origin(self) -> Origin:
        """What the features are."""
        return self.meta.origin

    @property
    def width(self) -> int:
        """D."""
        return self.meta.width

    @cached_property
    def utt_ids(self) -> list[str]:
        """Ids by position."""
        return self._index.utt_ids()

    @cached_property
    def lengths(self) -> np.ndarray:
        """Frames of each utterance by position: (U,) int64."""
        return self._index.num_frames.astype(np.int64)

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum(self.lengths)

    def utt_id(self, position: int) -> str:
        """Id of the utterance at a position, in O(1)."""
        return self._index.utt_id(position)

    def crop(self, position: int, start: int, length: int) -> np.ndarray:
        """Frames of an utterance, in O(1): a view (length, D) of the file, in its own type."""
        number = bisect_right(self.meta.shard_ends, position)
        first = self.meta.shard_ends[number - 1] if number else 0
        before = int(self._ends[first - 1]) if first else 0
        row = int(self._ends[position] - self.lengths[position]) - before + start
        return self._shard(number)[row : row + length]

    def _open_shard(self, number: int) -> np.ndarray:
        path = shard_path(self.path, number)
        frames = map_shard(path)
        ends = self.meta.shard_ends
        wanted = self._ends[ends[number] - 1] - (self._ends[ends[number - 1] - 1] if number else 0)
        if frames is None or frames.shape != (wanted, self.width):
            raise DataError(f"{path}: damaged: delete it and write it again", stage=_STAGE)
        return frames


def digest_of(utt_ids: list[str], lengths: np.ndarray) -> str:
    """SHA-256 over utterance ids and frame counts (U,)."""
    return text_digest(canonical([utt_ids, lengths.tolist()]))


def read_meta(path: Path) -> CacheMeta:
    """Read ``meta.json``.

    Raises:
        DataError: If it is missing or damaged.
    """
    try:
        content: dict[str, Any] = json.loads((path / META_NAME).read_text(encoding="utf-8"))
        values = {entry.name: content[entry.name] for entry in fields(CacheMeta)}
        return CacheMeta(**values | {"origin": Origin(**values["origin"])})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: expected a feature cache, found none: {error}", _STAGE) from error


def map_shard(path: Path) -> np.ndarray | None:
    """Frames (n, D) of a shard, or None where it isn't there whole."""
    try:
        # A plain array: slicing np.memmap itself costs several microseconds.
        return np.asarray(np.load(path, mmap_mode="r"))
    except (OSError, ValueError, EOFError):
        return None


def shard_path(path: Path, number: int) -> Path:
    """File of a shard."""
    return path / _SHARD_NAME.format(number)
