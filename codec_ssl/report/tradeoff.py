"""Figure 3 of RepCodec (arXiv 2309.00169): likeness to phones against what tokens keep.

Left, the tokens of one training as it goes on; right, the tokenizers beside one another. The word
error rate is drawn where recognition was scored on the same tokens.
"""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from codec_ssl.report.plots import COLOURS, figure, save
from codec_ssl.report.results import Result
from codec_ssl.report.tokenizers import System, systems

ERROR, LIKENESS, WER = "reconstruction_loss", "pnmi_1", "wer"
_LABELS = {ERROR: "reconstruction loss", LIKENESS: "PNMI", WER: "word error rate, %"}


def draw(results: Sequence[Result], path: str | Path) -> bool:
    """Draw what there is.

    Args:
        results: Of ``evaluate_tokens``, and if there are of recognition, on any sets.
        path: PNG file to write.

    Returns:
        Whether there was something: a tokenizer with both PNMI and reconstruction loss.
    """
    found = _joined(systems(results))
    curves: dict[tuple[str, str, str], list[System]] = {}
    for system in found:
        if system.epoch is not None:
            key = (system.features, system.tokenizer, system.sizes)
            curves.setdefault(key, []).append(system)
    lines = {key: sorted(line, key=_epoch) for key, line in curves.items() if len(line) > 1}
    points = [system for system in found if system.epoch is None]
    pairs = [
        pair for pair in ((ERROR, WER), (LIKENESS, WER), (ERROR, LIKENESS)) if _has(points, pair)
    ]
    if not lines and not pairs:
        return False
    picture, axes = figure(len(lines) + len(pairs))
    for panel, ((features, tokenizer, _), line) in zip(axes, lines.items(), strict=False):
        _draw_line(panel, line)
        panel.set_title(f"{tokenizer} of {features}")
    for panel, pair in zip(axes[len(lines) :], pairs, strict=False):
        _draw_points(panel, points, *pair)
    save(picture, path)
    return True


def _joined(found: Sequence[System]) -> list[System]:
    """One system a tokenizer, the first value of each metric winning, whatever it was scored on."""
    together: dict[tuple, System] = {}
    for system in found:
        key = (system.features, system.tokenizer, system.sizes, system.epoch)
        if key not in together:
            together[key] = system
            continue
        first = together[key]
        values, units = {**system.values, **first.values}, {**system.units, **first.units}
        together[key] = System(first.scored_on, *key, values=values, units=units)
    return [each for each in together.values() if ERROR in each.values and LIKENESS in each.values]


def _has(points: Sequence[System], pair: tuple[str, str]) -> bool:
    return sum(all(metric in point.values for metric in pair) for point in points) > 1


def _epoch(system: System) -> int:
    return system.epoch or 0


def _value(system: System, metric: str) -> float:
    return system.values[metric] * (100 if metric == WER else 1)


def _draw_line(panel: Axes, line: Sequence[System]) -> None:
    """PNMI and reconstruction loss by epoch, and the word error rate on an axis of its own."""
    drawn = []
    for metric, colour in zip((ERROR, LIKENESS, WER), COLOURS, strict=False):
        known = [system for system in line if metric in system.values]
        if not known:
            continue
        axes = panel.twinx() if metric == WER else panel
        values = [_value(system, metric) for system in known]
        drawn += axes.plot(
            list(map(_epoch, known)),
            values,
            color=colour,
            marker="o",
            markersize=3,
            label=_LABELS[metric],
        )
        if metric == WER:
            axes.set_ylabel(_LABELS[WER])
    panel.set(xlabel="epoch", ylim=(0, None))
    panel.legend(handles=drawn, fontsize="small")


def _draw_points(panel: Axes, points: Sequence[System], across: str, up: str) -> None:
    shown = [point for point in points if across in point.values and up in point.values]
    kinds = list(dict.fromkeys(point.tokenizer for point in shown))
    for kind, colour in zip(kinds, COLOURS * len(kinds), strict=False):
        of_kind = [point for point in shown if point.tokenizer == kind]
        x, y = ([_value(point, metric) for point in of_kind] for metric in (across, up))
        panel.scatter(x, y, color=colour, label=kind)
    panel.set(xlabel=_LABELS[across], ylabel=_LABELS[up])
    panel.legend(fontsize="small")
