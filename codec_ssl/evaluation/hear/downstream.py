"""HEAR's protocol for a task: choose hyperparameters on the first split, score every split.

Or a linear reader in place of HEAR's networks, for sets too small for those.

Letters: U sounds, C classes.
"""

import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import torch

from codec_ssl.errors import ConfigError
from codec_ssl.evaluation.bootstrap import statistic_interval
from codec_ssl.evaluation.hear.mlp import (
    GridPoint,
    Init,
    Material,
    Schedule,
    Trained,
    predict,
    train,
)
from codec_ssl.evaluation.hear.scores import METRICS, Statistic, score
from codec_ssl.evaluation.hear.tasks import HearTask, Labelled, Split, splits_of
from codec_ssl.evaluation.linear import fit_probe

type Head = Literal["networks", "linear"]
HEADS: tuple[Head, ...] = ("networks", "linear")
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Grid:
    """Values of each hyperparameter; HEAR's by default.

    Attributes:
        hidden_layers: Numbers of hidden layers.
        hidden_dim: Their widths.
        dropout: Rates.
        lr: Learning rates.
        init: How weights are drawn.
        points: How many of all combinations are tried, drawn at random.
    """

    hidden_layers: Sequence[int] = (1, 2)
    hidden_dim: Sequence[int] = (1024,)
    dropout: Sequence[float] = (0.1,)
    lr: Sequence[float] = (3.2e-3, 1e-3, 3.2e-4, 1e-4)
    init: Sequence[Init] = ("xavier_uniform", "xavier_normal")
    points: int = 8

    def draw(self, seed: int) -> list[GridPoint]:
        """Points in random order, no more than there are."""
        values = (self.hidden_layers, self.hidden_dim, self.dropout, self.lr, self.init)
        every = [GridPoint(*each) for each in itertools.product(*values)]
        order = np.random.default_rng(seed).permutation(len(every))
        return [every[place] for place in order[: self.points]]


@dataclass(frozen=True)
class Protocol:
    """How a task is done.

    Attributes:
        head: ``networks``, HEAR's; or ``linear``, logistic regression on standardised embeddings,
            whose L2 strength each split's valid set chooses, fitted then to train and valid set.
            That one has nothing at random.
        grid: Hyperparameters.
        schedule: How long is trained.
        seeds: The whole protocol is done with each; scores are means over them.
        num_resamples: Bootstrap draws of the intervals.

    Raises:
        ConfigError: There is no such head, or seeds are given that it has no use for.
    """

    grid: Grid = field(default_factory=Grid)
    schedule: Schedule = field(default_factory=Schedule)
    seeds: Sequence[int] = (0,)
    num_resamples: int = 1000
    head: Head = "networks"

    def __post_init__(self) -> None:
        if self.head not in HEADS:
            raise ConfigError(f"head is one of {HEADS}, not {self.head!r}")
        if self.head == "linear" and len(self.seeds) > 1:
            raise ConfigError(f"head linear: expected one seed, found {list(self.seeds)}")


@dataclass(frozen=True)
class Outcome:
    """Scores of a task.

    Attributes:
        scores: Of each metric: mean over splits and seeds.
        intervals: 95 % interval of each; sounds are drawn within their test sets.
        by_split: Of each metric, by test set: mean over seeds.
        by_seed: Of each metric, by seed: mean over splits.
        chosen: Hyperparameters with each seed, or the strength of each split.
        valid_score: First metric on the first split's valid set, of what was chosen: mean over
            seeds. What layer or checkpoint to take may be chosen by it, never by the scores.
        num_train: Sounds trained on, in the first split.
        num_test: Sounds scored, in all splits.
        majority: Accuracy of always answering the most frequent class of the train set; None where
            sounds have any number of labels.
    """

    scores: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    by_split: dict[str, dict[str, float]]
    by_seed: dict[str, list[float]]
    chosen: list[dict[str, Any]]
    valid_score: float
    num_train: int
    num_test: int
    majority: float | None


def run(
    task: HearTask,
    sets: Mapping[str, Labelled],
    classes: Sequence[str],
    protocol: Protocol,
    device: str | torch.device = "cpu",
) -> Outcome:
    """Do a task.

    Args:
        task: The task.
        sets: Its sets, by name; see ``splits_of``.
        classes: Names of the classes (C).
        protocol: How.
        device: Where to train.

    Raises:
        ConfigError: If the sets are not those of a task, or sounds have any number of labels and
            the head is linear.
    """
    splits = splits_of(list(sets))
    if protocol.head == "linear":
        chosen, score_of_first, logits = _linear(task, sets, splits, classes)
        valid_scores, predicted = [score_of_first], [logits]
    else:
        done = [
            _with_seed(task, sets, splits, classes, protocol, seed, torch.device(device))
            for seed in protocol.seeds
        ]
        chosen = [asdict(point) for point, _, _ in done]
        valid_scores, predicted = [found for _, found, _ in done], [each for _, _, each in done]
    tests = [sets[split.test] for split in splits]
    tables, intervals = {}, {}
    for metric in task.metrics:
        made = _statistics(metric, predicted, tests, classes)
        tables[metric], intervals[metric] = _scored(made, tests, protocol.num_resamples)
    names = [split.test for split in splits]
    return Outcome(
        scores={metric: float(table.mean()) for metric, table in tables.items()},
        intervals=intervals,
        by_split={m: dict(zip(names, t.mean(0).tolist(), strict=True)) for m, t in tables.items()},
        by_seed={metric: table.mean(1).tolist() for metric, table in tables.items()},
        chosen=chosen,
        valid_score=float(np.mean(valid_scores)),
        num_train=sum(len(sets[name].utt_ids) for name in splits[0].train),
        num_test=sum(len(test.utt_ids) for test in tests),
        majority=_majority(sets, splits),
    )


def _statistics(
    metric: str,
    predicted: Sequence[Sequence[np.ndarray]],
    tests: Sequence[Labelled],
    classes: Sequence[str],
) -> list[list[Statistic]]:
    """Of each seed and split."""
    make = METRICS[metric].statistic
    return [
        [make(each, test.targets, classes) for each, test in zip(logits, tests, strict=True)]
        for logits in predicted
    ]


def _scored(
    made: Sequence[Sequence[Statistic]], tests: Sequence[Labelled], num_resamples: int
) -> tuple[np.ndarray, tuple[float, float]]:
    """Plain scores (seeds, splits), and the interval of their mean."""
    sizes = [len(test.utt_ids) for test in tests]
    table = np.array(
        [[float(f(np.ones((1, n)))[0]) for f, n in zip(row, sizes, strict=True)] for row in made]
    )
    return table, statistic_interval(_mean_over(made, sizes), sizes, num_resamples=num_resamples)


def _with_seed(
    task: HearTask,
    sets: Mapping[str, Labelled],
    splits: Sequence[Split],
    classes: Sequence[str],
    protocol: Protocol,
    seed: int,
    device: torch.device,
) -> tuple[GridPoint, float, list[np.ndarray]]:
    """The point that is best on the first split's valid set, its score there, and logits (U, C) of
    each split's test set."""

    def trained(split: Split, point: GridPoint) -> tuple[Trained, Material]:
        materials = _materials(split, sets, device)
        targets = sets[split.valid].targets
        fitted = train(
            materials["train"],
            materials["valid"],
            len(classes),
            point,
            protocol.schedule,
            lambda logits: score(task.metrics[0], logits, targets, classes),
            seed,
        )
        return fitted, materials["test"]

    tried = [(point, *trained(splits[0], point)) for point in protocol.grid.draw(seed)]
    # The first of equals, as in HEAR.
    point, fitted, test = max(tried, key=lambda each: each[1].valid_score)
    _logger.info(
        "%s, seed %d: %s, valid %s %.4f after epoch %d",
        task.name, seed, point, task.metrics[0], fitted.valid_score, fitted.epoch,
    )  # fmt: skip
    valid_score, logits = fitted.valid_score, [predict(fitted.network, test)]
    for split in splits[1:]:
        fitted, test = trained(split, point)
        logits.append(predict(fitted.network, test))
    return point, valid_score, logits


def _linear(
    task: HearTask, sets: Mapping[str, Labelled], splits: Sequence[Split], classes: Sequence[str]
) -> tuple[list[dict[str, Any]], float, list[np.ndarray]]:
    """Strengths by split, the first split's valid score, and logits (U, C) of each test set."""
    if task.multilabel:
        raise ConfigError(f"head linear: expected one label a sound, {task.name} has any number")
    chosen, logits, valid_scores = [], [], []
    for split in splits:
        data = {
            role: tuple(map(torch.from_numpy, each)) for role, each in _roles(split, sets).items()
        }
        probe = fit_probe(data["train"], data["valid"], len(classes))
        chosen.append({"strength": probe.strength})
        found = probe.logits(data["valid"][0]).numpy()
        valid_scores.append(score(task.metrics[0], found, sets[split.valid].targets, classes))
        # Few sounds: those that chose the strength are too many to be left out of the fit.
        every = tuple(map(torch.cat, zip(data["train"], data["valid"], strict=True)))
        final = fit_probe(every, data["valid"], len(classes), strengths=[probe.strength])
        logits.append(final.logits(data["test"][0]).numpy())
    _logger.info("%s: %s, valid %s %.4f", task.name, chosen, task.metrics[0], valid_scores[0])
    return chosen, valid_scores[0], logits


def _materials(
    split: Split, sets: Mapping[str, Labelled], device: torch.device
) -> dict[str, Material]:
    return {role: Material(*each, device) for role, each in _roles(split, sets).items()}


def _roles(split: Split, sets: Mapping[str, Labelled]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Vectors and targets to train on, to choose by and to score."""
    roles = {"train": split.train, "valid": (split.valid,), "test": (split.test,)}
    return {
        role: (
            np.concatenate([sets[name].vectors for name in names]),
            np.concatenate([sets[name].targets for name in names]),
        )
        for role, names in roles.items()
    }


def _mean_over(made: Sequence[Sequence[Statistic]], sizes: Sequence[int]) -> Statistic:
    """Mean over seeds and splits, of counts of the splits' sounds one after another."""
    borders = np.cumsum(sizes)[:-1]

    def statistic(counts: np.ndarray) -> np.ndarray:
        parts = np.split(counts, borders, axis=1)
        values = [f(part) for row in made for f, part in zip(row, parts, strict=True)]
        return np.mean(values, axis=0)

    return statistic


def _majority(sets: Mapping[str, Labelled], splits: Sequence[Split]) -> float | None:
    shares = []
    for split in splits:
        known = np.concatenate([sets[name].targets for name in split.train])
        if known.ndim == 2:
            return None
        shares.append(float((sets[split.test].targets == np.bincount(known).argmax()).mean()))
    return float(np.mean(shares))
