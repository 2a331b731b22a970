"""Results by tokenizer: a table, and what figure 3 of RepCodec (arXiv 2309.00169) draws.

A result belongs here if what was scored names a ``tokenizer``. ``repcodec@5`` is the tokenizer
``repcodec`` as it was after epoch 5 of its training: a point of that one's curve.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codec_ssl.report.render import NOT_RUN
from codec_ssl.report.results import Result

TOKENIZER = "tokenizer"
_SYSTEM = ("features", TOKENIZER, "sizes")


@dataclass(frozen=True)
class System:
    """One tokenizer on one kind of features, scored on one set.

    Attributes:
        scored_on: Data dir, and for recognition its objective.
        features: Encoder and layer.
        tokenizer: Its name without the epoch.
        sizes: Entries of each codebook, such as ``1024x1024``.
        epoch: Epoch of the training, where the tokenizer is not its last state.
        values: By metric, the mean over runs; fractions as such.
        units: By metric.
    """

    scored_on: str
    features: str
    tokenizer: str
    sizes: str
    epoch: int | None
    values: Mapping[str, float]
    units: Mapping[str, str]

    @property
    def name(self) -> str:
        """Tokenizer, with its epoch if it has one."""
        return self.tokenizer if self.epoch is None else f"{self.tokenizer}@{self.epoch}"


def systems(results: Sequence[Result]) -> list[System]:
    """Put the results of each system together, systems and metrics as they come."""
    found: dict[tuple[str, ...], dict[str, list[Result]]] = {}
    for result in results:
        if names_tokenizer(result):
            key = (_scored_on(result), *(str(result.scored.get(name) or "") for name in _SYSTEM))
            found.setdefault(key, {}).setdefault(_measure(result), []).append(result)
    return [_system(key, metrics) for key, metrics in found.items()]


def names_tokenizer(result: Result) -> bool:
    """Whether a result is a tokenizer's."""
    return result.scored.get(TOKENIZER) is not None


def _measure(result: Result) -> str:
    """The metric; of a part, such as one language, with the part's name."""
    metric, by, label = result.metric.rpartition("_by_")
    return f"{metric} {result.scored.get(label)}" if by else result.metric


def _scored_on(result: Result) -> str:
    parts = [result.scored.get(name) for name in ("set", "objective")]
    return " ".join(str(part) for part in parts if part)


def _system(key: tuple[str, ...], metrics: Mapping[str, Sequence[Result]]) -> System:
    scored_on, features, tokenizer, sizes = key
    name, at, epoch = tokenizer.rpartition("@")
    is_curve = bool(at) and epoch.isdigit()
    return System(
        scored_on,
        features,
        name if is_curve else tokenizer,
        sizes,
        int(epoch) if is_curve else None,
        {m: statistics.fmean(r.value for r in runs) for m, runs in metrics.items()},
        {m: runs[0].unit for m, runs in metrics.items()},
    )


def tables(results: Sequence[Result]) -> dict[str, list[list[str]]]:
    """Rows of text by what was scored on: a column a tokenizer, a row a measure.

    The heading comes first; fractions are in percent.
    """
    found: dict[str, list[System]] = {}
    for system in systems(results):
        found.setdefault(system.scored_on, []).append(system)
    return {name: _rows(group) for name, group in found.items()}


def _rows(group: Sequence[System]) -> list[list[str]]:
    units = {metric: unit for system in group for metric, unit in system.units.items()}
    rows = [
        ["", *(system.name for system in group)],
        ["features", *(system.features for system in group)],
        ["codebooks", *(system.sizes for system in group)],
    ]
    for metric, unit in units.items():
        values = [_cell(system.values.get(metric), unit) for system in group]
        rows.append([_heading(metric, unit), *values])
    return rows


def _heading(metric: str, unit: str) -> str:
    words = metric.replace("_", " ")
    shown = {"fraction": "%", "ratio": "", "count": ""}.get(unit, unit)
    return f"{words}, {shown}" if shown else words


def _cell(value: float | None, unit: str) -> str:
    if value is None:
        return NOT_RUN
    return f"{100 * value:.1f}" if unit == "fraction" else f"{value:.4g}"
