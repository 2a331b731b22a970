"""The table of HEAR: systems by tasks, each with its interval."""

from collections.abc import Sequence

from codec_ssl.report.render import NOT_RUN
from codec_ssl.report.results import CHOSEN_BY, Result

PREFIX = "hear_"
_TITLES = {"map": "mAP"}


def is_hear(metric: str) -> bool:
    """Whether a metric is one of HEAR's."""
    return metric.startswith(PREFIX)


def table(results: Sequence[Result]) -> list[list[str]]:
    """Header and a row for each system, in the order of the results; empty without any.

    The best system of a column is bold. Of several results of a cell (checkpoints, layers) it is
    the one with the best score on the valid set. The last row is what always answering the most
    frequent class would get.
    """
    found = [result for result in results if is_hear(result.metric)]
    if not found:
        return []
    columns = list(dict.fromkeys((r.scored["task"], r.metric) for r in found))
    best: dict[tuple[str, str, str], Result] = {}
    for result in found:
        key = (result.scored["system"], result.scored["task"], result.metric)
        if key not in best or _valid(result) > _valid(best[key]):
            best[key] = result
    header = ["system", *(_heading(task, metric) for task, metric in columns)]
    rows = []
    for system in dict.fromkeys(result.scored["system"] for result in found):
        cells = [system]
        for task, metric in columns:
            top = max(r.value for (_, t, m), r in best.items() if (t, m) == (task, metric))
            result = best.get((system, task, metric))
            cells.append(NOT_RUN if result is None else _cell(result, result.value == top))
        rows.append(cells)
    return [header, *rows, ["most frequent class", *(_majority(found, *each) for each in columns)]]


def _valid(result: Result) -> float:
    return result.scored[CHOSEN_BY]


def _heading(task: str, metric: str) -> str:
    name = metric.removeprefix(PREFIX)
    return f"{task.replace('_', ' ')}, {_TITLES.get(name, name.replace('_', ' '))} %"


def _cell(result: Result, bold: bool) -> str:
    text = f"{100 * result.value:.1f}"
    if bold:
        text = f"**{text}**"
    if result.interval is None:
        return text
    low, high = (f"{100 * end:.1f}" for end in result.interval)
    return f"{text} [{low}, {high}]"


def _majority(results: Sequence[Result], task: str, metric: str) -> str:
    shares = [
        result.scored["majority"]
        for result in results
        if (result.scored["task"], result.metric) == (task, metric)
        and metric == f"{PREFIX}accuracy"
        and result.scored.get("majority") is not None
    ]
    return f"{100 * shares[0]:.1f}" if shares else ""
