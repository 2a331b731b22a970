"""What a store says about itself: ``meta.json``, and the plan that every shard carries.

Neither holds a time, a host or a number of jobs: the same codes give the same bytes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from codec_ssl.errors import TokenError
from codec_ssl.tokens.files import canonical, text_digest
from codec_ssl.tokens.packing import layout

FORMAT = 1
META_NAME, INDEX_NAME = "meta.json", "index.safetensors"
SHARD_NAME = "shard-{:05d}.safetensors"
MAKER_KEYS = ("kind", "name", "fingerprint")


@dataclass(frozen=True)
class ShardMeta:
    """One shard: file name, size, checksum, and what it holds."""

    name: str
    num_bytes: int
    sha256: str
    num_utterances: int
    num_frames: int
    num_skipped: int


@dataclass(frozen=True)
class StoreMeta:
    """Content of ``meta.json``.

    Attributes:
        format: Version of the layout on disk.
        sizes: K of each codebook.
        frame_rate: Frames a second.
        sample_rate: Rate in Hz of the audio that the codes were made from.
        maker: What made the codes: ``kind``, ``name``, ``fingerprint`` and more (layer, ...).
        fingerprint: SHA-256 over maker and content.
        plan: SHA-256 over everything that was fixed before the first shard was written.
        shard_utterances: Utterances planned a shard.
        num_utterances: Utterances stored.
        num_frames: Their frames.
        skipped: Number of utterances left out, by reason.
        extras: Anything else the maker wants to keep.
        index_bytes: Size of the index file.
        index_sha256: Its checksum.
        shards: The shards, in order.
        histogram: Occurrences of each token: Q lists of K numbers.
    """

    format: int
    sizes: list[int]
    frame_rate: float
    sample_rate: int
    maker: dict[str, Any]
    fingerprint: str
    plan: str
    shard_utterances: int
    num_utterances: int
    num_frames: int
    skipped: dict[str, int]
    extras: dict[str, Any]
    index_bytes: int
    index_sha256: str
    shards: list[ShardMeta] = field(repr=False)
    histogram: list[list[int]] = field(repr=False)

    @property
    def num_codebooks(self) -> int:
        """Q."""
        return len(self.sizes)

    @property
    def seconds(self) -> float:
        """Duration of everything stored."""
        return self.num_frames / self.frame_rate

    @property
    def stage(self) -> str:
        """Stage of a recipe that makes this store again."""
        return stage_of(self.maker)

    def counts(self) -> list[np.ndarray]:
        """The histogram as Q arrays (K,) int64."""
        return [np.array(column, dtype=np.int64) for column in self.histogram]

    def to_json(self) -> str:
        """JSON text with one line a field, a shard and a codebook's histogram."""
        lines = []
        for name, value in asdict(self).items():
            if name in {"shards", "histogram"}:
                rows = ",\n".join(f"    {canonical(row)}" for row in value)
                lines.append(f'  "{name}": [\n{rows}\n  ]')
            else:
                lines.append(f'  "{name}": {json.dumps(value, sort_keys=True)}')
        return "{\n" + ",\n".join(lines) + "\n}\n"


@dataclass(frozen=True)
class Plan:
    """Everything that is fixed before the first shard is written; shards of one store share it.

    Raises:
        TokenError: If a size, a rate or the maker is not usable.
    """

    sizes: list[int]
    frame_rate: float
    sample_rate: int
    maker: dict[str, Any]
    shard_utterances: int
    num_utterances: int
    utt_ids_sha256: str
    format: int = FORMAT

    def __post_init__(self) -> None:
        layout(self.sizes)
        if not self.frame_rate > 0 or not self.sample_rate > 0:
            raise TokenError(
                f"expected positive rates, found {self.frame_rate} frames a second, "
                f"{self.sample_rate} Hz"
            )
        missing = [key for key in MAKER_KEYS if not isinstance(self.maker.get(key), str)]
        if missing:
            raise TokenError(f"maker: expected texts for {missing}, found {self.maker}")
        if self.shard_utterances < 1:
            raise TokenError(f"expected 1 utterance a shard or more, found {self.shard_utterances}")

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all fields."""
        return text_digest(canonical(asdict(self)))

    def difference(self, other: Mapping[str, Any]) -> str:
        """The fields in which a plan found on disk differs, for an error message."""
        mine = json.loads(canonical(asdict(self)))
        names = [name for name in mine if mine[name] != other.get(name)]
        return "; ".join(f"{name}: {other.get(name)} there, {mine[name]} here" for name in names)


def make_plan(
    utt_ids: Sequence[str],
    sizes: Sequence[int],
    frame_rate: float,
    sample_rate: int,
    maker: Mapping[str, Any],
    shard_utterances: int,
) -> Plan:
    """A plan from plain values; numbers of any kind are brought to one form."""
    return Plan(
        sizes=[int(size) for size in sizes],
        frame_rate=float(frame_rate),
        sample_rate=int(sample_rate),
        maker=json.loads(canonical(dict(maker))),
        shard_utterances=shard_utterances,
        num_utterances=len(utt_ids),
        utt_ids_sha256=text_digest("\n".join(utt_ids)),
    )


def stage_of(maker: Mapping[str, Any]) -> str:
    """Stage of a recipe that makes the tokens: a codec's are inputs, most others are labels."""
    return {"codec": "tokens", "f0": "f0"}.get(str(maker.get("kind")), "labels")


def check_format(found: Any, where: str | Path) -> None:
    """Refuse what a newer release wrote.

    Raises:
        TokenError: If the version is newer than this code, or not a version.
    """
    if not isinstance(found, int) or found < 1:
        raise TokenError(f"{where}: expected a format version, found {found!r}")
    if found > FORMAT:
        raise TokenError(
            f"{where}: written in format {found} by a newer codec_ssl, this one reads up to "
            f"format {FORMAT}: update codec_ssl"
        )


def read_meta(path: str | Path) -> StoreMeta:
    """Read ``meta.json``.

    Raises:
        TokenError: If it cannot be read, or a newer release wrote it.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TokenError(f"{path}: cannot be read: {error}") from error
    check_format(content.get("format"), path)
    missing = [entry.name for entry in fields(StoreMeta) if entry.name not in content]
    if missing:
        raise TokenError(f"{path}: expected entries {missing}, found none")
    values = {entry.name: content[entry.name] for entry in fields(StoreMeta)}
    values["shards"] = [ShardMeta(**shard) for shard in values["shards"]]
    return StoreMeta(**values)


def features_name(maker: Mapping[str, Any]) -> str:
    """Short name of what tokens were made of: ``hubert_large_l18``, or the codec's.

    A linear combination of layers, or features without layers, are layer 0 and have no suffix.
    """
    if not maker.get("encoder"):
        return str(maker["name"])
    return f"{maker['encoder']}_l{maker['layer']}" if maker.get("layer") else str(maker["encoder"])
