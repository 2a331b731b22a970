"""Writing a token store: shard by shard, in any number of jobs, over any number of restarts.

Letters: T frames, Q codebooks, K codebook size.
"""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from codec_ssl.errors import TokenError
from codec_ssl.tokens import histogram
from codec_ssl.tokens.files import (
    Damaged,
    canonical,
    file_digest,
    remove_temporaries,
    text_digest,
    write_file,
)
from codec_ssl.tokens.index import write_index
from codec_ssl.tokens.meta import (
    FORMAT,
    INDEX_NAME,
    META_NAME,
    SHARD_NAME,
    ShardMeta,
    StoreMeta,
    make_plan,
    read_meta,
    stage_of,
)
from codec_ssl.tokens.packing import pack, unpack_ragged
from codec_ssl.tokens.reader import TokenStore
from codec_ssl.tokens.shard import Shard, write_shard_file

_SHOWN = 5


class _Scan(NamedTuple):
    """What finishing needs to know of one shard."""

    meta: ShardMeta
    utt_ids: list[str]
    num_frames: np.ndarray
    skipped: list[str]
    counts: list[np.ndarray]


class TokenStoreWriter:
    """Writes a store whose bytes depend on codes and plan only, not on jobs or restarts.

    The plan cuts ``utt_ids`` into consecutive slices, one a shard. Jobs write the shards that
    :meth:`pending` names; at the end one process calls :meth:`finalize`.

    Args:
        path: Folder of the store; made if it isn't there.
        utt_ids: All utterances, also those that may turn out to be unusable.
        sizes: K of each codebook.
        frame_rate: Frames a second.
        sample_rate: Rate in Hz of the audio that the codes are made from.
        maker: What makes the codes: texts ``kind``, ``name``, ``fingerprint``, and anything else
            that tells makers apart (layer, ...).
        shard_utterances: Utterances a shard: what a killed job may have to do again.
        extras: Anything else to keep in ``meta.json``.

    Raises:
        TokenError: If the plan is not usable, or the folder holds shards of another plan.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        utt_ids: Sequence[str],
        sizes: Sequence[int],
        frame_rate: float,
        sample_rate: int,
        maker: Mapping[str, Any],
        shard_utterances: int = 1000,
        extras: Mapping[str, Any] | None = None,
    ) -> None:
        self.path = Path(path)
        self._utt_ids = list(utt_ids)
        _check_ids(self._utt_ids)
        self._plan = make_plan(
            self._utt_ids, sizes, frame_rate, sample_rate, maker, shard_utterances
        )
        self._stage = stage_of(maker)
        self._extras = dict(extras or {})
        self.path.mkdir(parents=True, exist_ok=True)
        self._refuse_other_plans()

    @property
    def num_shards(self) -> int:
        """Shards of the plan."""
        return -(-len(self._utt_ids) // self._plan.shard_utterances)

    def shard_utt_ids(self, shard: int) -> list[str]:
        """Utterances planned for a shard."""
        first = shard * self._plan.shard_utterances
        return self._utt_ids[first : first + self._plan.shard_utterances]

    def pending(self, job: int = 1, num_jobs: int = 1) -> list[int]:
        """Shards of a job that are missing or damaged.

        Args:
            job: Number of the job, from 1.
            num_jobs: Jobs that share the work; may exceed the number of shards.

        Raises:
            TokenError: If there is no such job.
        """
        if not 1 <= job <= num_jobs:
            raise TokenError(f"expected a job from 1 to {num_jobs}, found {job}")
        checksums = self._recorded_checksums()
        mine = range(job - 1, self.num_shards, num_jobs)
        return [shard for shard in mine if not self._is_whole(shard, checksums)]

    def write_shard(
        self,
        shard: int,
        items: Iterable[tuple[str, np.ndarray]],
        skipped: Mapping[str, str] | None = None,
    ) -> None:
        """Write a shard, whole or not at all.

        Args:
            shard: Its number.
            items: ``(utt_id, codes (T, Q))`` in any order.
            skipped: Reason of each planned utterance that ``items`` leaves out; may be filled
                while ``items`` is consumed.

        Raises:
            TokenError: If an utterance is missing, unplanned, repeated, empty or out of range,
                or the file cannot be written.
        """
        planned = self.shard_utt_ids(shard)
        packed: dict[str, tuple[np.ndarray, int]] = {}
        known = set(planned)
        for utt_id, codes in items:
            if utt_id not in known or utt_id in packed:
                found = "a second time" if utt_id in packed else "though it is not of this shard"
                raise TokenError(f"{self.path}: shard {shard}: found {utt_id!r} {found}")
            packed[utt_id] = self._pack(utt_id, codes), len(codes)
        skipped = {utt_id: why for utt_id, why in (skipped or {}).items() if utt_id in known}
        both = packed.keys() & skipped.keys()
        missing = known - packed.keys() - skipped.keys()
        if both or missing:
            raise TokenError(
                f"{self.path}: shard {shard}: expected every utterance either coded or skipped, "
                f"found neither for {_some(missing)}, both for {_some(both)}",
                stage=self._stage,
            )
        kept = [utt_id for utt_id in planned if utt_id in packed]
        write_shard_file(
            self._shard_path(shard),
            self._plan,
            kept,
            [packed[utt_id][0] for utt_id in kept],
            [packed[utt_id][1] for utt_id in kept],
            {utt_id: str(skipped[utt_id]) for utt_id in planned if utt_id in skipped},
        )

    def finalize(self) -> TokenStore:
        """Check every shard, write index and ``meta.json``, remove leftovers.

        ``meta.json`` comes last: a store without it is not finished.

        Raises:
            TokenError: Naming the shards that are missing, or that a value is out of range.
        """
        missing = [s for s in range(self.num_shards) if not self._is_whole(s, {})]
        if missing:
            raise TokenError(
                f"{self.path}: expected {self.num_shards} shards, found {len(missing)} missing: "
                f"{_some(missing)}",
                stage=self._stage,
            )
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            scans = list(pool.map(self._scan, range(self.num_shards)))
        utt_ids = [utt_id for scan in scans for utt_id in scan.utt_ids]
        if not utt_ids:
            raise TokenError(f"{self.path}: expected utterances, found all skipped", stage="data")
        num_frames = np.concatenate([scan.num_frames for scan in scans])
        # An old meta.json must not stand beside a new index, whatever happens in between.
        (self.path / META_NAME).unlink(missing_ok=True)
        write_index(self.path / INDEX_NAME, utt_ids, num_frames)
        meta = self._make_meta(scans)
        write_file(self.path / META_NAME, meta.to_json().encode())
        self._remove_leftovers()
        return TokenStore(self.path)

    def _make_meta(self, scans: Sequence[_Scan]) -> StoreMeta:
        plan = self._plan
        reasons = sorted(reason for scan in scans for reason in scan.skipped)
        contents = [scan.meta.sha256 for scan in scans]
        return StoreMeta(
            format=FORMAT,
            sizes=plan.sizes,
            frame_rate=plan.frame_rate,
            sample_rate=plan.sample_rate,
            maker=plan.maker,
            fingerprint=text_digest(canonical([plan.maker, contents])),
            plan=plan.fingerprint,
            shard_utterances=plan.shard_utterances,
            num_utterances=sum(scan.meta.num_utterances for scan in scans),
            num_frames=sum(scan.meta.num_frames for scan in scans),
            skipped={reason: reasons.count(reason) for reason in sorted(set(reasons))},
            extras=self._extras,
            index_bytes=(self.path / INDEX_NAME).stat().st_size,
            index_sha256=file_digest(self.path / INDEX_NAME),
            shards=[scan.meta for scan in scans],
            histogram=[
                np.sum(column, axis=0).tolist()
                for column in zip(*(scan.counts for scan in scans), strict=True)
            ],
        )

    def _scan(self, number: int) -> _Scan:
        """Read a whole shard, as it lies on the disk."""
        path = self._shard_path(number)
        shard = Shard(path)
        codes = unpack_ragged(shard.data, self._plan.sizes, shard.num_frames, np.uint16)
        meta = ShardMeta(
            name=path.name,
            num_bytes=path.stat().st_size,
            sha256=file_digest(path),
            num_utterances=len(shard.num_frames),
            num_frames=len(codes),
            num_skipped=len(shard.skipped),
        )
        counts = histogram.count(codes, self._plan.sizes)
        reasons = list(shard.skipped.values())
        return _Scan(meta, shard.utt_ids(), np.array(shard.num_frames), reasons, counts)

    def _pack(self, utt_id: str, codes: np.ndarray) -> np.ndarray:
        try:
            packed = pack(codes, self._plan.sizes)
        except TokenError as error:
            raise TokenError(
                f"{self.path}: utterance {utt_id!r}: {error.message}", stage=self._stage
            ) from error
        if len(codes) == 0:
            raise TokenError(f"{self.path}: utterance {utt_id!r}: expected frames, found none")
        return packed

    def _shard_path(self, shard: int) -> Path:
        return self.path / SHARD_NAME.format(shard)

    def _recorded_checksums(self) -> dict[str, str]:
        """Checksums of a finished store of this plan, by file name."""
        path = self.path / META_NAME
        return {s.name: s.sha256 for s in read_meta(path).shards} if path.is_file() else {}

    def _is_whole(self, number: int, checksums: Mapping[str, str]) -> bool:
        path = self._shard_path(number)
        if not path.is_file():
            return False
        try:
            Shard(path)
        except Damaged as error:
            logging.getLogger(__name__).warning("%s; it is made again", error)
            return False
        if path.name in checksums and file_digest(path) != checksums[path.name]:
            logging.getLogger(__name__).warning("%s: checksum differs; it is made again", path)
            return False
        return True

    def _refuse_other_plans(self) -> None:
        for path in sorted(self.path.glob("shard-*.safetensors")):
            try:
                plan = Shard(path).plan
            except Damaged:
                continue
            if difference := self._plan.difference(plan):
                raise TokenError(
                    f"{path}: was made with another plan ({difference}): delete {self.path}, "
                    "or choose another folder with --dumpdir"
                )

    def _remove_leftovers(self) -> None:
        planned = {SHARD_NAME.format(shard) for shard in range(self.num_shards)}
        for path in self.path.glob("shard-*.safetensors"):
            if path.name not in planned:
                path.unlink()
        remove_temporaries(self.path)


def _check_ids(utt_ids: Sequence[str]) -> None:
    if not utt_ids:
        raise TokenError("expected utterances to plan, found none", stage="data")
    if len(set(utt_ids)) != len(utt_ids):
        seen: set[str] = set()
        twice = [utt_id for utt_id in utt_ids if utt_id in seen or seen.add(utt_id)]
        raise TokenError(f"expected each utterance once, found again: {_some(twice)}", stage="data")
    bad = [utt_id for utt_id in utt_ids if not utt_id or utt_id.split() != [utt_id]]
    if bad:
        raise TokenError(f"expected ids without blanks, found {_some(bad)}", stage="data")


def _some(values: Iterable[Any]) -> str:
    """The first few of a collection, for a message."""
    values = sorted(values)
    shown = ", ".join(str(value) for value in values[:_SHOWN])
    return f"[{shown}, ... {len(values)} in all]" if len(values) > _SHOWN else f"[{shown}]"
