"""Trainings of one system: which there are, which of a task's learning rates is the best.

======================================  =====================================================
``<exp>/<task>/lr_<rate>``              an experiment directory of ESPnet's
``<exp>/<task>/<fold>/lr_<rate>``       the same, of a fold, where the task's data have folds
``…/failed.txt``                        why a rate's training ended, where it diverged
======================================  =====================================================

SUPERB allows the learning rate to be tuned, on the valid set, and nothing else.
"""

import json
import math
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from codec_ssl.errors import DataError
from codec_ssl.evaluation.superb.problem import Problem

FAILED, FINISHED = "failed.txt", ".finished"
WHOLE = ""
_FOLD = re.compile(r"fold\d+")


@dataclass(frozen=True)
class Training:
    """One training of a grid.

    Attributes:
        task: A key of ``PROBLEMS``.
        fold: Name of the fold, ``WHOLE`` where the task has none.
        rate: Learning rate, as it was written.
    """

    task: str
    fold: str
    rate: str

    @property
    def name(self) -> str:
        """Where it is, below the system's folder."""
        return str(Path(self.task, self.fold, f"lr_{self.rate}"))


@dataclass(frozen=True)
class Choice:
    """The learning rate that a task is scored with.

    Attributes:
        rate: The rate, as it was written.
        score: Its score on the valid set, a mean over folds.
        by_rate: Scores of all rates; None where a training diverged.
    """

    rate: str
    score: float
    by_rate: dict[str, float | None]


def folds_of(folder: str | Path) -> list[str]:
    """Folds of a task's data or trainings, in order; ``[WHOLE]`` where it has none.

    Raises:
        DataError: There is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder}: expected data of a task, found no such folder", stage="data")
    found = [path.name for path in folder.iterdir() if _FOLD.fullmatch(path.name)]
    return sorted(found, key=lambda name: int(name.removeprefix("fold"))) or [WHOLE]


def choose(exp: str | Path, problem: type[Problem], rates: Sequence[str] | None = None) -> Choice:
    """The rate with the best score on the valid set; of equals the lower one.

    Args:
        exp: Folder of the system.
        problem: The task.
        rates: The grid; None: all rates that were ever tried.

    Raises:
        DataError: A training is missing or was cut short, or all of them diverged.
    """
    folder = Path(exp) / problem.name
    folds = folds_of(folder)
    tried = {
        path.name.removeprefix("lr_") for fold in folds for path in (folder / fold).glob("lr_*")
    }
    grid = sorted(tried if rates is None else set(rates), key=float)
    if not grid:
        raise DataError(f"{folder}: expected trainings, found none", stage="train")
    by_rate = {rate: _score(folder, folds, rate, problem) for rate in grid}
    good = {rate: score for rate, score in by_rate.items() if score is not None}
    if not good:
        raise DataError(
            f"{folder}: every training diverged, with rates {', '.join(grid)}: add lower ones",
            stage="train",
        )
    best = next(iter(good))
    for rate, score in good.items():
        if problem.is_better(score, good[best]):
            best = rate
    return Choice(best, good[best], by_rate)


def _score(folder: Path, folds: Sequence[str], rate: str, problem: type[Problem]) -> float | None:
    """Best score on the valid set over epochs, a mean over folds; None where one diverged."""
    scores = []
    for fold in folds:
        exp = folder / fold / f"lr_{rate}"
        if (exp / FAILED).is_file():
            return None
        if not (exp / FINISHED).is_file():
            raise DataError(f"{exp}: expected a finished training, found none", stage="train")
        epochs = json.loads((exp / "history.json").read_text(encoding="utf-8"))
        found = [epoch["valid"][problem.metric] for epoch in epochs]
        finite = [value for value in found if value is not None and math.isfinite(value)]
        if not finite:
            return None
        scores.append(max(finite) if problem.higher_is_better else min(finite))
    return statistics.fmean(scores)
