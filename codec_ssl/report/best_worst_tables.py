"""Tables of a comparison of codecs: values with their best and worst, and the counts of them."""

from collections.abc import Mapping, Sequence

from codec_ssl.errors import ConfigError
from codec_ssl.report.best_worst import (
    Cell,
    Comparison,
    Counts,
    compare,
    count,
    extremes,
    names_codec,
)
from codec_ssl.report.codec_metrics import METRICS, Metric
from codec_ssl.report.render import NOT_RUN, render
from codec_ssl.report.results import Result

BEST, WORST = "▲", "▼"
COUNTS = ("best_count", "worst_count")
ALL = "all"
_RULES = (
    f"{BEST} best, {WORST} worst of its column; values are compared as printed, ties count for all "
    "that tie, unless all do",
    "a metric that a system lacks on a set (a dash), or that was measured in different ways, is "
    "not counted there",
)


def value_table(comparison: Comparison, condition: str, style: str) -> str:
    """A row a system, a column a metric: values with 95 % intervals, or the spread of runs."""
    metrics = [m for m in comparison.metrics if comparison.row(condition, m)]
    rows = []
    for system in comparison.systems:
        cells = [system]
        for metric in metrics:
            cell = comparison.cells.get((condition, metric, system))
            marks = extremes(comparison, condition, metric)
            signs = (BEST if system in marks[0] else "") + (WORST if system in marks[1] else "")
            cells.append(NOT_RUN if cell is None else _shown(METRICS[metric], cell) + signs)
        rows.append(cells)
    header = [condition, *(METRICS[metric].heading for metric in metrics)]
    return render(header, rows, style)


def _shown(metric: Metric, cell: Cell) -> str:
    value = metric.show(cell.value)
    if cell.num_runs > 1:
        return f"{value}±{metric.show(cell.deviation)}"
    if cell.interval is None:
        return value
    low, high = (metric.show(end) for end in cell.interval)
    return f"{value} [{low}, {high}]"


def sections(results: Sequence[Result]) -> list[str]:
    """What a report says of codecs, in Markdown: their values and, of several, the counts."""
    if not any(map(names_codec, results)):
        return []
    comparison = compare(results)
    parts = [value_table(comparison, name, "markdown") for name in comparison.conditions]
    if len(comparison.systems) > 1:
        parts.append(count_table(comparison, "markdown"))
    return ["## Codecs", *parts]


def count_table(
    comparison: Comparison,
    style: str,
    groups: Mapping[str, Sequence[str]] | None = None,
    notes: Sequence[str] = (),
) -> str:
    """A row a condition, then a row a group of conditions: best / worst of each system.

    Args:
        comparison: The systems.
        style: Of :func:`codec_ssl.report.render.render`.
        groups: Conditions by the name of their group; a row of all comes last.
        notes: What a reader should know besides.

    Raises:
        ConfigError: If a group has the name of a condition or of the total.
        DataError: If a group names a condition that is not there.
    """
    rows = [[name, *_pairs(comparison, counts)] for name, counts in _counted(comparison, groups)]
    total = count(comparison)
    told = [
        *_RULES,
        *(f"not counted: {entry}" for entry in total.uncounted),
        *(f"not all were scored: {entry}" for entry in total.uneven),
        *notes,
    ]
    return render(
        ["best / worst", *comparison.systems],
        rows,
        style,
        title="Best and worst counts",
        notes=told,
    )


def count_results(
    comparison: Comparison, groups: Mapping[str, Sequence[str]] | None = None
) -> list[Result]:
    """Counts as results ``best_count`` and ``worst_count``, the condition or group as ``set``."""
    return [
        Result(
            metric,
            numbers[system],
            "count",
            {**comparison.origins.get(system, {}), "set": name, "system": system},
        )
        for name, counts in _counted(comparison, groups)
        for metric, numbers in zip(COUNTS, (counts.best, counts.worst), strict=True)
        for system in comparison.systems
    ]


def _counted(
    comparison: Comparison, groups: Mapping[str, Sequence[str]] | None
) -> list[tuple[str, Counts]]:
    """Counts of each condition, of each group, and of all."""
    rows: dict[str, Sequence[str]] = {name: [name] for name in comparison.conditions}
    for name, members in (groups or {}).items():
        if name in (*comparison.conditions, ALL):
            raise ConfigError(f"group {name}: expected another name, a row is called so already")
        rows[name] = members
    if len(comparison.conditions) > 1:
        rows.setdefault(ALL, comparison.conditions)
    return [(name, count(comparison, members)) for name, members in rows.items()]


def _pairs(comparison: Comparison, counts: Counts) -> list[str]:
    return [f"{counts.best[system]} / {counts.worst[system]}" for system in comparison.systems]
