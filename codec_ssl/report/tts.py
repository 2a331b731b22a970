"""Synthesis beside its reference: the table, and pictures of durations and pitch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from codec_ssl.report.plots import COLOURS, figure, save
from codec_ssl.report.results import Result

ACCURACY, BY_STREAM = "code_accuracy", "code_accuracy_by_stream"
# Metric, heading, factor and decimals.
_COLUMNS = (
    (ACCURACY, "codes, %", 100, 1),
    ("mel_l1", "mel L1", 1, 3),
    ("duration_error", "duration error, ms", 1, 1),
    ("length_ratio", "length ratio", 1, 3),
    ("pitch_correlation", "F0 correlation", 1, 3),
    ("pitch_error", "F0 error, cents", 1, 0),
)
METRICS = (BY_STREAM, *(column[0] for column in _COLUMNS))


class Contour(NamedTuple):
    """Pitch of an utterance.

    Attributes:
        title: The utterance.
        seconds: Centre of each frame ``(T,)``.
        f0: Of each frame in Hz ``(T,)``, 0 where unvoiced.
        borders: Start of each phone and the end, in seconds ``(P + 1,)``.
        reference: Of each phone in Hz ``(P,)``.
        predicted: Of each phone in Hz ``(P,)``.
    """

    title: str
    seconds: np.ndarray
    f0: np.ndarray
    borders: np.ndarray
    reference: np.ndarray
    predicted: np.ndarray


def table(results: Sequence[Result]) -> list[list[str]]:
    """Header and a row for each set; empty where the results are of something else."""
    sets: dict[str, dict[str, Result]] = {}
    streams: dict[str, dict[int, float]] = {}
    for result in results:
        if result.metric == BY_STREAM:
            row = streams.setdefault(result.scored["set"], {})
            row[result.scored["stream"]] = result.value
        elif result.metric in METRICS:
            sets.setdefault(result.scored["set"], {})[result.metric] = result
    if not sets:
        return []
    columns = [each for each in _COLUMNS if any(each[0] in found for found in sets.values())]
    numbers = sorted({number for row in streams.values() for number in row})
    header = ["set", *(column[1] for column in columns), *(f"stream {n}" for n in numbers)]
    return [header, *(_row(name, found, columns, streams, numbers) for name, found in sets.items())]


def _row(
    name: str,
    found: Mapping[str, Result],
    columns: Sequence[tuple[str, str, int, int]],
    streams: Mapping[str, Mapping[int, float]],
    numbers: Sequence[int],
) -> list[str]:
    cells = [name]
    for metric, _, factor, places in columns:
        result = found.get(metric)
        cells.append("–" if result is None else _cell(result, factor, places))
    by_stream = streams.get(name, {})
    return [*cells, *(f"{100 * by_stream[n]:.1f}" if n in by_stream else "–" for n in numbers)]


def _cell(result: Result, factor: int, places: int) -> str:
    value = f"{factor * result.value:.{places}f}"
    if result.interval is None:
        return value
    low, high = (f"{factor * end:.{places}f}" for end in result.interval)
    return f"{value} [{low}, {high}]"


def draw_durations(
    reference: np.ndarray, predicted: np.ndarray, is_pause: np.ndarray, path: str | Path
) -> None:
    """Draw predicted against reference durations.

    Args:
        reference: Milliseconds of all phones ``(n,)``.
        predicted: Likewise.
        is_pause: Which are pauses ``(n,)`` bool.
        path: PNG file to write.
    """
    picture, axes = figure(2)
    for panel, chosen, title in (
        (axes[0], ~is_pause, "phones"),
        (axes[1], is_pause, "pauses"),
    ):
        panel.scatter(reference[chosen], predicted[chosen], s=6, alpha=0.3, color=COLOURS[0])
        longest = max(reference[chosen].max(initial=0), predicted[chosen].max(initial=0), 1.0)
        panel.plot([0, longest], [0, longest], color="grey", linewidth=0.8)
        panel.set(xlabel="reference, ms", ylabel="predicted, ms", title=title)
    save(picture, path)


def draw_pitch(contours: Sequence[Contour], path: str | Path) -> None:
    """Draw reference and predicted pitch of some utterances, on the reference's time.

    Args:
        contours: The utterances, one at least.
        path: PNG file to write.
    """
    picture, axes = figure(len(contours))
    for panel, contour in zip(axes, contours, strict=False):
        voiced = contour.f0 > 0
        panel.plot(
            contour.seconds[voiced], contour.f0[voiced], ".", color="grey", label="reference"
        )
        for values, colour, label in (
            (contour.reference, COLOURS[0], "its phones"),
            (contour.predicted, COLOURS[1], "predicted"),
        ):
            panel.stairs(values, contour.borders, baseline=None, color=colour, label=label)
        panel.set(xlabel="s", ylabel="Hz", title=contour.title)
    axes[0].legend(fontsize="x-small")
    save(picture, path)
