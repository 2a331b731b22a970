"""Tables of SUPERB's data dirs that Kaldi's do not have: what each task asks of an utterance.

``phones`` and ``slots``: utterance and symbols. ``trials``: ``1 enrolment test`` for a pair of one
speaker, 0 for two. ``rttm``: who speaks when, of each utterance. ``matches_<set>``: query and
document, for documents in which the query is said.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from codec_ssl.data.alignment import Segment
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import numbered_lines, read_table, write_atomic, write_table
from codec_ssl.errors import DataError

PHONES, SLOTS, TRIALS, RTTM = "phones", "slots", "trials", "rttm"


class Trial(NamedTuple):
    """A pair of utterances, and whether one speaker says both."""

    target: bool
    enrol: str
    test: str


def write_symbols(
    data_dir: DataDir, name: str, symbols: Mapping[str, Sequence[str]], *, allow_empty: bool = False
) -> None:
    """Write a table of symbols, ``phones`` or ``slots``, for each utterance of a data dir.

    Args:
        data_dir: The data dir.
        name: File name.
        symbols: Of each utterance, without blanks.
        allow_empty: Whether an utterance may have none.

    Raises:
        DataError: An utterance has none, or is not there.
    """
    path = data_dir.path / name
    for utt_id in data_dir.utt_ids:
        if not (symbols.get(utt_id) or (allow_empty and utt_id in symbols)):
            raise DataError(f"{path}: expected symbols of {utt_id}, found none")
    _check_known(path, symbols, data_dir.utt_ids)
    write_table(path, {utt_id: " ".join(found) for utt_id, found in symbols.items()})


def read_symbols(
    data_dir: DataDir, name: str, *, allow_empty: bool = False
) -> dict[str, list[str]]:
    """Read a table of symbols: those of each utterance.

    Raises:
        DataError: The file is missing or malformed, or names other utterances.
    """
    path = data_dir.path / name
    found = {utt: line.split() for utt, line in read_table(path, allow_empty=allow_empty).items()}
    _check_known(path, found, data_dir.utt_ids)
    return found


def write_trials(data_dir: DataDir, trials: Sequence[Trial]) -> None:
    """Write ``trials``.

    Raises:
        DataError: An utterance is not there, or all trials are of one kind: no error rate exists.
    """
    path = data_dir.path / TRIALS
    _check_trials(path, trials, data_dir)
    lines = (f"{int(trial.target)} {trial.enrol} {trial.test}\n" for trial in trials)
    write_atomic(path, "".join(lines))


def read_trials(data_dir: DataDir) -> list[Trial]:
    """Read ``trials``, in their order.

    Raises:
        DataError: The file is missing or malformed, as ``write_trials`` has it.
    """
    path = data_dir.path / TRIALS
    trials = []
    for where, fields in _rows(path, 3, "'1|0 enrolment test'"):
        if fields[0] not in ("0", "1"):
            raise DataError(f"{where}: expected 1 or 0 first, found {fields[0]!r}", "data")
        trials.append(Trial(fields[0] == "1", fields[1], fields[2]))
    _check_trials(path, trials, data_dir)
    return trials


def _check_trials(path: Path, trials: Sequence[Trial], data_dir: DataDir) -> None:
    _check_known(path, (utt for trial in trials for utt in trial[1:]), data_dir.utt_ids)
    if len({trial.target for trial in trials}) < 2:
        raise DataError(f"{path}: expected trials of one and of two speakers, found {len(trials)}")


def write_rttm(data_dir: DataDir, turns: Mapping[str, Sequence[Segment]]) -> None:
    """Write ``rttm``.

    Args:
        data_dir: The data dir.
        turns: Of each utterance, with speakers as labels and times in its seconds.

    Raises:
        DataError: An utterance is not there or has no turn, or a turn is not longer than nothing.
    """
    path = data_dir.path / RTTM
    lines = []
    _check_known(path, turns, data_dir.utt_ids)
    for utt_id in data_dir.utt_ids:
        if not turns.get(utt_id):
            raise DataError(f"{path}: expected turns of {utt_id}, found none")
        for start, end, speaker in sorted(turns[utt_id]):
            _check_turn(f"{path}: {utt_id}", start, end - start)
            lines.append(
                f"SPEAKER {utt_id} 1 {start:.4f} {end - start:.4f} <NA> <NA> {speaker} <NA> <NA>\n"
            )
    write_atomic(path, "".join(lines))


def read_rttm(data_dir: DataDir) -> dict[str, list[Segment]]:
    """Read ``rttm``: the turns of each utterance, ordered by start; labels are speakers.

    Raises:
        DataError: The file is missing or malformed, an utterance has no turn or is not there.
    """
    path = data_dir.path / RTTM
    turns = parse_rttm(path)
    _check_known(path, turns, data_dir.utt_ids)
    for utt_id in data_dir.utt_ids:
        if utt_id not in turns:
            raise DataError(f"{path}: expected turns of {utt_id}, found none", "data")
    return turns


def parse_rttm(path: str | Path) -> dict[str, list[Segment]]:
    """Read any RTTM: speakers' turns in each file it names, ordered by start.

    Raises:
        DataError: The file is missing or a line is malformed.
    """
    turns: dict[str, list[Segment]] = {}
    for number, line in numbered_lines(path):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue
        where = f"{path}:{number}"
        try:
            utt_id, start, duration, speaker = fields[1], *map(float, fields[3:5]), fields[7]
        except (IndexError, ValueError):
            raise DataError(f"{where}: expected a line of RTTM, found {line!r}", "data") from None
        _check_turn(where, start, duration)
        # Rounded, as 0.1 + 0.2 would end after the next turn's 0.3.
        turns.setdefault(utt_id, []).append(Segment(start, round(start + duration, 6), speaker))
    return {utt_id: sorted(found) for utt_id, found in turns.items()}


def _check_turn(where: str, start: float, duration: float) -> None:
    if not (start >= 0 and 0 < duration < math.inf):
        raise DataError(f"{where}: expected a turn longer than 0 s, found {duration} at {start}")


def matches_name(set_name: str) -> str:
    """Name of the file of matches of a set of queries, ``valid`` or ``test``."""
    return f"matches_{set_name}"


def write_matches(
    queries: DataDir, set_name: str, matches: Collection[tuple[str, str]], docs: DataDir
) -> None:
    """Write ``matches_<set>`` into the data dir of the queries: query and document, sorted.

    Raises:
        DataError: A query or document is not there, or there is no match at all.
    """
    path = queries.path / matches_name(set_name)
    _check_matches(path, matches, queries, docs)
    write_atomic(path, "".join(f"{query} {doc}\n" for query, doc in sorted(set(matches))))


def read_matches(queries: DataDir, set_name: str, docs: DataDir) -> set[tuple[str, str]]:
    """Read ``matches_<set>``: pairs of a query and a document that contains it.

    Raises:
        DataError: The file is missing or malformed, as ``write_matches`` has it.
    """
    path = queries.path / matches_name(set_name)
    rows = _rows(path, 2, "'query document'")
    matches = {(fields[0], fields[1]) for _, fields in rows}
    _check_matches(path, matches, queries, docs)
    return matches


def _check_matches(
    path: Path, matches: Collection[tuple[str, str]], queries: DataDir, docs: DataDir
) -> None:
    if not matches:
        raise DataError(f"{path}: expected a query that some document contains, found none", "data")
    _check_known(path, (query for query, _ in matches), queries.utt_ids)
    _check_known(path, (doc for _, doc in matches), docs.utt_ids)


def _rows(path: Path, count: int, what: str) -> Iterator[tuple[str, list[str]]]:
    for number, line in numbered_lines(path):
        fields = line.split()
        if len(fields) != count:
            raise DataError(f"{path}:{number}: expected {what}, found {line!r}", "data")
        yield f"{path}:{number}", fields


def _check_known(path: Path, found: Iterable[str], utt_ids: Collection[str]) -> None:
    known = set(utt_ids)
    unknown = sorted(utt_id for utt_id in set(found) if utt_id not in known)
    if unknown:
        raise DataError(f"{path}: {unknown[0]!r} is not an utterance ({len(unknown)} such)", "data")
