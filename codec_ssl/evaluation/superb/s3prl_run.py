"""SUPERB by s3prl's own problems: one training and its scores, kept so that a killed one goes on.

s3prl goes on at its last checkpoint, and fails at one that was cut short: those are removed first.
"""

import inspect
import json
import logging
import shutil
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import omegaconf
import torch
import yaml

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import write_atomic
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.evaluation.superb.diarization import Diarization
from codec_ssl.evaluation.superb.grid import FAILED
from codec_ssl.evaluation.superb.problem import problem_class
from codec_ssl.evaluation.superb.s3prl_predictions import (
    diarization_measures,
    intervals_of,
    transcript_measures,
)
from codec_ssl.evaluation.superb.s3prl_problems import BACKENDS, Backend
from codec_ssl.evaluation.superb.upstream import ENTRY, SAMPLE_RATE, register, stride_of
from codec_ssl.features.waves import make_wave_encoder, read_wave_spec

OUTCOME, SETTINGS = "outcome.json", "settings.json"
# s3prl's last file of a checkpoint.
_LAST_FILE = "config.yaml"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upstream:
    """The encoder that is judged.

    Attributes:
        encoder: See ``features.waves.read_wave_spec``.
        options: More options of ``features.waves.make_wave_encoder``.
    """

    encoder: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What one training came to.

    Attributes:
        valid: Score on the valid set of the checkpoint that was taken.
        test: Scores on the test set, by our names of s3prl's metrics.
        layer_weights: Share of each layer in the learnt sum (L,).
        encoder: Name of the encoder.
        fingerprint: Of the encoder.
        intervals: 95 % ones of the test scores whose predictions s3prl writes down.
    """

    valid: float
    test: dict[str, float]
    layer_weights: list[float]
    encoder: str
    fingerprint: str
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)


def run(
    task: str,
    upstream: Upstream,
    data: str | Path,
    out: str | Path,
    *,
    rate: float | None = None,
    device: str = "cpu",
    num_workers: int = 0,
    conf: Sequence[str] = (),
) -> Outcome | None:
    """Train and score, or read what an earlier run came to; None where the training diverged.

    Args:
        task: A key of ``BACKENDS``.
        upstream: The encoder.
        data: Folder of data dirs ``train``, ``valid`` and ``test``.
        out: Folder of the training.
        rate: Learning rate; None takes s3prl's.
        device: Where to compute.
        num_workers: Processes that read audio; 0 reads in this one.
        conf: More of s3prl's configuration, such as ``train.total_steps=1000``.

    Raises:
        ConfigError: s3prl has no such task or option, or the folder is of other settings.
        DataError: The data lack something.
    """
    if task not in BACKENDS:
        raise ConfigError(f"s3prl has no problem for {task}: expected one of {', '.join(BACKENDS)}")
    out, backend = Path(out), BACKENDS[task]
    options = {**read_wave_spec(upstream.encoder), **upstream.options}
    encoder = make_wave_encoder(options.pop("encoder"), **options)
    given = {
        "task": task,
        "encoder": encoder.fingerprint,
        "data": str(Path(data).absolute()),
        "rate": rate,
        "conf": list(conf),
    }
    _check_settings(out / SETTINGS, given)
    if (out / OUTCOME).is_file():
        return Outcome(**json.loads((out / OUTCOME).read_text(encoding="utf-8")))
    if (out / FAILED).is_file():
        return None
    learns = encoder.learnt is not None
    config = _config(task, backend, upstream, data, out, rate=rate, learns=learns, conf=conf)
    _remove_cut_off(out / "train")
    register()
    try:
        backend.problem().run(**config, device=device, num_workers=num_workers)
    except ValueError as error:
        if "NaN" not in str(error):  # what scikit-learn says of scores that are none
            raise
        write_atomic(out / FAILED, f"{error}\n")
        return None
    valid, test, checkpoint = (_chosen_by_trials if task == "sv" else _chosen)(task, backend, out)
    scores = {ours: test[theirs] for theirs, ours in backend.metrics.items()}
    if task == "sd":
        rate = SAMPLE_RATE / stride_of(encoder.frame_rate)
        measures = diarization_measures(DataDir(Path(data) / "test"), out, rate)
        scores = {name: measure.value for name, measure in measures.items()} | scores
    else:
        measures = transcript_measures(task, out / "evaluate" / "valid_best" / "test")
    outcome = Outcome(
        valid=valid,
        test=scores,
        intervals=intervals_of(scores, measures),
        layer_weights=_layer_weights(checkpoint),
        encoder=encoder.name,
        fingerprint=encoder.fingerprint,
    )
    write_atomic(out / OUTCOME, json.dumps(asdict(outcome), indent=1) + "\n")
    return outcome


def mean_of_folds(folds: Sequence[Outcome | None]) -> Outcome | None:
    """The mean over folds, as the benchmark reports emotion recognition; None if one diverged."""
    outcomes = [outcome for outcome in folds if outcome is not None]
    if len(outcomes) < len(folds):
        return None
    if len(outcomes) == 1:
        return outcomes[0]
    names = outcomes[0].test
    shares = zip(*(outcome.layer_weights for outcome in outcomes), strict=True)
    return Outcome(
        valid=statistics.fmean(outcome.valid for outcome in outcomes),
        test={name: statistics.fmean(each.test[name] for each in outcomes) for name in names},
        layer_weights=[statistics.fmean(share) for share in shares],
        encoder=outcomes[0].encoder,
        fingerprint=outcomes[0].fingerprint,
    )


def best_rate(task: str, outcomes: Mapping[str, Outcome | None]) -> tuple[str, Outcome]:
    """The learning rate with the best score on the valid set, and what it came to.

    Of equals it is the first one.

    Raises:
        DataError: All trainings diverged.
    """
    problem = problem_class(task)
    best: tuple[str, Outcome] | None = None
    for rate, outcome in outcomes.items():
        if outcome is None:
            continue
        if best is None or problem.is_better(outcome.valid, best[1].valid):
            best = rate, outcome
    if best is None:
        raise DataError(f"{task}: every training diverged, with rates {', '.join(outcomes)}")
    return best


def _config(
    task: str,
    backend: Backend,
    upstream: Upstream,
    data: str | Path,
    out: Path,
    *,
    rate: float | None,
    learns: bool,
    conf: Sequence[str],
) -> dict[str, Any]:
    """s3prl's configuration of the task, in plain values."""
    problem = backend.problem()
    config = problem.default_config() | {
        "target_dir": str(out),
        "cache_dir": str(out / "cache"),
        "prepare_data": {"task": task, "data": str(data)},
        "build_upstream": {
            "name": ENTRY,
            "path_or_url": upstream.encoder,
            "extra_conf": dict(upstream.options),
        },
        **backend.overrides,
    }
    config["build_model"] = {**config["build_model"], "upstream_trainable": learns}
    if task == "sd":
        turns = Diarization.read(DataDir(Path(data) / "train"))
        config["num_speaker"] = Diarization.learn(turns)["speakers"]
    more = omegaconf.OmegaConf.from_dotlist(list(conf))
    if unknown := sorted(set(more) - set(inspect.signature(problem.run).parameters)):
        raise ConfigError(
            f"s3prl's configuration of {task}: expected {', '.join(config)}, found {unknown[0]}"
        )
    try:
        merged = omegaconf.OmegaConf.merge(config, more)
        if rate is not None:
            merged.build_optimizer.conf.lr = rate
        plain = omegaconf.OmegaConf.to_container(merged, resolve=True, throw_on_missing=True)
    except omegaconf.errors.OmegaConfBaseException as error:
        raise ConfigError(f"s3prl's configuration of {task}: {error}") from error
    _check_steps(task, plain["train"])
    return plain


def _check_steps(task: str, train: Mapping[str, Any]) -> None:
    """Refuse a training that would end without a checkpoint to score."""
    needed = "save_step" if task == "sv" else "eval_step"
    if train["total_steps"] < train[needed]:
        raise ConfigError(
            f"s3prl's configuration of {task}: expected train.{needed} of at most"
            f" train.total_steps ({train['total_steps']}), found {train[needed]}"
        )


def _check_settings(path: Path, given: Mapping[str, Any]) -> None:
    if path.is_file():
        found = json.loads(path.read_text(encoding="utf-8"))
        other = sorted(name for name in given if found.get(name) != given[name])
        if other:
            raise ConfigError(
                f"{path.parent}: begun with another {other[0]}: expected {given[other[0]]!r}, found"
                f" {found.get(other[0])!r}: delete it, or name another folder",
                stage="train",
            )
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, json.dumps(given, indent=1) + "\n")


def _remove_cut_off(folder: Path) -> None:
    """Remove checkpoints that a kill left unfinished."""
    for checkpoint in [*folder.glob("step_*"), folder / "valid_best"]:
        if checkpoint.is_dir() and not (checkpoint / _LAST_FILE).is_file():
            logger.warning("%s was cut short: removed", checkpoint)
            shutil.rmtree(checkpoint)


def _chosen(task: str, backend: Backend, out: Path) -> tuple[float, dict[str, float], Path]:
    """Scores of the checkpoint that was best on the valid set."""
    checkpoint = out / "train" / "valid_best"
    stats = _read(checkpoint / "training_stats.yaml")
    valid = stats["valid_best_metrics"][next(iter(backend.metrics))]
    return valid, _read(out / "evaluate" / "valid_best" / "test" / "result.yaml"), checkpoint


def _chosen_by_trials(
    task: str, backend: Backend, out: Path
) -> tuple[float, dict[str, float], Path]:
    """Scores of the checkpoint with the best trials of the valid set."""
    metric = next(iter(backend.metrics))
    scores = {
        path.parent.name: _read(path)[metric]
        for path in (out / "evaluate" / "valid").glob("step_*/result.yaml")
    }
    step = min(scores, key=lambda name: (scores[name], int(name.partition("_")[2])))
    test = _read(out / "evaluate" / "test" / step / "result.yaml")
    return scores[step], test, out / "train" / step


def _layer_weights(checkpoint: Path) -> list[float]:
    path = checkpoint / "model" / "state_dict.pt"
    state = torch.load(path, map_location="cpu", weights_only=True)
    weights = state.get("featurizer.weights")
    return [1.0] if weights is None else torch.softmax(weights.float(), 0).tolist()


def _read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text(encoding="utf-8"))
