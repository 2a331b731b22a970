"""Mending a data dir: sort it, drop what cannot be used, and say what went and why."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from codec_ssl.data.alignment import read_ctm
from codec_ssl.data.audio import AudioSource, BadAudio, audio_info
from codec_ssl.data.data_dir import PHONES, DataDir, only, parse_segment, table_paths
from codec_ssl.data.tables import numbered_lines, parse_entry
from codec_ssl.errors import DataError


@dataclass
class FixReport:
    """What ``fix`` did.

    Attributes:
        kept: Number of utterances that stay.
        removed: Reason by utterance, for each that went.
        dropped_lines: ``file:line: reason`` for each line that belonged to no utterance.
    """

    kept: int = 0
    removed: dict[str, str] = field(default_factory=dict)
    dropped_lines: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Return the report as text, one line a utterance or dropped line, then the sum."""
        lines = [f"removed {utt_id}: {reason}" for utt_id, reason in sorted(self.removed.items())]
        lines += [f"dropped {line}" for line in self.dropped_lines]
        return [*lines, f"{self.kept} utterances kept, {len(self.removed)} removed"]


def fix(path: str | Path, *, require_text: bool = False, check_audio: bool = False) -> FixReport:
    """Sort the tables of a data dir and remove the utterances that cannot be used.

    The tables as they were go to ``.backup`` inside the folder.

    Args:
        path: The data dir.
        require_text: Whether to remove utterances without a transcript.
        check_audio: Whether to open every audio file and remove utterances that have none.

    Raises:
        DataError: If no utterance would remain; says why, and nothing is changed.
    """
    path = Path(path)
    report = FixReport()
    tables = {
        table.name: _read_leniently(table, report)
        for table in table_paths(path)
        if table.name not in (PHONES, "spk2utt")
    }
    if "wav.scp" not in tables:
        raise DataError(f"{path}: expected a data dir, found no wav.scp", stage="data")
    required = ["utt2spk", "text"] if require_text else ["utt2spk"]
    wav, segments = tables.pop("wav.scp"), tables.pop("segments", None)
    kept = []
    for utt_id in sorted(wav if segments is None else segments):
        reason = _defect(utt_id, wav, segments, {name: tables.get(name, {}) for name in required})
        if reason is None:
            kept.append(utt_id)
        else:
            report.removed[utt_id] = reason
    if check_audio:
        kept = [utt for utt in kept if not _is_bad_audio(utt, wav, segments, report)]
    _check_some_remain(path, kept, report, tables.get("utt2spk", {}))
    report.kept = len(kept)
    _write(path, set(kept), wav, segments, tables, report)
    return report


def _read_leniently(path: Path, report: FixReport) -> dict[str, str]:
    table: dict[str, str] = {}
    for number, line in numbered_lines(path):
        where = f"{path.name}:{number}"
        try:
            key, value = parse_entry(line.removesuffix("\r"), where)
        except DataError as error:
            report.dropped_lines.append(str(error))
            continue
        if key in table:
            report.dropped_lines.append(f"{where}: {key!r} again; its first line stays")
        elif not value and path.name != "text":
            report.dropped_lines.append(f"{where}: {key!r} has no value")
        else:
            table[key] = value
    return table


def _defect(
    utt_id: str,
    wav: Mapping[str, str],
    segments: Mapping[str, str] | None,
    required: Mapping[str, Mapping[str, str]],
) -> str | None:
    recording = utt_id
    if segments is not None:
        try:
            recording, _, _ = parse_segment(segments[utt_id], "segments")
        except DataError as error:
            return str(error)
        if recording not in wav:
            return f"segments: its recording {recording!r} is not in wav.scp"
    if wav[recording].endswith("|") or wav[recording].startswith("|"):
        return "wav.scp: a shell pipe, expected the path of an audio file"
    for name, table in required.items():
        if utt_id not in table:
            return f"{name}: no line for it"
    return None


def _is_bad_audio(
    utt_id: str, wav: Mapping[str, str], segments: Mapping[str, str] | None, report: FixReport
) -> bool:
    recording, start, end = utt_id, None, None
    if segments is not None:
        recording, start, end = parse_segment(segments[utt_id], "segments")
    try:
        audio_info(AudioSource(utt_id, wav[recording], start, end))
    except BadAudio as error:
        report.removed[utt_id] = f"{error.reason}: {error.path}: {error.detail}"
        return True
    return False


def _check_some_remain(
    path: Path, kept: list[str], report: FixReport, utt2spk: Mapping[str, str]
) -> None:
    if kept:
        return
    reasons = list(report.removed.values())
    counts = {reason: reasons.count(reason) for reason in sorted(set(reasons))}
    why = "; ".join(f"{count} x {reason}" for reason, count in list(counts.items())[:5])
    known, named = next(iter(report.removed), None), next(iter(utt2spk), None)
    raise DataError(
        f"{path}: no utterance would remain, so nothing was changed: {why or 'wav.scp is empty'}; "
        f"the tables must use the same keys: wav.scp or segments has {known!r}, utt2spk {named!r}",
        stage="data",
    )


def _write(
    path: Path,
    kept: set[str],
    wav: dict[str, str],
    segments: dict[str, str] | None,
    tables: dict[str, dict[str, str]],
    report: FixReport,
) -> None:
    for name, table in tables.items():
        for key in sorted(table.keys() - kept - report.removed.keys()):
            report.dropped_lines.append(f"{name}: {key!r} is not an utterance")
    phones = read_ctm(path / PHONES) if (path / PHONES).is_file() else {}
    parsed = {
        utt_id: parse_segment(value, "segments")
        for utt_id, value in (segments or {}).items()
        if utt_id in kept
    }
    recordings = {recording for recording, _, _ in parsed.values()} if parsed else kept
    backup = path / ".backup"
    backup.mkdir(exist_ok=True)
    for table_path in table_paths(path):
        shutil.copy2(table_path, backup / table_path.name)
    labels = {name.removeprefix("utt2"): table for name, table in tables.items() if name != "text"}
    utt2spk = labels.pop("spk")
    DataDir.write(
        path,
        wav=only(wav, recordings),
        utt2spk=only(utt2spk, kept),
        text=only(tables.get("text", {}), kept),
        segments=parsed,
        labels={name: only(table, kept) for name, table in labels.items()},
        phones=only(phones, kept),
    )
