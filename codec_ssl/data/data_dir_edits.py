"""Making data dirs from data dirs: subset, split, combine, and fix, as Kaldi's scripts do."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from codec_ssl.data.audio import audio_info
from codec_ssl.data.data_dir import DataDir, only
from codec_ssl.errors import DataError


def subset(source: DataDir, utt_ids: Collection[str], path: str | Path) -> DataDir:
    """Write a data dir with some of the utterances, and with only the recordings they need.

    Raises:
        DataError: If an utterance is not in ``source``, or none was asked for.
    """
    wanted = set(utt_ids)
    unknown = sorted(wanted.difference(source.utt_ids))
    if unknown:
        raise DataError(f"{source.path}: no utterance {unknown[0]!r} ({len(unknown)} unknown)")
    if not wanted:
        raise DataError(f"{path}: expected at least one of the utterances of {source.path}")
    return write_some(source, path, wanted, source.text, dict(_label_tables(source)))


def write_some(
    source: DataDir,
    path: str | Path,
    utt_ids: Collection[str],
    text: Mapping[str, str],
    labels: Mapping[str, Mapping[str, str]],
) -> DataDir:
    """Write a data dir with some of the utterances, and such transcripts and labels of theirs.

    Args:
        source: The data dir.
        path: The new one.
        utt_ids: Utterances of ``source``.
        text: Transcripts; others' are left out.
        labels: By name; others' are left out.
    """
    segments = only(source.segments, utt_ids)
    recordings = {segment[0] for segment in segments.values()} if segments else utt_ids
    return DataDir.write(
        path,
        wav=only(source.wav_scp, recordings),
        utt2spk=only(source.utt2spk, utt_ids),
        text=only(text, utt_ids),
        segments=segments,
        labels={name: only(table, utt_ids) for name, table in labels.items()},
        phones=only(source.phones, utt_ids),
    )


def choose(source: DataDir, count: int, how: str = "spread") -> list[str]:
    """Choose utterances for a subset.

    Args:
        source: The data dir.
        count: How many utterances; for ``per-spk`` how many of each speaker at most.
        how: ``spread`` evenly over the sorted list, ``first``, ``last``, ``shortest``,
            ``per-spk``, or ``speakers``: whole speakers, in order, until there are enough.

    Raises:
        DataError: If there are fewer utterances than asked for, or ``how`` is another word.
    """
    utt_ids = source.utt_ids
    if how == "per-spk":
        return [utt for group in _by_speaker(source) for utt in spread(group, count)]
    if not 0 < count <= len(utt_ids):
        raise DataError(f"{source.path}: expected 1 to {len(utt_ids)} utterances, found {count}")
    if how == "first":
        return utt_ids[:count]
    if how == "last":
        return utt_ids[-count:]
    if how == "shortest":
        seconds = {utt_id: audio_info(source.source(utt_id)).duration for utt_id in utt_ids}
        return sorted(utt_ids, key=lambda utt_id: (seconds[utt_id], utt_id))[:count]
    if how == "spread":
        return spread(utt_ids, count)
    if how == "speakers":
        chosen: list[str] = []
        groups = _by_speaker(source)
        while len(chosen) < count:
            chosen += groups.pop(0)
        return chosen
    raise DataError(f"expected spread, first, last, shortest, per-spk or speakers, found {how!r}")


def choose_hours(
    source: DataDir, seconds: Mapping[str, float], hours: float, seed: int = 0
) -> list[str]:
    """Choose random utterances of so many hours in all, the last of which may go beyond them.

    Args:
        source: The data dir.
        seconds: Duration of each utterance.
        hours: How many.
        seed: Other seeds give other utterances.

    Raises:
        DataError: If a duration is missing, there are fewer hours, or none were asked for.
    """
    if not hours > 0:
        raise DataError(f"{source.path}: expected a number of hours above 0, found {hours:g}")
    utt_ids = source.utt_ids
    unknown = [utt_id for utt_id in utt_ids if utt_id not in seconds]
    if unknown:
        raise DataError(
            f"{source.path}: no duration of {unknown[0]} is known ({len(unknown)} such)"
        )
    order = np.random.default_rng(seed).permutation(len(utt_ids))
    total = np.cumsum([seconds[utt_ids[place]] for place in order])
    if total[-1] < 3600 * hours:
        raise DataError(
            f"{source.path}: expected at least {hours:g} h, found {total[-1] / 3600:.2f} h"
        )
    count = int(np.searchsorted(total, 3600 * hours)) + 1
    return [utt_ids[place] for place in order[:count]]


def split(source: DataDir, num_parts: int, path: str | Path, *, per_utt: bool) -> list[DataDir]:
    """Split into parts of nearly equal size, written to ``path/1`` to ``path/<num_parts>``.

    Args:
        source: The data dir.
        num_parts: How many parts.
        path: Folder of the parts.
        per_utt: Whether a speaker may be in several parts.

    Raises:
        DataError: If there are fewer utterances (or speakers) than parts.
    """
    units = [[utt] for utt in source.utt_ids] if per_utt else _by_speaker(source)
    if not 0 < num_parts <= len(units):
        what = "utterances" if per_utt else "speakers (parts may share one with --per-utt)"
        raise DataError(f"{source.path}: expected 1 to {len(units)} parts, for as many {what}")
    total = len(source.utt_ids)
    parts: list[list[str]] = [[] for _ in range(num_parts)]
    done = 0
    for index, unit in enumerate(units):
        # The part whose share of the utterances holds this unit's middle, but with enough
        # units left over that no part stays empty.
        part = int((done + len(unit) / 2) * num_parts / total)
        filled = next((i for i, utts in enumerate(parts) if not utts), num_parts)
        part = min(part, filled, num_parts - 1)
        part = max(part, num_parts - (len(units) - index))
        parts[part] += unit
        done += len(unit)
    return [subset(source, utts, Path(path) / str(i)) for i, utts in enumerate(parts, start=1)]


def combine(sources: Sequence[DataDir], path: str | Path) -> DataDir:
    """Write one data dir with the utterances of several.

    Transcripts and labels that only some of them have stay, for those utterances. If only some
    have ``segments``, the others' recordings become segments that are whole.

    Raises:
        DataError: If two of them use one key for different things.
    """
    segmented = any(source.segments for source in sources)
    wav: dict[str, str] = {}
    utt2spk: dict[str, str] = {}
    text: dict[str, str] = {}
    segments: dict[str, tuple[str, float, float | None]] = {}
    phones: dict[str, list] = {}
    labels: dict[str, dict[str, str]] = {}
    seen: dict[str, Path] = {}
    for source in sources:
        for utt_id in source.utt_ids:
            if utt_id in seen:
                raise DataError(f"utterance {utt_id!r} is in {seen[utt_id]} and in {source.path}")
            seen[utt_id] = source.path
        _merge(wav, source.wav_scp, f"{source.path}/wav.scp")
        utt2spk |= source.utt2spk
        text |= source.text
        phones |= source.phones
        if segmented:
            segments |= source.segments or {utt: (utt, 0.0, None) for utt in source.utt_ids}
        for name, table in _label_tables(source):
            labels.setdefault(name, {}).update(table)
    return DataDir.write(
        path,
        wav=wav,
        utt2spk=utt2spk,
        text=text,
        segments=segments,
        labels=labels,
        phones=phones,
    )


def _merge(into: dict[str, str], table: Mapping[str, str], where: str) -> None:
    for key, value in table.items():
        if into.setdefault(key, value) != value:
            raise DataError(f"{where}: {key!r} is {value!r} here and {into[key]!r} elsewhere")


def _label_tables(source: DataDir) -> Iterator[tuple[str, dict[str, str]]]:
    return ((name, source.labels(name)) for name in source.label_names if name != "spk")


def _by_speaker(source: DataDir) -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for utt_id in source.utt_ids:
        groups.setdefault(source.utt2spk[utt_id], []).append(utt_id)
    return [groups[speaker] for speaker in sorted(groups)]


def spread[T](items: Sequence[T], count: int) -> list[T]:
    """Choose so many items, or all where there are fewer, evenly over a sequence."""
    count = min(count, len(items))
    return [items[index * len(items) // count] for index in range(count)]
