"""What a probe predicts: frames' phones, or a label of the utterance (any ``utt2<label>`` file).

Items are numbered through the train, valid and test samples one after another, so a task is
three lists of numbers and classes, whatever system is probed.

Letters: M frames, U utterances.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from codec_ssl.evaluation.sample import Sample

SPLITS = ("train", "valid", "test")
PHONE, SPEAKER = "phone", "speaker"


@dataclass(frozen=True)
class Part:
    """Items of one role: their numbers, classes and utterances, each (M,) or (U,)."""

    items: np.ndarray
    classes: np.ndarray
    utterances: np.ndarray


@dataclass(frozen=True)
class ProbeTask:
    """One prediction task.

    Attributes:
        name: ``phone``, ``speaker``, or the label of a ``utt2<label>`` file.
        level: Whether items are frames or whole utterances.
        classes: Names of the classes.
        parts: ``train`` to fit, ``valid`` to choose the regularisation, ``test`` to score.
        protocol: ``splits`` where the corpus's own splits serve; ``pooled`` where their labels
            hardly overlap (speaker-disjoint splits), so that utterances of all splits are split
            anew, 60 / 20 / 20 within each label.
        note: What a reader should know, or "".
    """

    name: str
    level: Literal["frame", "utterance"]
    classes: list[str]
    parts: dict[str, Part]
    protocol: Literal["splits", "pooled"]
    note: str

    @property
    def majority(self) -> float:
        """Test accuracy of always answering the most frequent train class."""
        train, test = self.parts["train"].classes, self.parts["test"].classes
        return float((test == np.bincount(train).argmax()).mean())


def make_task(name: str, samples: Mapping[str, Sample], seed: int) -> ProbeTask | str:
    """A task on the samples, or a sentence saying why there is none."""
    labels, utterances = _items(name, samples)
    level = "frame" if name == PHONE else "utterance"
    missing = [split for split in SPLITS if not (labels[split] != "").any()]
    if missing:
        return f"{name}: skipped, no such labels in {', '.join(missing)}"
    bounds = np.cumsum([0, *(len(labels[split]) for split in SPLITS)])
    everything = np.concatenate([labels[split] for split in SPLITS])
    owners = np.concatenate([utterances[split] for split in SPLITS])
    numbers = np.arange(len(everything))
    roles = {
        split: numbers[low:high]
        for split, low, high in zip(SPLITS, bounds[:-1], bounds[1:], strict=True)
    }
    roles = {split: items[everything[items] != ""] for split, items in roles.items()}
    protocol, note = "splits", ""
    if level == "utterance" and not _overlap(everything, roles):
        protocol = "pooled"
        note = f"{name}: splits share few labels; utterances of all splits are split 60/20/20 anew"
        roles = _stratify(everything, seed)
    classes = sorted(set(everything[roles["train"]].tolist()))
    parts, excluded = {}, 0
    for split, items in roles.items():
        known = items[np.isin(everything[items], classes)]
        excluded += len(items) - len(known)
        parts[split] = Part(known, np.searchsorted(classes, everything[known]), owners[known])
    if excluded:
        note = (
            f"{note}; " * bool(note)
            + f"{name}: {excluded} items of labels unseen in train left out"
        )
    if len(classes) < 2 or any(not len(part.items) for part in parts.values()):
        return f"{name}: skipped, too few labels or items ({len(classes)} classes in train)"
    return ProbeTask(name, level, classes, parts, protocol, note)


def _items(
    name: str, samples: Mapping[str, Sample]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Label ("" where none) and utterance number of every item of each split."""
    labels, utterances, offset = {}, {}, 0
    for split in SPLITS:
        sample = samples[split]
        if name == PHONE:
            labels[split], utterances[split] = sample.phones, sample.owners + offset
        else:
            table = _table(name, sample)
            labels[split] = np.array([table.get(utt, "") for utt in sample.utt_ids], dtype=str)
            utterances[split] = np.arange(len(sample.utt_ids)) + offset
        offset += len(sample.utt_ids)
    return labels, utterances


def _table(name: str, sample: Sample) -> Mapping[str, str]:
    data_dir = sample.split.data_dir
    if name == SPEAKER:
        return data_dir.utt2spk
    return data_dir.labels(name) if name in data_dir.label_names else {}


def _overlap(labels: np.ndarray, roles: Mapping[str, np.ndarray]) -> bool:
    """Whether train has seen the labels of at least half of the valid and test items."""
    seen = np.unique(labels[roles["train"]])
    return all(np.isin(labels[roles[split]], seen).mean() >= 0.5 for split in ("valid", "test"))


def _stratify(labels: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """Split items 60 / 20 / 20 within each label; labels of fewer than three items are left."""
    random = np.random.default_rng(seed)
    roles: dict[str, list[np.ndarray]] = {split: [] for split in SPLITS}
    for label in np.unique(labels[labels != ""]):
        items = random.permutation(np.flatnonzero(labels == label))
        if len(items) >= 3:
            fifth = max(1, round(len(items) / 5))
            cuts: Sequence[np.ndarray] = np.split(items, [fifth, 2 * fifth])
            for split, part in zip(("test", "valid", "train"), cuts, strict=True):
                roles[split].append(part)
    empty = [np.empty(0, dtype=int)]
    return {split: np.sort(np.concatenate(parts + empty)) for split, parts in roles.items()}
