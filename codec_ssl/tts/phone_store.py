"""Phones of a set on disk, with what a synthesis learns of them: frames, pitch and energy.

======================  =====================================================================
``phones.safetensors``  symbols, frames, pitch and energy of all phones, end to end; the pitch
                        of all frames; ids, speakers and languages
``unusable.tsv``        utterances that were left out, and why
======================  =====================================================================

The same layout serves for the parts that jobs write. Letters: U utterances, P phones of one, T
frames of one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from codec_ssl.errors import DataError
from codec_ssl.tokens.files import Damaged, canonical, map_tensors, text_digest, write_tensors
from codec_ssl.tokens.index import join_ids, split_ids
from codec_ssl.tts.durations import FrameGrid

FILE_NAME = "phones.safetensors"
STAGE = "phones"
FORMAT = 1
_NAMED = ("symbols", "speakers", "languages")
_PER_PHONE = {"symbols": np.int32, "durations": np.int32, "pitch": np.float32, "energy": np.float32}


@dataclass(frozen=True)
class PhoneRow:
    """One utterance.

    Attributes:
        symbols: P phones.
        durations: Frames of each ``(P,)`` int64.
        pitch: Mean of the continuous log F0 of each ``(P,)`` float32, natural logarithm of Hz;
            NaN in an utterance without any voiced frame.
        energy: Mean energy of each ``(P,)`` float32.
        f0: Of each frame in Hz ``(T,)`` float32, 0 where unvoiced.
        speaker: Its speaker.
        language: Its language; "" where the data dir does not tell.
    """

    symbols: list[str]
    durations: np.ndarray
    pitch: np.ndarray
    energy: np.ndarray
    f0: np.ndarray
    speaker: str
    language: str


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of a figure over phones."""

    mean: float
    deviation: float

    @classmethod
    def of(cls, values: np.ndarray) -> "Statistics":
        """Statistics of what is known; 0 and 1 where nothing is."""
        known = values[np.isfinite(values)].astype(np.float64)
        if not len(known):
            return cls(0.0, 1.0)
        return cls(float(known.mean()), max(float(known.std()), 1e-5))


class PhoneStore(Mapping[str, PhoneRow]):
    """A finished store, or a part of one. It is pickled as its path, so that processes share pages.

    Args:
        path: Folder of a store, or the file of a part.

    Raises:
        DataError: It is not there, or not whole.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        file = self.path / FILE_NAME if self.path.is_dir() else self.path
        try:
            self._arrays, self._about = map_tensors(file)
        except Damaged as error:
            raise DataError(f"{error.message}: expected phones of tts_phones", STAGE) from error
        if self._about.get("format") != FORMAT:
            raise DataError(f"{file}: expected phones of format {FORMAT}, found another", STAGE)
        self._phone_ends = np.cumsum(self._arrays["phone_counts"], dtype=np.int64)
        self._frame_ends = np.cumsum(self._arrays["frame_counts"], dtype=np.int64)

    def __reduce__(self) -> tuple[type["PhoneStore"], tuple[Path]]:
        return type(self), (self.path,)

    def __len__(self) -> int:
        return len(self._phone_ends)

    def __iter__(self) -> Iterator[str]:
        return iter(self.utt_ids)

    def __contains__(self, utt_id: object) -> bool:
        return utt_id in self._positions

    def __getitem__(self, utt_id: str) -> PhoneRow:
        position = self._positions[utt_id]
        phones = _span(self._phone_ends, self._arrays["phone_counts"], position)
        frames = _span(self._frame_ends, self._arrays["frame_counts"], position)
        names = self.symbols
        return PhoneRow(
            symbols=[names[i] for i in self._arrays["symbols"][phones].tolist()],
            durations=self._arrays["durations"][phones].astype(np.int64),
            pitch=self._arrays["pitch"][phones],
            energy=self._arrays["energy"][phones],
            f0=self._arrays["f0"][frames],
            speaker=self.speakers[self._arrays["speakers"][position]],
            language=self.languages[self._arrays["languages"][position]],
        )

    @cached_property
    def utt_ids(self) -> list[str]:
        """Ids by position."""
        return split_ids(self._arrays["ids"])

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {utt_id: position for position, utt_id in enumerate(self.utt_ids)}

    @property
    def frame_counts(self) -> np.ndarray:
        """Frames of each utterance by position ``(U,)``."""
        return self._arrays["frame_counts"]

    @property
    def phone_counts(self) -> np.ndarray:
        """Phones of each utterance by position ``(U,)``."""
        return self._arrays["phone_counts"]

    @property
    def num_silent_phones(self) -> int:
        """Phones that are too short for a frame."""
        return int(np.count_nonzero(self._arrays["durations"] == 0))

    @property
    def symbols(self) -> list[str]:
        """Every phone that occurs, sorted."""
        return self._about["symbols"]

    @property
    def speakers(self) -> list[str]:
        """Every speaker, sorted."""
        return self._about["speakers"]

    @property
    def languages(self) -> list[str]:
        """Every language, sorted."""
        return self._about["languages"]

    @property
    def plan(self) -> dict[str, Any]:
        """What the phones were made with: the frames, and how pitch was found."""
        return self._about["plan"]

    @property
    def grid(self) -> FrameGrid:
        """Where the frames lie."""
        return FrameGrid(**self.plan["grid"])

    @property
    def skipped(self) -> dict[str, list[str]]:
        """Utterances left out: path, reason and detail of each."""
        return self._about["skipped"]

    def statistics(self, name: str) -> Statistics:
        """Statistics of ``pitch`` or ``energy`` over all phones."""
        return Statistics.of(self._arrays[name])

    def record(self) -> dict[str, Any]:
        """What an experiment keeps of its training phones: plain values, for YAML."""
        counts = [self.utt_ids, self._arrays["durations"].tolist(), self.symbols]
        return {"plan": self.plan, "content": text_digest(canonical(counts))}


def write_phones(
    path: str | Path,
    rows: Mapping[str, PhoneRow],
    plan: Mapping[str, Any],
    skipped: Mapping[str, Sequence[str]],
) -> None:
    """Write the phones of utterances into one file, whole or not at all.

    Args:
        path: The file.
        rows: Utterances by id.
        plan: What they were made with.
        skipped: Utterances left out: path, reason and detail of each.
    """
    names = {
        "symbols": sorted({symbol for row in rows.values() for symbol in row.symbols}),
        "speakers": sorted({row.speaker for row in rows.values()}),
        "languages": sorted({row.language for row in rows.values()}),
    }
    numbers = {kind: {name: i for i, name in enumerate(names[kind])} for kind in _NAMED}
    ids = [numbers["symbols"][symbol] for row in rows.values() for symbol in row.symbols]
    columns: dict[str, list[Any]] = {"symbols": [np.array(ids, np.int32)]}
    for name in ("durations", "pitch", "energy"):
        columns[name] = [getattr(row, name) for row in rows.values()]
    arrays = {
        name: np.concatenate([np.empty(0, kind), *columns[name]]).astype(kind)
        for name, kind in _PER_PHONE.items()
    }
    tracks = [np.empty(0, np.float32), *(row.f0 for row in rows.values())]
    arrays |= {
        "ids": join_ids(list(rows)),
        "f0": np.concatenate(tracks).astype(np.float32),
        "phone_counts": np.array([len(row.symbols) for row in rows.values()], np.int32),
        "frame_counts": np.array([len(row.f0) for row in rows.values()], np.int32),
        "speakers": np.array([numbers["speakers"][r.speaker] for r in rows.values()], np.int32),
        "languages": np.array([numbers["languages"][r.language] for r in rows.values()], np.int32),
    }
    about = {"format": FORMAT, "plan": plan, "skipped": dict(skipped), **names}
    write_tensors(path, arrays, about)


def _span(ends: np.ndarray, counts: np.ndarray, position: int) -> slice:
    end = int(ends[position])
    return slice(end - int(counts[position]), end)
