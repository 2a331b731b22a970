"""Which codec is best and which is worst, counted over conditions and metrics.

As Do Neural Codecs Generalize? (arXiv 2601.12205, Tables 1 to 3) sums its tables up: in every
condition (a test set) each metric names one best and one worst system. What the paper leaves open
is settled so: values are compared as they are printed; systems that tie all count, but a metric on
which all tie counts for none; and a metric that one of the systems lacks in a condition, or that
was measured by something else there (Resemblyzer is no ESPnet-SPK), is not counted there, which is
said.
"""

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from codec_ssl.errors import DataError
from codec_ssl.report.codec_metrics import METRICS
from codec_ssl.report.results import Result


@dataclass(frozen=True)
class Cell:
    """One system on one metric in one condition.

    Attributes:
        value: Mean over runs (seeds).
        deviation: Standard deviation over runs; 0 of one.
        num_runs: How many.
        interval: 95 % interval over utterances, of a single run.
        measured: What measured it and how, of every run.
        utterances: How many have a value, of every run.
    """

    value: float
    deviation: float = 0.0
    num_runs: int = 1
    interval: tuple[float, float] | None = None
    measured: frozenset[str] = frozenset()
    utterances: tuple[int, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """Systems side by side.

    Attributes:
        systems: Names, as they come.
        conditions: Test sets, as they come; a set that was synthesised ends in ``:tts1``.
        metrics: Metrics in the order of tables.
        cells: By condition, metric and system; what was not measured is left out.
        origins: By system, what its results say of it: recipe, config, codec.
    """

    systems: list[str]
    conditions: list[str]
    metrics: list[str]
    cells: Mapping[tuple[str, str, str], Cell]
    origins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def row(self, condition: str, metric: str) -> dict[str, Cell]:
        """Cells by system; systems without one are left out."""
        found = {system: self.cells.get((condition, metric, system)) for system in self.systems}
        return {system: cell for system, cell in found.items() if cell is not None}


@dataclass(frozen=True)
class Counts:
    """How often each system is best and worst.

    Attributes:
        best: By system.
        worst: By system.
        uncounted: ``condition, metric: reason`` of what was measured but could not count.
        uneven: The same of what was counted, though not all of it was measured for every system.
    """

    best: dict[str, int]
    worst: dict[str, int]
    uncounted: list[str]
    uneven: list[str]


def compare(
    results: Sequence[Result],
    *,
    metrics: Sequence[str] | None = None,
    systems: Sequence[str] | None = None,
    set_metrics: Mapping[str, Sequence[str]] | None = None,
) -> Comparison:
    """Put results of ``evaluate_codec`` side by side.

    A system is a codec; where a codec was measured with several numbers of codebooks, each number
    is one.

    Args:
        results: Of any codecs on any sets; a codec's runs differ in ``exp``.
        metrics: Which to take; None: all.
        systems: Which to take, in which order; None: all, as they come.
        set_metrics: Which to take of those, by condition; the paper takes three of the eleven for
            sound that isn't speech.

    Raises:
        DataError: If there is nothing to compare, or a system or condition is not there.
    """
    wanted = [r for r in results if names_codec(r) and (metrics is None or r.metric in metrics)]
    chosen_metrics = set_metrics or {}
    _check_conditions(chosen_metrics, list(dict.fromkeys(map(_condition, wanted))))
    wanted = [r for r in wanted if r.metric in chosen_metrics.get(_condition(r), METRICS)]
    names = _Names(wanted)
    found = list(dict.fromkeys(map(names, wanted)))
    missing = [system for system in systems or () if system not in found]
    if missing or not found:
        raise DataError(
            f"expected results of {', '.join(missing) or 'codecs'}, found codecs "
            f"{', '.join(found) or 'none'}",
            stage="score",
        )
    chosen = list(systems or found)
    groups: dict[tuple[str, str, str], dict[str, Result]] = {}
    origins: dict[str, Mapping[str, Any]] = {}
    for result in wanted:
        system = names(result)
        if system in chosen:
            key = (_condition(result), result.metric, system)
            # Scored twice, the later one is meant.
            groups.setdefault(key, {})[str(result.scored.get("exp"))] = result
            if system not in origins or not _is_synthesis(result):
                origins[system] = _origin(result)
    return Comparison(
        chosen,
        list(dict.fromkeys(condition for condition, _, _ in groups)),
        [metric for metric in METRICS if any(metric == m for _, m, _ in groups)],
        {key: _cell(list(runs.values())) for key, runs in groups.items()},
        origins,
    )


def names_codec(result: Result) -> bool:
    """Whether a result is a codec's on a set."""
    told = result.scored
    return result.metric in METRICS and None not in (told.get("codec"), told.get("set"))


def _condition(result: Result) -> str:
    """The set; of speech that a system made from text, its recipe's kind (``tts1``) as well."""
    name = str(result.scored["set"])
    return f"{name}:{_kind(result)}" if _is_synthesis(result) else name


def _is_synthesis(result: Result) -> bool:
    return _kind(result).startswith("tts")


def _kind(result: Result) -> str:
    return str(result.scored.get("recipe") or "").rpartition("/")[2]


class _Names:
    """What a result's system is called: the codec, and with which codebooks where that varies.

    What was made from text does not vary it: there it is the synthesis that has the number.
    """

    def __init__(self, results: Sequence[Result]) -> None:
        found = {(r.scored["codec"], _number(r)) for r in results if not _is_synthesis(r)}
        self._numbers = Counter(codec for codec, _ in found)

    def __call__(self, result: Result) -> str:
        codec = result.scored["codec"]
        return f"{codec} ({_number(result)})" if self._numbers[codec] > 1 else str(codec)


def _number(result: Result) -> str:
    return str(result.scored.get("num_codebooks") or "all")


def _origin(result: Result) -> dict[str, Any]:
    return {key: result.scored.get(key) for key in ("recipe", "config", "codec", "num_codebooks")}


def _cell(runs: Sequence[Result]) -> Cell:
    values = [run.value for run in runs]
    told = (
        frozenset(map(_measured, runs)),
        tuple(run.scored["utterances"] for run in runs if "utterances" in run.scored),
    )
    if len(values) == 1:
        return Cell(values[0], 0.0, 1, runs[0].interval, *told)
    return Cell(statistics.fmean(values), statistics.stdev(values), len(values), None, *told)


def _measured(result: Result) -> str:
    options = {key: result.scored.get(key) for key in ("max_delay", "level", "sample_rate")}
    told = [f"{key} {value}" for key, value in options.items() if value not in (None, 0, "none")]
    return ", ".join([str(result.scored.get("maker") or "an unknown maker"), *told])


def extremes(comparison: Comparison, condition: str, metric: str) -> tuple[set[str], set[str]]:
    """The best systems and the worst; both empty where the metric does not count."""
    row = comparison.row(condition, metric)
    if not row or _reason(comparison, row, metric):
        return set(), set()
    shown = {system: METRICS[metric].rounded(cell.value) for system, cell in row.items()}
    ends = min(shown.values()), max(shown.values())
    best, worst = ends if METRICS[metric].better == "lower" else ends[::-1]
    return (
        {system for system, value in shown.items() if value == best},
        {system for system, value in shown.items() if value == worst},
    )


def _reason(comparison: Comparison, row: Mapping[str, Cell], metric: str) -> str:
    """Why a measured metric does not count, or ""."""
    missing = [system for system in comparison.systems if system not in row]
    if missing:
        return f"no value of {', '.join(missing)}"
    if len(row) < 2:
        return "only one system"
    ways = sorted(frozenset().union(*(cell.measured for cell in row.values())))
    if len(ways) > 1:
        return f"measured in different ways: {'; '.join(ways)}"
    if len({METRICS[metric].rounded(cell.value) for cell in row.values()}) == 1:
        return "all tie"
    return ""


def _check_conditions(wanted: Iterable[str], found: Sequence[str]) -> None:
    for condition in wanted:
        if condition not in found:
            raise DataError(
                f"expected results on {condition}, found sets {', '.join(found)}", stage="score"
            )


def count(comparison: Comparison, conditions: Sequence[str] | None = None) -> Counts:
    """Count over conditions; None: all.

    Raises:
        DataError: If a condition is not there.
    """
    chosen = comparison.conditions if conditions is None else conditions
    _check_conditions(chosen, comparison.conditions)
    systems = comparison.systems
    counts = Counts(dict.fromkeys(systems, 0), dict.fromkeys(systems, 0), [], [])
    for condition in chosen:
        for metric in comparison.metrics:
            best, worst = extremes(comparison, condition, metric)
            for system in best:
                counts.best[system] += 1
            for system in worst:
                counts.worst[system] += 1
            row = comparison.row(condition, metric)
            where = f"{condition}, {METRICS[metric].title}"
            if row and not best:
                counts.uncounted.append(f"{where}: {_reason(comparison, row, metric)}")
            elif len({number for cell in row.values() for number in cell.utterances}) > 1:
                numbers = (f"{s} {'/'.join(map(str, c.utterances))}" for s, c in row.items())
                counts.uneven.append(f"{where}: utterances {', '.join(numbers)}")
    return counts
