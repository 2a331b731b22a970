"""Speech made of units: tables of vocoders, of codecs beside them, and of converted voices.

A result belongs here if what was scored names its kind of ``speech``.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from codec_ssl.report.codec_metrics import METRICS, Metric
from codec_ssl.report.provenance import provenance
from codec_ssl.report.render import NOT_RUN, render
from codec_ssl.report.results import Result, ResultFile

SPEECH = "speech"
RESYNTHESIS, TIMED = "resynthesis", "predicted_durations"
# What the recordings themselves are called, where they stand beside systems.
ORIGINAL = "original"
CONVERSION, SOURCE = "conversion", "conversion_source"
KINDS = (RESYNTHESIS, TIMED, CONVERSION, SOURCE)
# A conversion is compared with the target's voice and, in a column of its own, with the source's.
_TITLES = {
    RESYNTHESIS: "Resynthesis",
    TIMED: "Resynthesis with predicted durations",
    CONVERSION: "Voice conversion",
}
_SIMILARITY = "speaker_similarity"
_PITCH = ("vde", "gpe", "ffe", "f0_correlation")
_NOTES = {
    RESYNTHESIS: "kbps are those of the units: codes of F0 and the speaker come on top",
    TIMED: "de-duplicated units; the speech is as long as the vocoder says, so that it is compared "
    "with the recording by what needs no common time",
    CONVERSION: "similarity to a recording of the target speaker, and to the source's; original: "
    "the recordings as they are",
}


class _Column(NamedTuple):
    """A metric of a kind of speech, with its heading."""

    kind: str
    metric: Metric
    heading: str


def is_vocoder(result: Result) -> bool:
    """Whether a result is of speech that a vocoder made, or of what stands beside it."""
    return result.scored.get(SPEECH) is not None


def is_file(file: ResultFile) -> bool:
    """Whether all of a file's results are."""
    return bool(file.results) and all(map(is_vocoder, file.results))


def sections(files: Sequence[ResultFile]) -> list[str]:
    """What a report says of vocoders, in Markdown: a table for each set and kind of speech.

    How the first of its rows was made comes last.

    Args:
        files: Results of ``evaluate_codec --speech``; others are passed over.
    """
    files = [file for file in files if is_file(file)]
    parts = []
    for name in dict.fromkeys(str(file.results[0].scored["set"]) for file in files):
        of_set = [file for file in files if file.results[0].scored["set"] == name]
        for kind, title in _TITLES.items():
            reasons = _dashes([f for f in of_set if f.results[0].scored[SPEECH] == kind])
            results = [result for file in of_set for result in file.results]
            rows = table(results, kind, {note.partition(":")[0] for note in reasons})
            if rows:
                notes = [_NOTES[kind], *_trackers(results, kind), *reasons]
                parts.append(f"## {title}: {name}")
                parts.append(render(rows[0], rows[1:], "markdown", notes=notes))
    return [*parts, "The first of them:", provenance(files[0])] if parts else []


def table(results: Sequence[Result], kind: str, missing: Collection[str] = ()) -> list[list[str]]:
    """Header and a row a system: recordings, vocoders, codecs; empty where there are none.

    Args:
        results: Of one set.
        kind: ``resynthesis``, ``predicted_durations`` or ``conversion``.
        missing: Metrics that were asked for and that no system may have.
    """
    kinds = (CONVERSION, SOURCE) if kind == CONVERSION else (kind,)
    found: dict[str, dict[tuple[str, str], Result]] = {}
    for result in results:
        if result.scored[SPEECH] in kinds and result.metric in METRICS:
            cells = found.setdefault(str(result.scored["codec"]), {})
            cells[result.scored[SPEECH], result.metric] = result
    if not found:
        return []
    columns = [
        _Column(each, metric, _heading(kind, each, metric))
        for metric in METRICS.values()
        for each in kinds
        if any((each, metric.name) in cells for cells in found.values())
        or (each == kind and metric.name in missing)
    ]
    header = ["system", "units", "kbps", *(column.heading for column in columns)]
    names = sorted(found, key=lambda name: _place(name, found[name]))
    return [header, *(_row(name, found[name], columns) for name in names)]


def _place(name: str, cells: Mapping[tuple[str, str], Result]) -> int:
    """Recordings come first, what no training made last; in these, systems stay as they come."""
    told = next(iter(cells.values())).scored
    return 0 if name == ORIGINAL else 1 if told.get("config") else 2


def _row(
    name: str, cells: Mapping[tuple[str, str], Result], columns: Sequence[_Column]
) -> list[str]:
    told = next(iter(cells.values())).scored
    row = [name, _units(told), _kbps(told)]
    for column in columns:
        result = cells.get((column.kind, column.metric.name))
        row.append(NOT_RUN if result is None else _cell(column.metric, result))
    return row


def _cell(metric: Metric, result: Result) -> str:
    if result.interval is None:
        return metric.show(result.value)
    low, high = (metric.show(end) for end in result.interval)
    return f"{metric.show(result.value)} [{low}, {high}]"


def _heading(kind: str, of: str, metric: Metric) -> str:
    if kind != CONVERSION or metric.name != _SIMILARITY:
        return metric.heading
    return "similarity to target ↑" if of == CONVERSION else "to source ↓"


def _units(told: Mapping[str, Any]) -> str:
    """What the units are: features, and entries of each codebook."""
    parts = [str(told[key]) for key in ("features", "sizes") if told.get(key)]
    return ", ".join(parts) or NOT_RUN


def _kbps(told: Mapping[str, Any]) -> str:
    return NOT_RUN if told.get("kbps") is None else f"{told['kbps']:.3g}"


def _trackers(results: Sequence[Result], kind: str) -> list[str]:
    """What found the pitch, as it decides what counts as voiced."""
    told = [r.scored for r in results if r.metric in _PITCH and r.scored[SPEECH] == kind]
    makers = dict.fromkeys(str(each["maker"]) for each in told if each.get("maker"))
    return [f"F0 is found by {', '.join(makers)}"] if makers else []


def _dashes(files: Sequence[ResultFile]) -> list[str]:
    """Why measures have no value, each reason once."""
    notes = (note for file in files for note in file.notes if ": not scored: " in note)
    return list(dict.fromkeys(notes))
