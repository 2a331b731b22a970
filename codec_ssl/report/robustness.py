"""Error rates by the noise's level: rows systems, columns clean and the ratios of speech to noise.

A noisy set is recognised by its name, that of the clean set and its ratio in dB: ``test_snr5``;
a minus may have become an underscore, as ``score_asr`` writes names of sets.
"""

import re
import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from codec_ssl.errors import DataError
from codec_ssl.report.render import NOT_RUN
from codec_ssl.report.results import Result

METRICS = ("wer", "cer")
NOTE = "in brackets 95 % intervals (utterances resampled); ± is the deviation between runs"
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
    found: dict[str, dict[str, dict[float | None, list[Result]]]] = {}
    for system, results in systems.items():
        for result in results:
            if result.metric == metric:
                clean, snr = condition_of(str(result.scored.get("set") or ""))
                rows = found.setdefault(clean, {})
                rows.setdefault(system, {}).setdefault(snr, []).append(result)
    return {name: _table(rows) for name, rows in found.items() if _ratios(rows)}


def systems_of(results: Sequence[Result]) -> dict[str, list[Result]]:
    """Results by the name of the experiment that was scored, as they come."""
    systems: dict[str, list[Result]] = {}
    for result in results:
        if result.metric in METRICS:
            name = str(result.scored.get("exp") or "").rstrip("/").rpartition("/")[2]
            systems.setdefault(name, []).append(result)
    return systems


def _ratios(rows: Mapping[str, Mapping[float | None, Sequence[Result]]]) -> list[float]:
    """All ratios, the least noise first."""
    return sorted({snr for row in rows.values() for snr in row if snr is not None}, reverse=True)


def _table(rows: Mapping[str, Mapping[float | None, Sequence[Result]]]) -> list[list[str]]:
    ratios = _ratios(rows)
    header = ["system", "clean", *(f"{snr:g} dB" for snr in ratios)]
    columns = (None, *ratios)
    return [
        header,
        *(
            [name, *(_cell(_once(name, row[snr])) if snr in row else NOT_RUN for snr in columns)]
            for name, row in rows.items()
        ),
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


def _cell(runs: Sequence[Result]) -> str:
    values = [100 * run.value for run in runs]
    if len(values) > 1:
        return f"{statistics.fmean(values):.1f}±{statistics.stdev(values):.1f}"
    if runs[0].interval is None:
        return f"{values[0]:.1f}"
    low, high = (100 * end for end in runs[0].interval)
    return f"{values[0]:.1f} [{low:.1f}, {high:.1f}]"
