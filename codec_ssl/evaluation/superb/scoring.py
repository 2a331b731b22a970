"""Score a system's trained heads on the test sets, each with its task's best learning rate.

Letters: L layers, U utterances.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import CheckpointError
from codec_ssl.evaluation.superb.grid import Choice, choose, folds_of
from codec_ssl.evaluation.superb.items import LabelledSet, WholeItems, open_encoder, open_stream
from codec_ssl.evaluation.superb.measure import Measure, mean_of_folds
from codec_ssl.evaluation.superb.model import SuperbModel
from codec_ssl.evaluation.superb.problem import Problem, problem_class
from codec_ssl.features.cache import FeatureCache
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train.checkpoint import load_state_strict, load_weights

BATCH_SIZE = 16
TEST = "test"
_PREFIX = "superb."

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Places:
    """Where a system's trainings and the data are.

    Attributes:
        exp: Trainings: ``<task>/[<fold>/]lr_<rate>``.
        datadir: Data dirs: ``<task>/[<fold>/]<set>``.
        codes: Token stores like these, for encoders that take codes.
        layers: Feature caches like these; the encoder then doesn't run.
        rates: Learning rates to choose from; None: all that were ever tried.
    """

    exp: Path
    datadir: Path
    codes: Path | None = None
    layers: Path | None = None
    rates: Sequence[str] | None = None


@dataclass(frozen=True)
class Outcome:
    """What was found of one task.

    Attributes:
        problem: The task.
        choice: The learning rate, and how all of them did on the valid set.
        measures: By name; of several folds their means.
        by_fold: Values by measure, one a fold.
        layer_weights: Share of each layer in the learnt sum (L,), a mean over folds.
        num_test: Utterances (U) of the test sets.
        encoder: Name and fingerprint of the frozen encoder, with all its layers.
        facts: What else the task tells, of the first fold.
        predictions: By utterance.
    """

    problem: type[Problem]
    choice: Choice
    measures: dict[str, Measure]
    by_fold: dict[str, list[float]]
    layer_weights: list[float]
    num_test: int
    encoder: Mapping[str, Any]
    facts: Mapping[str, Any]
    predictions: Mapping[str, Any] = field(repr=False)


def score_task(
    task: str, places: Places, device: str = "cpu", batch_size: int = BATCH_SIZE
) -> Outcome:
    """Choose the learning rate on the valid set and score it on the test set, of every fold.

    Args:
        task: A key of ``PROBLEMS``.
        places: Trainings and data.
        device: Where to compute.
        batch_size: Utterances of a batch.

    Raises:
        DataError: A training or a test set is missing.
        CheckpointError: The encoder is not the one of the trainings.
    """
    problem = problem_class(task)
    choice = choose(places.exp, problem, places.rates)
    found = []
    for fold in folds_of(places.exp / task):
        exp = places.exp / task / fold / f"lr_{choice.rate}"
        found.append(_score_fold(exp, problem, places, Path(task, fold, TEST), device, batch_size))
    by_name = {name: [fold.measures[name] for fold in found] for name in found[0].measures}
    return Outcome(
        problem=problem,
        choice=choice,
        measures={name: mean_of_folds(folds) for name, folds in by_name.items()},
        by_fold={name: [each.value for each in folds] for name, folds in by_name.items()},
        layer_weights=np.mean([fold.layer_weights for fold in found], axis=0).tolist(),
        num_test=sum(len(fold.predictions) for fold in found),
        encoder=found[0].encoder,
        facts=found[0].facts,
        predictions={u: p for fold in found for u, p in fold.predictions.items()},
    )


@dataclass(frozen=True)
class _Fold:
    measures: dict[str, Measure]
    layer_weights: list[float]
    encoder: Mapping[str, Any]
    facts: Mapping[str, Any]
    predictions: dict[str, Any]


def _score_fold(
    exp: Path, made: type[Problem], places: Places, name: Path, device: str, batch_size: int
) -> _Fold:
    config, state = load_weights(exp, "best", prefix=_PREFIX)
    store = None if places.codes is None else TokenStore(places.codes / name)
    cache = None if places.layers is None else FeatureCache(places.layers / name)
    encoder = open_encoder(config["encoder_conf"], store, device)
    recorded = config["data_record"]["encoder"]
    if encoder.fingerprint != recorded["fingerprint"]:
        raise CheckpointError(
            f"{exp}: trained on {recorded['name']} ({recorded['fingerprint'][:12]}), found"
            f" {encoder.name} ({encoder.fingerprint[:12]})",
            stage="train",
        )
    problem = made(config["vocabulary"], config["head_conf"])
    model = SuperbModel(problem, encoder, config["featurizer_conf"])
    load_state_strict(model, state, str(exp))
    model.to(device).eval()
    data_dir = DataDir(places.datadir / name)
    stream = open_stream(encoder, data_dir, store, cache)
    data = LabelledSet(made, data_dir, stream, encoder.frame_rate)
    logger.info("%s: %d utterances of %s", exp, len(data), data_dir.path)
    predictions = predict(model, data, batch_size)
    truth = made.truth(data_dir)
    return _Fold(
        measures=problem.measure(predictions, truth),
        layer_weights=model.featurizer.shares().tolist(),
        encoder=recorded,
        facts=problem.facts(truth),
        predictions=predictions,
    )


@torch.no_grad()
def predict(model: SuperbModel, data: LabelledSet, batch_size: int) -> dict[str, Any]:
    """Predictions for every utterance of a set.

    Args:
        model: The model, in eval mode.
        data: The set.
        batch_size: Utterances of a batch.
    """
    batches = WholeItems(data, model.problem, batch_size)
    found: dict[str, Any] = {}
    for number in range(len(batches)):
        utt_ids, batch = batches[number]
        outputs = model(batch["inputs"], batch["input_lengths"])
        found |= zip(utt_ids, model.problem.predict(outputs), strict=True)
    return {utt: found[utt] for utt in data.utt_ids}
