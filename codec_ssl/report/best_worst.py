"""Which codec is best and which is worst, counted over conditions and metrics.

As Do Neural Codecs Generalize? (arXiv 2601.12205, Tables 1 to 3) sums its tables up: in every
condition (a test set) each metric names one best and one worst system. What the paper leaves open
is settled so: values are compared as they are printed; systems that tie all count, but a metric on
which all tie counts for none; and a metric that one of the systems lacks in a condition is not
counted there, which is said.
"""

import statistics
from collections.abc import Mapping, Sequence
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
    """

    value: float
    deviation: float = 0.0
    num_runs: int = 1
    interval: tuple[float, float] | None = None


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
    """

    best: dict[str, int]
    worst: dict[str, int]
    uncounted: list[str]


def compare(
    results: Sequence[Result],
    *,
    metrics: Sequence[str] | None = None,
    systems: Sequence[str] | None = None,
) -> Comparison:
    """Put results of ``evaluate_codec`` side by side.

    A system is a codec; where a codec was measured with several numbers of codebooks, each number
    is one.

    Args:
        results: Of any codecs on any sets; a codec's runs differ in ``exp``.
        metrics: Which to take; None: all.
        systems: Which to take, in which order; None: all, as they come.

    Raises:
        DataError: If there is nothing to compare, or a system is not there.
    """
    wanted = [r for r in results if names_codec(r) and (metrics is None or r.metric in metrics)]
    names = _names(wanted)
    found = list(dict.fromkeys(names[_key(result)] for result in wanted))
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
        system = names[_key(result)]
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


def _key(result: Result) -> tuple[str, Any]:
    return str(result.scored["codec"]), result.scored.get("num_codebooks")


def _names(results: Sequence[Result]) -> dict[tuple[str, Any], str]:
    """What each codec with its number of codebooks is called: the codec alone where that tells."""
    keys = list(dict.fromkeys(map(_key, results)))
    codecs = [codec for codec, _ in keys]
    return {
        (codec, number): codec if codecs.count(codec) == 1 else f"{codec} ({number or 'all'})"
        for codec, number in keys
    }


def _origin(result: Result) -> dict[str, Any]:
    return {key: result.scored.get(key) for key in ("recipe", "config", "codec", "num_codebooks")}


def _cell(runs: Sequence[Result]) -> Cell:
    values = [run.value for run in runs]
    if len(values) == 1:
        return Cell(values[0], interval=runs[0].interval)
    return Cell(statistics.fmean(values), statistics.stdev(values), len(values))


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
    if len({METRICS[metric].rounded(cell.value) for cell in row.values()}) == 1:
        return "all tie"
    return ""


def count(comparison: Comparison, conditions: Sequence[str] | None = None) -> Counts:
    """Count over conditions; None: all.

    Raises:
        DataError: If a condition is not there.
    """
    chosen = comparison.conditions if conditions is None else conditions
    for condition in chosen:
        if condition not in comparison.conditions:
            raise DataError(
                f"expected results on {condition}, found sets {', '.join(comparison.conditions)}",
                stage="score",
            )
    counts = Counts(dict.fromkeys(comparison.systems, 0), dict.fromkeys(comparison.systems, 0), [])
    for condition in chosen:
        for metric in comparison.metrics:
            best, worst = extremes(comparison, condition, metric)
            for system in best:
                counts.best[system] += 1
            for system in worst:
                counts.worst[system] += 1
            row = comparison.row(condition, metric)
            if row and not best:
                reason = _reason(comparison, row, metric)
                counts.uncounted.append(f"{condition}, {METRICS[metric].title}: {reason}")
    return counts
