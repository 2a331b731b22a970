"""One shard file: packed utterances, their frame counts and ids, and the plan they belong to.

Letters: U utterances of the shard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from codec_ssl.tokens.files import Damaged, map_tensors, write_tensors
from codec_ssl.tokens.index import join_ids, split_ids
from codec_ssl.tokens.meta import Plan, check_format
from codec_ssl.tokens.packing import layout


class Shard:
    """A shard file, mapped.

    Args:
        path: The file.

    Attributes:
        data: Packed utterances, one after the other: (n,) uint8.
        num_frames: (U,) int32.
        offsets: (U + 1) byte borders of the utterances in ``data``.
        plan: Fields of the plan that it was written for.
        skipped: Reason of each utterance of its slice that it doesn't hold.

    Raises:
        Damaged: If the file is not whole.
        TokenError: If a newer release wrote it.
    """

    def __init__(self, path: str | Path) -> None:
        arrays, metadata = map_tensors(path)
        check_format(metadata.get("plan", {}).get("format"), path)
        self.path = path
        self.plan: dict[str, Any] = metadata["plan"]
        self.skipped: dict[str, str] = metadata["skipped"]
        self.data, self.num_frames = arrays["data"], arrays["num_frames"]
        self._ids = arrays["ids"]
        frame_bits = layout(self.plan["sizes"]).frame_bits
        ends = np.cumsum(-(-self.num_frames.astype(np.int64) * frame_bits // 8))
        self.offsets: list[int] = [0, *ends.tolist()]
        if self.offsets[-1] != len(self.data):
            raise Damaged(
                f"{path}: expected {self.offsets[-1]} bytes of codes, found {len(self.data)}"
            )

    def utt_ids(self) -> list[str]:
        """Ids of its utterances."""
        return split_ids(self._ids)

    def packed(self, position: int) -> np.ndarray:
        """Packed codes of the utterance at a position of this shard: a view, uint8."""
        return self.data[self.offsets[position] : self.offsets[position + 1]]


def write_shard_file(
    path: str | Path,
    plan: Plan,
    utt_ids: Sequence[str],
    packed: Sequence[np.ndarray],
    num_frames: Sequence[int],
    skipped: Mapping[str, str],
) -> None:
    """Write a shard atomically.

    Args:
        path: The file.
        plan: Plan of the store.
        utt_ids: U ids.
        packed: U packed utterances.
        num_frames: U frame counts.
        skipped: Reason of each utterance left out.
    """
    arrays = {
        "data": np.concatenate([np.empty(0, dtype=np.uint8), *packed]),
        "num_frames": np.array(num_frames, dtype=np.int32),
        "ids": join_ids(utt_ids),
    }
    write_tensors(path, arrays, {"plan": asdict(plan), "skipped": dict(skipped)})
