"""Reading a token store.

Letters: U utterances, T frames, Q codebooks, K codebook size.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate
from pathlib import Path

import numpy as np

from codec_ssl.errors import TokenError
from codec_ssl.tokens import histogram
from codec_ssl.tokens.files import Damaged, file_digest
from codec_ssl.tokens.index import Index
from codec_ssl.tokens.meta import INDEX_NAME, META_NAME, ShardMeta, StoreMeta, read_meta, stage_of
from codec_ssl.tokens.packing import unpack, unpack_ragged
from codec_ssl.tokens.shard import Shard

# Each mapped file holds a file descriptor; processes often may have 1024 of them.
_MAX_OPEN_SHARDS = 200


class TokenStore(Mapping[str, np.ndarray]):
    """Token sequences on disk: ``store[utt_id]`` gives codes (T, Q) int64.

    Files are mapped when they are first needed. A store is pickled as its path, so each process
    maps for itself and all share the system's page cache.

    Args:
        path: Folder of the store.

    Attributes:
        path: The folder.
        meta: What made it, sizes, rates, counts.

    Raises:
        TokenError: If the store is missing, not finished, damaged, or of a newer format.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.meta_path.is_file():
            raise _unfinished(self.path)
        self.meta: StoreMeta = read_meta(self.meta_path)
        self._check_size(INDEX_NAME, self.meta.index_bytes)
        self._index = Index(self.path / INDEX_NAME)
        self._shard_ends = list(accumulate(shard.num_utterances for shard in self.meta.shards))
        self._shard = lru_cache(maxsize=_MAX_OPEN_SHARDS)(self._open_shard)

    def __reduce__(self) -> tuple[type["TokenStore"], tuple[Path]]:
        return type(self), (self.path,)

    def __repr__(self) -> str:
        meta = self.meta
        return (
            f"TokenStore({str(self.path)!r}: {len(self)} utterances, {meta.seconds / 3600:.2f} h, "
            f"{meta.num_codebooks} codebooks, {meta.frame_rate:g} frames a second, "
            f"from {meta.maker['name']})"
        )

    def __len__(self) -> int:
        return len(self._index)

    def __iter__(self) -> Iterator[str]:
        return iter(self.utt_ids)

    def __contains__(self, utt_id: object) -> bool:
        return isinstance(utt_id, str) and self._index.find(utt_id) >= 0

    def __getitem__(self, utt_id: str) -> np.ndarray:
        return self.at(self._index.position(utt_id))

    @property
    def meta_path(self) -> Path:
        """The file ``meta.json``."""
        return self.path / META_NAME

    @property
    def fingerprint(self) -> str:
        """SHA-256 over what made the codes and the codes themselves."""
        return self.meta.fingerprint

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self.meta.frame_rate

    @property
    def sample_rate(self) -> int:
        """Rate in Hz of the audio that the codes were made from."""
        return self.meta.sample_rate

    @property
    def shard_utterances(self) -> int:
        """Utterances planned a shard."""
        return self.meta.shard_utterances

    @cached_property
    def utt_ids(self) -> list[str]:
        """Ids by position, in the order in which they were planned."""
        return self._index.utt_ids()

    @cached_property
    def lengths(self) -> np.ndarray:
        """Frames of each utterance by position: (U,) int64. Reads no token."""
        lengths = self._index.num_frames.astype(np.int64)
        lengths.flags.writeable = False
        return lengths

    def position(self, utt_id: str) -> int:
        """Position of an utterance, in O(1).

        Raises:
            UnknownUtterance: If it is not there.
        """
        return self._index.position(utt_id)

    def utt_id(self, position: int) -> str:
        """Id of the utterance at a position, in O(1)."""
        return self._index.utt_id(position)

    def num_frames(self, utt_id: str) -> int:
        """Frames of an utterance, in O(1) and without reading a token."""
        return self._index.frames(self._index.position(utt_id))

    def at(self, position: int) -> np.ndarray:
        """Codes (T, Q) int64 of the utterance at a position."""
        return unpack(self._packed_at(position), self.meta.sizes, self._index.frames(position))

    def packed(self, utt_id: str) -> np.ndarray:
        """Packed codes of an utterance: a read-only view of the file, uint8."""
        return self._packed_at(self._index.position(utt_id))

    def read(
        self, utt_ids: Sequence[str], dtype: np.typing.DTypeLike = np.int64
    ) -> tuple[np.ndarray, np.ndarray]:
        """Codes of several utterances, one after the other and without padding.

        Returns:
            Codes (sum of T, Q) and lengths (len(utt_ids),) int64.
        """
        packed, lens = self.read_packed(utt_ids)
        return unpack_ragged(packed, self.meta.sizes, lens, dtype), lens

    def read_packed(self, utt_ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`read`, but as packed bytes (n,) uint8, to be unpacked on a device."""
        positions = [self._index.position(utt_id) for utt_id in utt_ids]
        pieces = [self._packed_at(position) for position in positions]
        packed = np.concatenate([np.empty(0, dtype=np.uint8), *pieces])
        return packed, self._index.num_frames[positions].astype(np.int64)

    def skipped(self) -> dict[str, str]:
        """Utterances that were planned but left out, with the reason."""
        shards = range(len(self.meta.shards))
        return {utt: why for shard in shards for utt, why in self._shard(shard).skipped.items()}

    def check_files(self) -> None:
        """Check that every file is there with its size, without reading it.

        Raises:
            TokenError: Naming the first file that isn't, and the stage that makes it again.
        """
        self._check_size(INDEX_NAME, self.meta.index_bytes)
        for shard in self.meta.shards:
            self._check_size(shard.name, shard.num_bytes)

    def verify(self) -> None:
        """Read everything: checksums, values, counts.

        Raises:
            TokenError: Naming every damaged file and the stage that makes it again.
        """
        damaged = [] if self._intact(INDEX_NAME, self.meta.index_sha256) else [INDEX_NAME]
        damaged += [s.name for s in self.meta.shards if not self._intact(s.name, s.sha256)]
        if damaged:
            raise TokenError(
                f"{self.path}: expected the checksums of {META_NAME}, found others in {damaged}",
                stage=self.meta.stage,
            )
        counts = [np.zeros(size, dtype=np.int64) for size in self.meta.sizes]
        for number in range(len(self.meta.shards)):
            shard = self._shard(number)
            codes = unpack_ragged(shard.data, self.meta.sizes, shard.num_frames, np.uint16)
            for total, part in zip(counts, histogram.count(codes, self.meta.sizes), strict=True):
                total += part
        if [column.tolist() for column in counts] != self.meta.histogram:
            raise TokenError(
                f"{self.path}: expected the histogram of {META_NAME}, found another",
                stage=self.meta.stage,
            )

    def _packed_at(self, position: int) -> np.ndarray:
        number = bisect_right(self._shard_ends, position)
        first = self._shard_ends[number] - self.meta.shards[number].num_utterances
        return self._shard(number).packed(position - first)

    def _open_shard(self, number: int) -> Shard:
        expected: ShardMeta = self.meta.shards[number]
        self._check_size(expected.name, expected.num_bytes)
        return Shard(self.path / expected.name)

    def _check_size(self, name: str, expected: int) -> None:
        path = self.path / name
        found = path.stat().st_size if path.is_file() else "no such file"
        if found != expected:
            raise TokenError(
                f"{path}: expected {expected} bytes, found {found}", stage=self.meta.stage
            )

    def _intact(self, name: str, sha256: str) -> bool:
        try:
            return file_digest(self.path / name) == sha256
        except Damaged:
            return False


def _unfinished(path: Path) -> TokenError:
    """The error for a folder without ``meta.json``, as precise as what is there allows."""
    shards = sorted(path.glob("shard-*.safetensors"))
    if not shards:
        return TokenError(f"{path}: expected a token store, found no {META_NAME}", stage="tokens")
    try:
        plan = Shard(shards[0]).plan
    except Damaged:
        return TokenError(f"{path}: expected a finished token store, found {len(shards)} shards")
    planned = -(-plan["num_utterances"] // plan["shard_utterances"])
    return TokenError(
        f"{path}: expected a finished token store, found {len(shards)} of {planned} shards",
        stage=stage_of(plan["maker"]),
    )
