"""Order results for a reader: by metric, system and layer, with runs of one system put together."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from codec_ssl.report.results import Result


@dataclass(frozen=True)
class Point:
    """One system at one layer on one metric.

    Attributes:
        layer: Layer number.
        value: Mean over runs.
        deviation: Standard deviation over runs; 0 for one run.
        interval: 95 % interval: of the single run, else from the lowest to the highest end.
        num_runs: Number of runs (seeds).
    """

    layer: int
    value: float
    deviation: float
    interval: tuple[float, float] | None
    num_runs: int


@dataclass(frozen=True)
class Curve:
    """One system on one metric, by layer."""

    system: str
    role: str
    points: list[Point]

    @property
    def best(self) -> Point:
        """The layer with the highest value; the lowest such layer on a tie."""
        return max(self.points, key=lambda point: (point.value, -point.layer))


def metrics_of(results: Sequence[Result]) -> list[str]:
    """Metrics that were measured by layer, accuracies first, otherwise as they come."""
    names = dict.fromkeys(result.metric for result in results if "layer" in result.scored)
    return sorted(names, key=lambda name: not name.endswith("_accuracy"))


def curves(results: Sequence[Result], metric: str) -> list[Curve]:
    """Curves of one metric, systems as they come, layers ascending."""
    groups: dict[tuple[str, str], dict[int, list[Result]]] = {}
    for result in results:
        if result.metric == metric and "layer" in result.scored:
            key = (result.scored["system"], result.scored.get("role", "model"))
            groups.setdefault(key, {}).setdefault(result.scored["layer"], []).append(result)
    return [
        Curve(system, role, [_point(layer, runs) for layer, runs in sorted(layers.items())])
        for (system, role), layers in groups.items()
    ]


def majority(results: Sequence[Result], metric: str) -> float | None:
    """Accuracy of always answering the most frequent class, if the results tell it."""
    found = [
        result.scored["majority"]
        for result in results
        if result.metric == metric and "majority" in result.scored
    ]
    return found[0] if found else None


def _point(layer: int, runs: Sequence[Result]) -> Point:
    values = [run.value for run in runs]
    intervals = [run.interval for run in runs if run.interval is not None]
    whole = None
    if len(intervals) == len(runs):
        whole = (min(low for low, _ in intervals), max(high for _, high in intervals))
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return Point(layer, statistics.fmean(values), deviation, whole, len(values))
