"""Recognisers that were trained on codes or audio, beside each other: a table for each test set.

A result belongs here if what was scored names its ``input``: a codec, or ``audio``. Sets that are
noisy copies have a table of their own, see ``robustness``.
"""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from codec_ssl.report.render import NOT_RUN
from codec_ssl.report.results import Result
from codec_ssl.report.robustness import condition_of

INPUT = "input"
NOTE = "in brackets 95 % intervals (utterances resampled); ± is the deviation between runs"
_COLUMNS = {
    "wer": "WER, %",
    "cer": "CER, %",
    # ML-SUPERB's
    "cer_normal": "CER normal, %",
    "cer_few_shot": "CER few-shot, %",
    "language_accuracy": "languages right, %",
    "language_accuracy_normal": "languages right, normal, %",
    "language_accuracy_few_shot": "languages right, few-shot, %",
    "real_time_factor": "real-time factor",
}
# Runs by experiment and metric.
type _Rows = Mapping[tuple[str, str], Mapping[str, Sequence[Result]]]


def is_recognition(result: Result) -> bool:
    """Whether a result is of a recogniser that is tabled here."""
    return result.scored.get(INPUT) is not None


def tables(results: Sequence[Result]) -> dict[str, list[list[str]]]:
    """Rows of text by test set, the heading first: experiments, what they read, and their scores.

    Args:
        results: Any; those of other systems are left out. Runs of the same experiment's name, in
            several folders, are averaged.
    """
    found: dict[str, dict[tuple[str, str], dict[str, list[Result]]]] = {}
    for result in results:
        name = str(result.scored.get("set") or "")
        if is_recognition(result) and result.metric in _COLUMNS and condition_of(name).snr is None:
            experiment = PurePath(str(result.scored.get("exp") or "")).name
            row = found.setdefault(name, {}).setdefault((experiment, result.scored[INPUT]), {})
            row.setdefault(result.metric, []).append(result)
    return {name: _table(rows) for name, rows in found.items()}


def _table(rows: _Rows) -> list[list[str]]:
    metrics = [metric for metric in _COLUMNS if any(metric in row for row in rows.values())]
    heading = ["", "input", *(_COLUMNS[metric] for metric in metrics)]
    cells = [
        [experiment, read, *(_cell(metric, row.get(metric, ())) for metric in metrics)]
        for (experiment, read), row in rows.items()
    ]
    return [heading, *cells]


def _cell(metric: str, runs: Sequence[Result]) -> str:
    if not runs:
        return NOT_RUN
    values = [result.value for result in runs]
    if metric == "real_time_factor":
        return f"{statistics.fmean(values):.3g}"
    shown = f"{100 * statistics.fmean(values):.1f}"
    if len(runs) > 1:
        return f"{shown} ± {100 * statistics.stdev(values):.1f}"
    if runs[0].interval is None:
        return shown
    low, high = (f"{100 * bound:.1f}" for bound in runs[0].interval)
    return f"{shown} [{low}, {high}]"
