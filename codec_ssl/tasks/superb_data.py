"""Data of one of SUPERB's tasks: opened, recorded, and batches of a training made of them.

======  ===============  =====================================================================
name    type             what for
======  ===============  =====================================================================
labels  data_dir         labels, and the audio for encoders that take it
codes   token_store      inputs of encoders that take codes, or a tokenizer's tokens; rates of the
                         log-mel baseline
layers  feature_cache    all layers, written before: the encoder then runs no more in training
======  ===============  =====================================================================

Letters: B utterances of a batch, U of a set.
"""

import argparse
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.evaluation.superb.items import (
    Batch,
    Item,
    LabelledSet,
    open_encoder,
    open_stream,
)
from codec_ssl.evaluation.superb.problem import Problem
from codec_ssl.features.cache import FeatureCache, digest_of
from codec_ssl.features.stack import LayerStack
from codec_ssl.tasks.data_paths import data_paths
from codec_ssl.tokens import contract
from codec_ssl.tokens.files import canonical, text_digest
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train.crops import Visits

SPLITS = ("train", "valid")
LABELS, CODES, LAYERS = "labels", "codes", "layers"
TYPES = {LABELS: "data_dir", CODES: "token_store", LAYERS: "feature_cache"}


@dataclass(frozen=True)
class Material:
    """All that a training is made of.

    Attributes:
        encoder: All layers of the encoder.
        sets: Labelled utterances by split.
        truth: What predictions on the valid set are measured by.
    """

    encoder: LayerStack
    sets: Mapping[str, LabelledSet]
    truth: Any

    def record(self) -> dict[str, Any]:
        """What ``config.yaml`` keeps: the encoder, utterances and labels of each set."""
        told: dict[str, Any] = {
            "encoder": {"name": self.encoder.name, "fingerprint": self.encoder.fingerprint}
        }
        for split, found in self.sets.items():
            told[split] = {
                "count": len(found),
                "utterances": digest_of(found.utt_ids, found.lengths),
                "labels": text_digest(canonical(list(found.labels.items()))),
            }
        return told


def device_of(args: argparse.Namespace) -> str:
    """Where this process computes."""
    return f"cuda:{torch.cuda.current_device()}" if args.ngpu > 0 else "cpu"


def open_material(args: argparse.Namespace, problem: type[Problem]) -> Material:
    """Open what ``--<split>_data_path_and_name_and_type`` and ``--encoder_conf`` name.

    Raises:
        ConfigError: Something is missing, or isn't known.
        CodecSSLError: Data cannot be opened or don't belong together.
    """
    paths = {split: _paths(args, split) for split in SPLITS}
    stores = {split: TokenStore(p[CODES]) if CODES in p else None for split, p in paths.items()}
    if stores["train"] is not None and stores["valid"] is not None:
        contract.check_pair(stores["train"], stores["valid"])
    encoder = open_encoder(args.encoder_conf, stores["train"], device_of(args))
    sets = {}
    for split, named in paths.items():
        data_dir = DataDir(named[LABELS])
        cache = FeatureCache(named[LAYERS]) if LAYERS in named else None
        stream = open_stream(encoder, data_dir, stores[split], cache)
        # Layers that are normalised frame by frame have another mean.
        pooled = cache is not None and problem.pools and not args.featurizer_conf.get("normalize")
        sets[split] = LabelledSet(problem, data_dir, stream, encoder.frame_rate, pooled)
    return Material(encoder, sets, problem.truth(DataDir(paths["valid"][LABELS])))


def _paths(args: argparse.Namespace, split: str) -> dict[str, str]:
    found = data_paths(args, split, TYPES)
    if LABELS not in found:
        raise ConfigError(f"{split} data: expected DATA_DIR,{LABELS},data_dir, found none", "data")
    return found


@dataclass(frozen=True)
class BatchOptions:
    """What a training's batches are made of.

    Attributes:
        batch_size: B, of all processes together.
        steps: Batches of an epoch.
        seed: Of order and places.
        crop_seconds: Longer utterances are cut to so much, at a random place; None: never.
        min_seconds: Shorter ones are left out.
        balanced: Utterances are drawn so that each label comes as often as any other.
        bucketed: Batches are of utterances of about equal length.
        rank: Number of this process.
        num_ranks: Number of processes, which share each batch.
    """

    batch_size: int
    steps: int
    seed: int
    crop_seconds: float | None = None
    min_seconds: float = 0.0
    balanced: bool = False
    bucketed: bool = False
    rank: int = 0
    num_ranks: int = 1

    def __post_init__(self) -> None:
        if self.batch_size < self.num_ranks:
            raise ConfigError(
                f"batch_size: expected an utterance for each of {self.num_ranks} processes, found"
                f" {self.batch_size}"
            )
        if self.balanced and self.bucketed:
            raise ConfigError("batch_conf: balanced and bucketed exclude one another")


class TrainingItems(Dataset):
    """Training batches by step, without end.

    All that is random depends on seed and step alone, so that a resumed training goes on exactly.

    Args:
        data: The set.
        problem: The task.
        options: What is asked for.

    Raises:
        DataError: No utterance is long enough.
    """

    def __init__(self, data: LabelledSet, problem: Problem, options: BatchOptions) -> None:
        self._data, self._problem, self._options = data, problem, options
        self._usable = np.flatnonzero(data.lengths >= options.min_seconds * data.frame_rate)
        if not len(self._usable):
            raise DataError(
                f"{data.path}: expected utterances of {options.min_seconds} s or more, found none"
            )
        if options.bucketed:
            by_length = np.argsort(data.lengths[self._usable], kind="stable")
            self._usable = self._usable[by_length]
            self._buckets = Visits(-(-len(self._usable) // options.batch_size), options.seed)
        self._visits = Visits(len(self._usable), options.seed)
        self._edges = _edges(data, self._usable) if options.balanced else None

    def __getitem__(self, step: int) -> Batch:
        options = self._options
        mine = self._positions(step)[options.rank :: options.num_ranks]
        random = np.random.default_rng([options.seed, step, options.rank, 1])
        return self._data.batch(self._problem, [self._item(at, random.random()) for at in mine])

    def _positions(self, step: int) -> Sequence[int]:
        size = self._options.batch_size
        if self._edges is not None:
            random = np.random.default_rng([self._options.seed, step])
            drawn = np.searchsorted(self._edges, random.random(size), side="right")
            return self._usable[drawn].tolist()
        if self._options.bucketed:
            first = self._buckets[step] * size
            # The last bucket is filled with its neighbours.
            first = max(0, min(first, len(self._usable) - size))
            return self._usable[first : first + size].tolist()
        return [int(self._usable[self._visits[v]]) for v in range(step * size, (step + 1) * size)]

    def _item(self, position: int, share: float) -> Item:
        length = int(self._data.lengths[position])
        if self._options.crop_seconds is None:
            return Item(position, 0, length)
        kept = min(length, max(1, round(self._options.crop_seconds * self._data.frame_rate)))
        return Item(position, int(share * (length - kept + 1)), kept)


def _edges(data: LabelledSet, usable: np.ndarray) -> np.ndarray:
    """Where each utterance ends on a line from 0 to 1 that all labels have equal parts of (U,)."""
    labels = [canonical(data.labels[data.utt_ids[at]]) for at in usable]
    often = Counter(labels)
    shares = np.array([1 / (len(often) * often[label]) for label in labels])
    edges = np.cumsum(shares)
    edges[-1] = 1.0
    return edges
