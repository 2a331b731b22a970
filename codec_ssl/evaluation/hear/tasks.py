"""HEAR's tasks: which label, how it is scored, and which data dirs are train, valid and test.

A task is a file of ``conf/hear``, or one like those. Its data is a folder of data dirs: ``train``,
``valid`` and ``test``, or ``fold00``, ``fold01``, … for cross-validation.

Letters: U sounds, C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from codec_ssl.config_sections import make_part
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.evaluation.hear.embeddings import Embeddings
from codec_ssl.evaluation.hear.scores import METRICS

# conf/ stands beside the package.
CONF_DIR = Path(__file__).resolve().parents[3] / "conf" / "hear"
_SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class HearTask:
    """What is predicted from a scene embedding.

    Attributes:
        name: Short name, for tables and results.
        label: Sounds have it in ``utt2<label>``; those that haven't are left out.
        metrics: Of ``scores.METRICS``; the first one chooses hyperparameters and epochs.
        multilabel: Whether a sound has any number of labels, with blanks between.
        seconds: Length that sounds are cut to, or continued to with silence; None leaves them.
        data: Folder of its data dirs, below a recipe's; its name where None.
    """

    name: str
    label: str
    metrics: tuple[str, ...] = ("accuracy",)
    multilabel: bool = False
    seconds: float | None = None
    data: str | None = None

    def __post_init__(self) -> None:
        if not self.metrics or not set(self.metrics) <= set(METRICS):
            raise ValueError(f"metrics: expected some of {sorted(METRICS)}, found {self.metrics}")
        unfit = [
            name for name in self.metrics if METRICS[name].multilabel not in (None, self.multilabel)
        ]
        if unfit:
            raise ValueError(f"metrics: {unfit} are not for multilabel {self.multilabel}")


def task_names() -> list[str]:
    """Names that ``read_task`` knows: the files of ``conf/hear``."""
    return sorted(path.stem for path in CONF_DIR.glob("*.yaml"))


def read_task(name: str) -> HearTask:
    """Read a task.

    Args:
        name: One of ``task_names``, the path of a YAML file, or ``label=NAME``: any label of the
            data dirs, one a sound, scored by accuracy.

    Raises:
        ConfigError: If there is no such task, or the file is wrong.
    """
    kind, _, label = name.partition("=")
    if kind == "label" and label:
        return HearTask(label, label, data="")
    path = CONF_DIR / f"{name}.yaml"
    if Path(name).suffix in (".yaml", ".yml"):
        path = Path(name)
    if not path.is_file():
        raise ConfigError(f"no task {name!r}: expected one of {task_names()}, a YAML file, label=…")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        content["metrics"] = tuple(content.get("metrics", ("accuracy",)))
    except (yaml.YAMLError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: expected a task: label, metrics, …: {error}") from error
    return make_part(HearTask, str(path), {"name": path.stem, **content})


def find_sets(folder: str | Path) -> dict[str, DataDir]:
    """Data dirs of a task: ``train``, ``valid`` and ``test``, or all folds, by name.

    Raises:
        DataError: If there are neither, or both.
    """
    folder = Path(folder)
    folds = sorted(path for path in folder.glob("fold*") if (path / "wav.scp").is_file())
    missing = [name for name in _SPLITS if not (folder / name / "wav.scp").is_file()]
    if folds and not missing:
        raise DataError(
            f"{folder}: expected data dirs {', '.join(_SPLITS)}, or folds, found both; name those"
            " to use: name=DIR,…"
        )
    if len(folds) >= 3:
        return {path.name: DataDir(path) for path in folds}
    if missing:
        raise DataError(
            f"{folder}: expected data dirs {', '.join(_SPLITS)}, or fold00, fold01, …; there is no"
            f" {missing[0]}",
            stage="data",
        )
    return {name: DataDir(folder / name) for name in _SPLITS}


@dataclass(frozen=True)
class Split:
    """Which sets are for what.

    Attributes:
        train: Names of sets.
        valid: Name of the set that chooses.
        test: Name of the set that is scored.
    """

    train: tuple[str, ...]
    valid: str
    test: str


def splits_of(names: Sequence[str]) -> list[Split]:
    """HEAR's splits of a task's sets.

    Each fold is the test set once, the next one (the first after the last) the valid set, and the
    others are trained on. Of ``train``, ``valid`` and ``test`` there is one split.

    Raises:
        ConfigError: If the names are neither those nor three folds or more.
    """
    if set(names) == set(_SPLITS):
        return [Split(("train",), "valid", "test")]
    folds = sorted(names)
    if len(folds) < 3 or not all(name.startswith("fold") for name in folds):
        raise ConfigError(f"expected {', '.join(_SPLITS)}, or three folds or more, found {folds}")
    splits = []
    for place, test in enumerate(folds):
        valid = folds[(place + 1) % len(folds)]
        splits.append(Split(tuple(f for f in folds if f not in (test, valid)), valid, test))
    return splits


@dataclass(frozen=True)
class Labelled:
    """Embeddings with labels.

    Attributes:
        utt_ids: Of the sounds (U).
        vectors: (U, D) float32.
        targets: (U,) int64, or (U, C) bool where a sound has any number of labels.
    """

    utt_ids: list[str]
    vectors: np.ndarray
    targets: np.ndarray


def label_sets(
    task: HearTask, sets: Mapping[str, DataDir], embeddings: Mapping[str, Embeddings]
) -> tuple[list[str], dict[str, Labelled]]:
    """Put embeddings and labels together.

    Args:
        task: The task.
        sets: Its data dirs, by name.
        embeddings: Of each.

    Returns:
        The classes, which are those of all sets as in HEAR, and the labelled sets.

    Raises:
        DataError: If a set has no sound with a label, a sound is in two sets, or there is but one
            class.
    """
    _check_disjoint(sets)
    values = {name: data_dir.labels(task.label) for name, data_dir in sets.items()}
    words = {
        name: {utt: _words(task, v) for utt, v in table.items()} for name, table in values.items()
    }
    classes = sorted({word for table in words.values() for each in table.values() for word in each})
    if len(classes) < 2:
        raise DataError(f"task {task.name}: expected two labels or more, found {classes}", "data")
    # Numbers in their order, so that notes an octave apart are twelve classes apart.
    if all(word.lstrip("-").isdecimal() for word in classes):
        classes.sort(key=int)
    numbers = {word: number for number, word in enumerate(classes)}
    made = {}
    for name, found in embeddings.items():
        kept = [place for place, utt in enumerate(found.utt_ids) if utt in words[name]]
        if not kept:
            raise DataError(f"{sets[name].path}: no usable sound has a {task.label}", stage="data")
        utt_ids = [found.utt_ids[place] for place in kept]
        rows = [[numbers[word] for word in words[name][utt]] for utt in utt_ids]
        targets = _many(rows, len(classes)) if task.multilabel else np.array([r[0] for r in rows])
        if not any(rows):
            raise DataError(f"{sets[name].path}: every {task.label} is empty", stage="data")
        made[name] = Labelled(utt_ids, found.vectors[kept], targets)
    return classes, made


def _check_disjoint(sets: Mapping[str, DataDir]) -> None:
    """See that nothing is tested that was trained on."""
    owner: dict[str, DataDir] = {}
    for data_dir in sets.values():
        for utt_id in data_dir.utt_ids:
            if utt_id in owner:
                raise DataError(
                    f"{data_dir.path}: utterance {utt_id} is in {owner[utt_id].path} too: expected"
                    " every sound in one set",
                    stage="data",
                )
            owner[utt_id] = data_dir


def _words(task: HearTask, value: str) -> list[str]:
    return value.split() if task.multilabel else [value]


def _many(rows: Sequence[Sequence[int]], num_classes: int) -> np.ndarray:
    targets = np.zeros((len(rows), num_classes), dtype=bool)
    for place, row in enumerate(rows):
        targets[place, list(row)] = True
    return targets
