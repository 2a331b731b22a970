"""Error rates by the noise's level: rows systems, columns clean and the ratios of speech to noise.

A noisy set is recognised by its name, that of the clean set and its ratio in dB: ``test_snr5``;
a minus may have become an underscore, as ``score_asr`` writes names of sets.
"""

import re
import statistics
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from codec_ssl.errors import DataError
from codec_ssl.report.plots import COLOURS, figure, save
from codec_ssl.report.render import NOT_RUN
from codec_ssl.report.results import Result

METRICS = ("wer", "cer")
NOTE = "in brackets 95 % intervals (utterances resampled); ± is the deviation between runs"
# Runs by system and ratio.
type _Rows = Mapping[str, Mapping[float | None, Sequence[Result]]]
_NOISY = re.compile(r"(.+)_snr([-_]?)(\d+(?:\.\d+)?)")


class Condition(NamedTuple):
    """What was transcribed.

    Attributes:
        clean: Name of the clean set.
        snr: Of its noisy copy, in dB; None where it is itself.
    """

    clean: str
    snr: float | None


def condition_of(name: str) -> Condition:
    """Set and ratio that a set's name tells of."""
    noisy = _NOISY.fullmatch(name)
    if noisy is None:
        return Condition(name, None)
    return Condition(noisy[1], -float(noisy[3]) if noisy[2] else float(noisy[3]))


def tables(
    systems: Mapping[str, Sequence[Result]], metric: str = METRICS[0]
) -> dict[str, list[list[str]]]:
    """Rows of text by clean set, the heading first; sets without noisy copies have no table.

    The values are in percent. Where a system was trained several times, a cell is the mean of its
    runs, otherwise the value and its interval.

    Args:
        systems: Results of each system, those of other metrics among them.
        metric: One of ``METRICS``.

    Raises:
        DataError: A run was scored twice on one set, with other results.
    """
    return {name: _table(rows) for name, rows in _grouped(systems, metric).items()}


def draw(
    systems: Mapping[str, Sequence[Result]], path: str | Path, metric: str = METRICS[0]
) -> bool:
    """Draw error rates by the ratio, a panel a clean set; dotted: that of the clean set itself.

    Args:
        systems: As for :func:`tables`.
        path: PNG file to write.
        metric: One of ``METRICS``.

    Returns:
        Whether there was something.

    Raises:
        DataError: As :func:`tables`.
    """
    found = _grouped(systems, metric)
    if not found:
        return False
    picture, axes = figure(len(found))
    for panel, (name, rows) in zip(axes, found.items(), strict=False):
        for (system, row), colour in zip(rows.items(), cycle(COLOURS), strict=False):
            means = {snr: statistics.fmean(_percents(runs)) for snr, runs in row.items()}
            ratios = sorted(snr for snr in means if snr is not None)
            values = [means[snr] for snr in ratios]
            panel.plot(ratios, values, color=colour, marker="o", markersize=3, label=system)
            if None in means:
                panel.axhline(means[None], color=colour, linestyle=":", linewidth=0.8)
        labels = {"xlabel": "speech to noise, dB", "ylabel": f"{metric.upper()}, %"}
        panel.set(title=name, ylim=(0, None), **labels)
        panel.legend(fontsize="small")
    save(picture, path)
    return True


def systems_of(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Results by the name of the experiment that was scored, as they come."""
    systems: dict[str, list[Result]] = {}
    for result in results:
        if result.metric in METRICS:
            name = str(result.scored.get("exp") or "").rstrip("/").rpartition("/")[2]
            systems.setdefault(name, []).append(result)
    return systems


def _grouped(systems: Mapping[str, Sequence[Result]], metric: str) -> dict[str, _Rows]:
    """Results by clean set, system and ratio, of sets that have noisy copies."""
    found: dict[str, dict[str, dict[float | None, list[Result]]]] = {}
    for system, results in systems.items():
        for result in results:
            if result.metric == metric:
                clean, snr = condition_of(str(result.scored.get("set") or ""))
                rows = found.setdefault(clean, {})
                rows.setdefault(system, {}).setdefault(snr, []).append(result)
    noisy = {name: rows for name, rows in found.items() if _ratios(rows)}
    return {
        name: {
            system: {snr: _once(system, runs) for snr, runs in row.items()}
            for system, row in rows.items()
        }
        for name, rows in noisy.items()
    }


def _ratios(rows: _Rows) -> list[float]:
    """All ratios, the least noise first."""
    return sorted({snr for row in rows.values() for snr in row if snr is not None}, reverse=True)


def _table(rows: _Rows) -> list[list[str]]:
    ratios = _ratios(rows)
    header = ["system", "clean", *(f"{snr:g} dB" for snr in ratios)]
    columns = (None, *ratios)
    return [
        header,
        *([name, *(_cell(row.get(snr, ())) for snr in columns)] for name, row in rows.items()),
    ]


def _once(system: str, results: Sequence[Result]) -> list[Result]:
    """Results of one condition, one an experiment, though a file was read twice."""
    kept: dict[str, Result] = {}
    for result in results:
        exp = str(result.scored.get("exp"))
        first = kept.setdefault(exp, result)
        if first.value != result.value:
            raise DataError(
                f"{system}: expected one {result.metric} of {exp} on {result.scored['set']}, found "
                f"{first.value:g} and {result.value:g}: name the results of one decoding",
                "score",
            )
    return list(kept.values())


def _percents(runs: Sequence[Result]) -> list[float]:
    return [100 * run.value for run in runs]


def _cell(runs: Sequence[Result]) -> str:
    if not runs:
        return NOT_RUN
    values = _percents(runs)
    if len(values) > 1:
        return f"{statistics.fmean(values):.1f}±{statistics.stdev(values):.1f}"
    if runs[0].interval is None:
        return f"{values[0]:.1f}"
    low, high = (100 * end for end in runs[0].interval)
    return f"{values[0]:.1f} [{low:.1f}, {high:.1f}]"
