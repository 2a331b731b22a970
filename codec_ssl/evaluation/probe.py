"""Layer-wise probing: how much of phone, speaker, keyword … a linear reader finds in each layer.

For each system all layers come from one pass over the sample. On every layer: linear probes
(frame-wise for phones, mean-pooled for labels of utterances), and k-means against the phones.

Letters: M frames, U utterances, D width, K clusters.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codec_ssl.errors import DataError
from codec_ssl.evaluation.bootstrap import accuracy_interval
from codec_ssl.evaluation.linear import fit_probe
from codec_ssl.evaluation.sample import Sample, Split, collect, draw_sample
from codec_ssl.evaluation.tasks import PHONE, SPLITS, Part, ProbeTask, make_task
from codec_ssl.features.base import SpeechEncoder
from codec_ssl.report.results import Result
from codec_ssl.tokenizers.clustering import cluster_quality
from codec_ssl.tokenizers.kmeans import KMeans, KMeansOptions

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProbeOptions:
    """Bounds and seeds of a probe.

    Attributes:
        max_utterances: Most utterances a split.
        max_train_frames: Most aligned frames to fit on.
        max_test_frames: Most aligned frames of valid, and of test.
        num_clusters: K of the k-means on each layer; lowered to the number of train frames / 20.
        num_resamples: Bootstrap draws of the intervals.
        seed: Seed of the sample, of k-means and of the bootstrap.
    """

    max_utterances: int = 4000
    max_train_frames: int = 10_000
    max_test_frames: int = 10_000
    num_clusters: int = 100
    num_resamples: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class System:
    """Something to probe.

    Attributes:
        name: Name in the report; several training runs (seeds) may share one.
        role: ``model`` or ``baseline``.
        make: Builds the encoder; called when it is this system's turn.
        layers: Layers to probe; all of them where None.
        facts: What else to record: exp dir, recipe, config, codec.
    """

    name: str
    role: str
    make: Callable[[], SpeechEncoder]
    layers: Sequence[int] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def probe(
    splits: Mapping[str, Split],
    systems: Sequence[System],
    tasks: Sequence[str],
    options: ProbeOptions | None = None,
) -> tuple[list[Result], list[str]]:
    """Probe every layer of every system on every task.

    Args:
        splits: ``train``, ``valid`` and ``test``.
        systems: What to probe.
        tasks: ``phone``, ``speaker`` or labels of ``utt2<label>`` files.
        options: Bounds and seeds.

    Returns:
        The results, and notes on what was skipped or done differently.

    Raises:
        DataError: If no task can be done at all.
    """
    options = options or ProbeOptions()
    samples = {
        name: draw_sample(
            splits[name],
            with_phones=PHONE in tasks,
            max_utterances=options.max_utterances,
            max_frames=options.max_train_frames if name == "train" else options.max_test_frames,
            seed=options.seed,
        )
        for name in SPLITS
    }
    made = [make_task(name, samples, options.seed) for name in tasks]
    ready = [task for task in made if isinstance(task, ProbeTask)]
    notes = [task.note if isinstance(task, ProbeTask) else task for task in made]
    notes = [note for note in notes if note]
    for note in notes:
        logger.warning("%s", note)
    if not ready:
        raise DataError(f"nothing to probe: {'; '.join(notes)}", stage="data")
    results = []
    for system in systems:
        begin = time.perf_counter()
        results += _probe_system(system, samples, ready, options)
        logger.info("probed %s in %.1f s", system.name, time.perf_counter() - begin)
    return results, notes


def _probe_system(
    system: System,
    samples: Mapping[str, Sample],
    tasks: Sequence[ProbeTask],
    options: ProbeOptions,
) -> list[Result]:
    """All layers and tasks of one system."""
    encoder = system.make()
    layers = list(range(encoder.num_layers + 1)) if system.layers is None else list(system.layers)
    collected = [collect(encoder, samples[name], layers) for name in SPLITS]
    results = []
    for layer in layers:
        features = {
            "frame": torch.cat([part.frames.pop(layer) for part in collected]),
            "utterance": torch.cat([part.pooled.pop(layer) for part in collected]),
        }
        for task in tasks:
            common = {
                "system": system.name,
                "role": system.role,
                "layer": layer,
                **system.facts,
                "task": task.name,
                "split": "test",
            }
            rows = features[task.level]
            results.append(_linear(rows, task, common, options))
            if task.level == "frame":
                results += _clusters(rows, task, common, options)
    return results


def _linear(
    features: Tensor, task: ProbeTask, common: Mapping[str, Any], options: ProbeOptions
) -> Result:
    """Test accuracy of the linear probe of one layer."""
    train, valid, test = (_select(features, task.parts[name]) for name in SPLITS)
    fitted = fit_probe(train, valid, len(task.classes))
    part = task.parts["test"]
    correct = (fitted.predict(test[0]) == test[1]).cpu().numpy()
    scored = {
        **common,
        "protocol": task.protocol,
        "num_classes": len(task.classes),
        "num_train": len(train[1]),
        "num_test": len(correct),
        "num_test_utterances": len(np.unique(part.utterances)),
        "majority": task.majority,
        "strength": fitted.strength,
        "converged": fitted.converged,
        "seed": options.seed,
    }
    interval = accuracy_interval(
        correct, part.utterances, num_resamples=options.num_resamples, seed=options.seed
    )
    metric = f"{task.name}_accuracy"
    return Result(metric, float(correct.mean()), "fraction", scored, interval)


def _clusters(
    features: Tensor, task: ProbeTask, common: Mapping[str, Any], options: ProbeOptions
) -> list[Result]:
    """Purities and PNMI of k-means that was fitted on train, on the test frames."""
    train, test = (_select(features, task.parts[name]) for name in ("train", "test"))
    # Fewer than 20 frames a cluster would measure the sample, not the layer.
    num_clusters = max(2, min(options.num_clusters, len(train[0]) // 20))
    settings = KMeansOptions(num_clusters, max_frames=max(len(train[0]), 1), seed=options.seed)
    tokenizer = KMeans(settings).fit_sample(train[0].cpu().numpy())
    clusters = tokenizer.encode(test[0])[:, 0].cpu().numpy()
    quality = cluster_quality(test[1].cpu().numpy(), clusters)
    scored = {
        **common,
        "num_clusters": num_clusters,
        "clusters_used": quality.clusters_used,
        "num_train": len(train[0]),
        "num_test": len(clusters),
        "seed": options.seed,
    }
    return [
        Result(metric, getattr(quality, metric), "fraction", scored)
        for metric in ("phone_purity", "cluster_purity", "pnmi")
    ]


def _select(features: Tensor, part: Part) -> tuple[Tensor, Tensor]:
    """Features and classes of one part, on the features' device."""
    items = torch.as_tensor(part.items, device=features.device)
    return features[items], torch.as_tensor(part.classes, device=features.device)
