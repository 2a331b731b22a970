"""Pictures of a report, as PNG files, without a display."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from codec_ssl.report.layers import Curve

# Readable with colour-blind eyes (Okabe and Ito's palette).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

_JUDGED_BY = re.compile(r"loss|acc.*|.*perplexity|.*usage|optim\d+_lr\d+|.*_per_sec")

# ``{run: [{"epoch": n, "train": {name: value}, "valid": {name: value}}, ...]}``
type Histories = Mapping[str, Sequence[Mapping[str, Any]]]


def by_layer(
    curves: Sequence[Curve], title: str, path: str | Path, chance: float | None = None
) -> None:
    """Draw a metric by layer; a system with a single layer is a level line.

    Args:
        curves: One curve a system, values as fractions.
        title: Name of the metric.
        path: PNG file to write.
        chance: Accuracy without looking at the features, drawn dotted.
    """
    picture, axes = figure(1)
    last = max(curve.points[-1].layer for curve in curves)
    for number, curve in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        if len(curve.points) == 1:
            value = 100 * curve.points[0].value
            label = f"{curve.system} (layer {curve.points[0].layer})"
            axes[0].axhline(value, color=colour, linestyle="--", label=label)
        else:
            _draw_curve(axes[0], curve, colour)
    if chance is not None:
        axes[0].axhline(100 * chance, color="grey", linestyle=":", label="most frequent class")
    axes[0].set(xlabel="layer (0 = input to the first)", ylabel="%", title=title)
    axes[0].set_xticks(range(last + 1))
    axes[0].legend(fontsize="small")
    save(picture, path)


def figures_of(history: Sequence[Mapping[str, Any]]) -> set[str]:
    """Names of the figures in a training history worth a curve: all but durations."""
    return {
        name
        for record in history
        for part in ("train", "valid")
        for name, value in record.get(part, {}).items()
        if isinstance(value, int | float) and not name.endswith("_time")
    }


def telling_figures(histories: Histories) -> list[str]:
    """Names of the figures that say something, the loss first.

    One with the same value at every epoch of every run says nothing (a loss that is switched off,
    a scale that is not in use), nor does one that is always zero. Those by which a training is
    judged say something even then.
    """
    names = set().union(*map(figures_of, histories.values()))
    telling = [name for name in names if _JUDGED_BY.fullmatch(name) or _varies(histories, name)]
    return sorted(telling, key=lambda name: (name != "loss", name))


def _varies(histories: Histories, name: str) -> bool:
    values = [
        record[part][name]
        for history in histories.values()
        for record in history
        for part in ("train", "valid")
        if record.get(part, {}).get(name) is not None
    ]
    # A single value might vary, if it is not zero: a run of one epoch has no curve yet.
    return any(values) and (len(values) == 1 or len(set(values)) > 1)


def training_curves(histories: Histories, path: str | Path) -> None:
    """Draw the figures of the training histories that say something, by epoch, a panel each.

    Args:
        histories: Runs, with one figure to draw at least, see ``telling_figures``.
        path: PNG file to write.
    """
    names = telling_figures(histories)
    picture, axes = figure(len(names))
    for name, panel in zip(names, axes, strict=False):
        for number, (run, history) in enumerate(histories.items()):
            colour = COLOURS[number % len(COLOURS)]
            for part, line in (("train", "-"), ("valid", "--")):
                points = [
                    (record["epoch"], record[part][name])
                    for record in history
                    if record.get(part, {}).get(name) is not None
                ]
                if points:
                    label = f"{run} {part}"
                    marker = "o" if len(points) == 1 else None
                    panel.plot(
                        *zip(*points, strict=True), line, c=colour, label=label, marker=marker
                    )
        panel.set(xlabel="epoch", title=name)
    axes[0].legend(fontsize="x-small")
    save(picture, path)


def code_usage(histogram: Sequence[Sequence[int]], title: str, path: str | Path) -> None:
    """Draw how often each code of each codebook occurs, most frequent first, on log axes.

    Args:
        histogram: Counts, one list a codebook.
        title: What was counted.
        path: PNG file to write.
    """
    picture, axes = figure(1)
    shades = np.linspace(0.15, 0.85, len(histogram))
    for number, (counts, shade) in enumerate(zip(histogram, shades, strict=True)):
        shares = np.sort(np.asarray(counts, dtype=np.float64))[::-1]
        shares = shares[shares > 0] / max(shares.sum(), 1)
        ranks = np.arange(1, len(shares) + 1)
        colour = (0.0, 0.45 * (1 - shade) + 0.3, float(shade))
        axes[0].loglog(ranks, shares, color=colour, label=f"codebook {number + 1}")
    axes[0].set(xlabel="rank of the code", ylabel="share of frames", title=title)
    if len(histogram) <= 16:
        axes[0].legend(fontsize="x-small", ncols=2)
    save(picture, path)


def layer_weights(weights: Mapping[str, Sequence[float]], title: str, path: str | Path) -> None:
    """Draw what each layer weighs in a learnt sum.

    Args:
        weights: Shares of layers 0 to the last by system.
        title: Of the picture.
        path: PNG file to write.
    """
    picture, axes = figure(1)
    for number, (system, shares) in enumerate(weights.items()):
        colour = COLOURS[number % len(COLOURS)]
        axes[0].plot(shares, color=colour, marker="o", markersize=3, label=system)
    axes[0].set(xlabel="layer (0 = input to the first)", ylabel="weight", title=title)
    axes[0].set_xticks(range(max(map(len, weights.values()))))
    axes[0].set_ylim(bottom=0)
    axes[0].legend(fontsize="small")
    save(picture, path)


def _draw_curve(axes: Axes, curve: Curve, colour: str) -> None:
    layers = [point.layer for point in curve.points]
    line = "-" if curve.role == "model" else "--"
    values = [100 * point.value for point in curve.points]
    axes.plot(layers, values, line, color=colour, marker="o", markersize=3, label=curve.system)
    if all(point.interval is not None for point in curve.points):
        low, high = (
            [100 * point.interval[end] for point in curve.points if point.interval]
            for end in (0, 1)
        )
        axes.fill_between(layers, low, high, color=colour, alpha=0.15, linewidth=0)


def figure(panels: int) -> tuple[Figure, list[Axes]]:
    """Make a figure with at least ``panels`` axes, three to a row, unused ones hidden."""
    columns = min(panels, 3)
    rows = -(-panels // columns)
    size = (7.0, 4.5) if panels == 1 else (4.2 * columns, 3.2 * rows)
    made = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(made)
    axes = list(np.ravel(made.subplots(rows, columns)))
    for panel in axes[panels:]:
        panel.set_axis_off()
    return made, axes


def save(picture: Figure, path: str | Path) -> None:
    """Write a figure as PNG."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, format="png", dpi=120)
