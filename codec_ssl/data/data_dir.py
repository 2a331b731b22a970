"""A data dir: Kaldi's folder of tables that says what the utterances of a set are.

``wav.scp`` (recording or utterance to audio file) and ``utt2spk`` are always there; ``segments``,
``text``, ``phones.ctm`` and any ``utt2<label>`` may be. Labels may cover a part of the utterances.
"""

import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

from codec_ssl.data.alignment import Segment, read_ctm, write_ctm
from codec_ssl.data.audio import AudioSource
from codec_ssl.data.tables import read_table, write_table
from codec_ssl.errors import DataError

__all__ = ["DataDir", "read_table", "write_table"]

PHONES = "phones.ctm"
_MAX_PROBLEMS_SHOWN = 10


class DataDir:
    """Reads a data dir; each table when it is first asked for.

    Args:
        path: The folder.

    Raises:
        DataError: If the folder or its ``wav.scp`` is missing.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._labels: dict[str, dict[str, str]] = {}
        if not (self.path / "wav.scp").is_file():
            raise DataError(f"{self.path}: expected a data dir, found no wav.scp", stage="data")

    def __len__(self) -> int:
        return len(self.utt_ids)

    def __repr__(self) -> str:
        return f"DataDir({str(self.path)!r})"

    @cached_property
    def wav_scp(self) -> dict[str, str]:
        """Audio file of each recording; without ``segments`` a recording is an utterance.

        Raises:
            DataError: If an entry is a shell pipe: only plain files are read.
        """
        table = read_table(self.path / "wav.scp")
        for key, value in table.items():
            if value.endswith("|") or value.startswith("|"):
                raise DataError(
                    f"{self.path}/wav.scp: {key}: expected the path of an audio file, found a "
                    f"shell pipe {value!r}: run it once and write its output to a file"
                )
        return table

    @cached_property
    def segments(self) -> dict[str, tuple[str, float, float | None]]:
        """Recording, start and end in seconds of each utterance; {} where there are none.

        The end is None where the file says -1: to the end of the recording.
        """
        path = self.path / "segments"
        if not path.is_file():
            return {}
        return {
            utt_id: parse_segment(value, f"{path}: {utt_id}")
            for utt_id, value in read_table(path).items()
        }

    @cached_property
    def utt_ids(self) -> list[str]:
        """All utterances, sorted."""
        return sorted(self.segments or self.wav_scp)

    @cached_property
    def utt2spk(self) -> dict[str, str]:
        """Speaker of each utterance."""
        return read_table(self.path / "utt2spk")

    @cached_property
    def text(self) -> dict[str, str]:
        """Transcripts; {} where there are none."""
        path = self.path / "text"
        return read_table(path, allow_empty=True) if path.is_file() else {}

    @cached_property
    def phones(self) -> dict[str, list[Segment]]:
        """Phone alignments from ``phones.ctm``; {} where there are none."""
        path = self.path / PHONES
        return read_ctm(path) if path.is_file() else {}

    @property
    def label_names(self) -> list[str]:
        """Names of all label files; ``spk`` is one of them."""
        return sorted(
            path.name.removeprefix("utt2")
            for path in self.path.glob("utt2*")
            if path.name not in ("utt2dur", "utt2num_frames")
        )

    def labels(self, name: str) -> dict[str, str]:
        """Return the labels in ``utt2<name>``, of all utterances or of a part of them.

        Raises:
            DataError: If the data dir has no such labels; the message lists those that it has.
        """
        if name in self._labels:
            return self._labels[name]
        path = self.path / f"utt2{name}"
        if not path.is_file():
            raise DataError(
                f"{self.path}: expected labels {name!r} in {path.name}, found labels "
                f"{self.label_names}",
                stage="data",
            )
        self._labels[name] = read_table(path)
        return self._labels[name]

    def source(self, utt_id: str) -> AudioSource:
        """Return where the samples of an utterance are.

        Raises:
            DataError: If there is no such utterance, or its recording is not in ``wav.scp``.
        """
        if not self.segments:
            return AudioSource(utt_id, self._recording(utt_id, utt_id))
        if utt_id not in self.segments:
            raise DataError(f"{self.path}/segments: no utterance {utt_id!r}", stage="data")
        recording, start, end = self.segments[utt_id]
        return AudioSource(utt_id, self._recording(recording, utt_id), start, end)

    def _recording(self, recording: str, utt_id: str) -> str:
        if recording not in self.wav_scp:
            raise DataError(
                f"{self.path}/wav.scp: no recording {recording!r} for utterance {utt_id!r}",
                stage="data",
            )
        return self.wav_scp[recording]

    def validate(self, *, require_text: bool = False) -> None:
        """Check what Kaldi's ``validate_data_dir.sh`` checks, as far as such files are here.

        Args:
            require_text: Whether every utterance must have a transcript.

        Raises:
            DataError: Lists what is wrong, by file and utterance.
        """
        problems = list(self._problems(require_text))
        if not problems:
            return
        shown = problems[:_MAX_PROBLEMS_SHOWN]
        if len(problems) > len(shown):
            shown.append(f"and {len(problems) - len(shown)} more")
        raise DataError(f"{self.path}: not a valid data dir: " + "; ".join(shown), stage="data")

    def _problems(self, require_text: bool) -> Iterator[str]:
        if not self.utt_ids:
            yield "wav.scp: expected utterances, found none"
        for utt_id, (recording, _, _) in self.segments.items():
            if recording not in self.wav_scp:
                yield f"segments: {utt_id}: its recording {recording!r} is not in wav.scp"
        yield from _compare("utt2spk", self.utt2spk, self.utt_ids, complete=True)
        yield from _compare("text", self.text, self.utt_ids, complete=require_text)
        yield from _compare(PHONES, self.phones, self.utt_ids, complete=False)
        for name in self.label_names:
            if name != "spk":
                yield from _compare(f"utt2{name}", self.labels(name), self.utt_ids, complete=False)
        yield from self._order_problems()
        spk2utt = self.path / "spk2utt"
        if spk2utt.is_file() and read_table(spk2utt) != spk2utt_table(self.utt2spk):
            yield "spk2utt: differs from utt2spk"

    def _order_problems(self) -> Iterator[str]:
        """Kaldi's tools merge tables line by line, so every table must be in byte order."""
        tables = {"wav.scp": self.wav_scp, "utt2spk": self.utt2spk, "text": self.text}
        tables["segments"] = self.segments
        for name, table in tables.items():
            keys = list(table)
            expected = sorted(keys)
            if keys != expected:
                at = next(i for i, key in enumerate(keys) if key != expected[i])
                where = f"{name}:{at + 1}"
                yield f"{where}: not sorted: expected {expected[at]!r}, found {keys[at]!r}"

    @classmethod
    def write(
        cls,
        path: str | Path,
        *,
        wav: Mapping[str, str],
        utt2spk: Mapping[str, str],
        text: Mapping[str, str] | None = None,
        segments: Mapping[str, tuple[str, float, float | None]] | None = None,
        labels: Mapping[str, Mapping[str, str]] | None = None,
        phones: Mapping[str, Sequence[Segment]] | None = None,
    ) -> Self:
        """Write a data dir, replacing the tables of one that was there, and validate it.

        ``wav.scp`` goes away first and comes last, so a half-written folder is no data dir.

        Args:
            path: The folder.
            wav: Audio file of each recording.
            utt2spk: Speaker of each utterance.
            text: Transcripts.
            segments: Recording, start and end (None: to its end) of each utterance.
            labels: Label tables by name; ``{"digit": {...}}`` becomes ``utt2digit``.
            phones: Phone alignments, written as ``phones.ctm``.

        Raises:
            DataError: If the tables do not fit together.
        """
        path = Path(path)
        if "spk" in (labels or {}):
            raise DataError(
                f"{path}: expected speakers in utt2spk, found labels named 'spk' as well"
            )
        path.mkdir(parents=True, exist_ok=True)
        for stale in (path / "wav.scp", *table_paths(path)):
            stale.unlink(missing_ok=True)
        write_table(path / "utt2spk", utt2spk)
        write_table(path / "spk2utt", spk2utt_table(utt2spk))
        if text:
            write_table(path / "text", text)
        if segments:
            rows = {utt_id: _format_segment(*segment) for utt_id, segment in segments.items()}
            write_table(path / "segments", rows)
        for name, table in (labels or {}).items():
            if table:
                write_table(path / f"utt2{name}", table)
        if phones:
            write_ctm(path / PHONES, phones)
        write_table(path / "wav.scp", wav)
        data_dir = cls(path)
        data_dir.validate()
        return data_dir


def table_paths(path: Path) -> list[Path]:
    """Return the tables that a data dir has, ``wav.scp`` first."""
    names = ("wav.scp", "segments", "text", "spk2utt", PHONES)
    named = [path / name for name in names if (path / name).is_file()]
    return named + sorted(found for found in path.glob("utt2*") if found.is_file())


def spk2utt_table(utt2spk: Mapping[str, str]) -> dict[str, str]:
    """Invert ``utt2spk``: the utterances of each speaker, sorted and joined by blanks."""
    utterances: dict[str, list[str]] = {}
    for utt_id in sorted(utt2spk):
        utterances.setdefault(utt2spk[utt_id], []).append(utt_id)
    return {speaker: " ".join(utt_ids) for speaker, utt_ids in utterances.items()}


def only[V](table: Mapping[str, V], keys: Collection[str]) -> dict[str, V]:
    """Return the entries of ``table`` whose key is among ``keys``."""
    return {key: value for key, value in table.items() if key in keys}


def _compare(
    name: str, found: Collection[str], expected: Sequence[str], *, complete: bool
) -> Iterator[str]:
    known = set(expected)
    for key in found:
        if key not in known:
            yield f"{name}: {key!r} is not an utterance"
    if complete:
        for key in expected:
            if key not in found:
                yield f"{name}: no line for utterance {key!r}"


def parse_segment(value: str, where: str) -> tuple[str, float, float | None]:
    """Parse ``recording start end`` of a ``segments`` line; end -1 becomes None.

    Args:
        value: The line without its key.
        where: File and utterance for the error message.

    Raises:
        DataError: If there are not three fields, or the times are not in order.
    """
    fields = re.split(r"[ \t]+", value)
    try:
        recording, start, end = fields[0], float(fields[1]), float(fields[2])
    except (IndexError, ValueError):
        raise DataError(f"{where}: expected 'recording start end', found {value!r}") from None
    to_end = end == -1
    if not (math.isfinite(start) and start >= 0 and (to_end or start < end < math.inf)):
        raise DataError(f"{where}: expected 0 <= start < end (or end -1), found {value!r}")
    return recording, start, None if to_end else end


def _format_segment(recording: str, start: float, end: float | None) -> str:
    return f"{recording} {start:.6f} {-1 if end is None else format(end, '.6f')}"
