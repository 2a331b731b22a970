"""ESPnet's trainers with what users lost runs to: nothing of ESPnet is changed or copied.

``GuardedRun`` overrides the class methods that ESPnet's ``Trainer.run`` calls, and does its own
work around them:

================== =====================================================================
before ``run``      repair the experiment directory (``recovery.py``)
start of an epoch   confirm that the last checkpoint is whole and on the disk
every step          keep batches with a non-finite loss or gradient (``bad_batch.py``)
after validation    write ``history.json``, log one line, ring alarms, set the last good
                    checkpoint aside: ESPnet writes the new one next
================== =====================================================================

Everything random is seeded by ESPnet with ``seed + epoch`` at the start of an epoch, so that a
resumed run repeats what an uninterrupted one would have done, bit for bit on a CPU.
"""

import argparse
import dataclasses
import functools
import logging
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from espnet2.torch_utils.set_all_random_seed import set_all_random_seed
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.gan_trainer import GANTrainer, GANTrainerOptions
from espnet2.train.reporter import Average, SubReporter, aggregate
from espnet2.train.trainer import Trainer, TrainerOptions
from espnet2.utils.nested_dict_action import NestedDictAction
from torch import Tensor
from torch.amp import GradScaler

from codec_ssl.errors import CheckpointError, TrainingError
from codec_ssl.train.alarms import Alarm, build_alarms
from codec_ssl.train.bad_batch import BadBatches, Batch
from codec_ssl.train.history import History, describe
from codec_ssl.train.recovery import CheckpointKeeper
from codec_ssl.train.watch import WatchedBatches, last_value

_logger = logging.getLogger(__name__)
# Far apart, so that a rank never repeats what another one drew in an earlier epoch.
_RANK_SEED_STRIDE = 1_000_003


class Guard:
    """What a guarded run keeps between the calls that ESPnet makes.

    Args:
        args: Options of the command line.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        folder = Path(args.output_dir)
        self.checkpoints = CheckpointKeeper(folder, args.best_model_criterion)
        self.history = History(folder / "history.json")
        self.bad = BadBatches(folder / "bad_batches", args.max_bad_steps)
        self.alarms: list[Alarm] = build_alarms(args.alarm_conf)
        self.train_stats: dict[str, float] = {}
        self.unconfirmed: int | None = None
        self.rank = 0

    def begin(self, resume: bool, distributed_option: DistributedOption) -> None:
        """Repair the directory on rank 0, while the others wait."""
        distributed = distributed_option.distributed
        self.rank = self.bad.rank = distributed_option.dist_rank if distributed else 0
        epoch = 0
        if self.rank == 0:
            if resume:
                epoch = self.checkpoints.repair()
            else:
                self.checkpoints.set_aside()
        if distributed:
            shared = [epoch]
            torch.distributed.broadcast_object_list(shared)
            epoch = shared[0]
        self.history.resume(epoch)

    def confirm(self) -> None:
        """See that the checkpoint written last is whole."""
        if self.unconfirmed is not None and self.rank == 0:
            self.checkpoints.confirm(self.unconfirmed)
        self.unconfirmed = None

    def finish_epoch(self, epoch: int, max_epoch: int, valid: dict[str, float]) -> None:
        """Record an epoch; afterwards everything is ready for ESPnet to write its checkpoint."""
        self.history.append(epoch, self.train_stats, valid)
        if self.rank == 0:
            self.history.write()
            _logger.info("%s", describe(epoch, max_epoch, self.train_stats, valid))
        for alarm in self.alarms:
            alarm.check(self.history.epochs)
        if self.rank == 0:
            self.checkpoints.rotate()
        self.unconfirmed = epoch


@dataclasses.dataclass
class GuardedOptions(TrainerOptions):
    """ESPnet's options and the guard of the run."""

    guard: Guard


@dataclasses.dataclass
class GuardedGANOptions(GANTrainerOptions):
    """ESPnet's options for adversarial training and the guard of the run."""

    guard: Guard


class GuardedRun(ABC):
    """Mixin for ESPnet's trainers; to be named before the trainer among the bases.

    Attributes:
        options_class: Options with a guard.
        default_alarms: Default of ``--alarm_conf``.
        unit: What throughput counts.
    """

    options_class: ClassVar[type[TrainerOptions]]
    default_alarms: ClassVar[Mapping[str, Any]] = {}
    unit: ClassVar[str]

    @classmethod
    def add_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add ``--max_bad_steps`` and ``--alarm_conf``."""
        super().add_arguments(parser)
        group = parser.add_argument_group("Guards")
        group.add_argument(
            "--max_bad_steps",
            type=int,
            default=20,
            help="Stop after so many steps in a row with a non-finite loss, gradient or input",
        )
        group.add_argument(
            "--alarm_conf",
            action=NestedDictAction,
            default=dict(cls.default_alarms),
            help="{training statistic: [limit, epochs]}: stop when it stays under the limit; "
            "null turns an alarm off",
        )

    @classmethod
    def build_options(cls, args: argparse.Namespace) -> TrainerOptions:
        """Build ESPnet's options with a guard beside them."""
        base = super().build_options(args)
        fields = {field.name: getattr(base, field.name) for field in dataclasses.fields(base)}
        return cls.options_class(**fields, guard=Guard(args))

    @staticmethod
    def resume(checkpoint: str | Path, model: torch.nn.Module, **kwargs: Any) -> None:
        """Resume as ESPnet does.

        Raises:
            CheckpointError: The checkpoint is of another model.
        """
        try:
            Trainer.resume(checkpoint=checkpoint, model=model, **kwargs)
        except (RuntimeError, ValueError) as error:
            raise CheckpointError(
                f"{checkpoint} doesn't fit this configuration: {error}; use another --output_dir"
            ) from error

    @classmethod
    def run(
        cls,
        trainer_options: GuardedOptions | GuardedGANOptions,
        distributed_option: DistributedOption,
        **kwargs: Any,
    ) -> None:
        """Train.

        Raises:
            CheckpointError: Nothing whole to resume from, or a checkpoint cannot be written.
            TrainingError: An alarm, or too many bad steps.
        """
        guard = trainer_options.guard
        guard.begin(trainer_options.resume, distributed_option)
        try:
            super().run(
                trainer_options=trainer_options, distributed_option=distributed_option, **kwargs
            )
        except (OSError, RuntimeError) as error:
            if guard.unconfirmed is None:
                raise
            # ESPnet was saving: torch's own message rarely says that the disk is full.
            raise CheckpointError(
                f"{guard.checkpoints.folder}: a checkpoint could not be written: {error}; "
                f"{guard.checkpoints.previous.name} is kept: make room and run the same command"
            ) from error
        guard.confirm()

    @classmethod
    def train_one_epoch(
        cls,
        iterator: Iterable[Batch],
        reporter: SubReporter,
        options: GuardedOptions | GuardedGANOptions,
        distributed_option: DistributedOption,
        **kwargs: Any,
    ) -> bool:
        """Train one epoch as ESPnet does, with every batch watched.

        Returns:
            Whether no step was valid, which is always False here.

        Raises:
            TrainingError: Too many bad steps, or no good one in the epoch.
        """
        guard = options.guard
        guard.confirm()
        outcome = functools.partial(cls.bad_outcome, scaler=kwargs.get("scaler"))
        watched = WatchedBatches(
            iterator, reporter, guard.bad, options.accum_grad, cls.batch_size, outcome
        )
        start = time.perf_counter()
        none_valid = super().train_one_epoch(
            iterator=watched,
            reporter=reporter,
            options=options,
            distributed_option=distributed_option,
            **kwargs,
        )
        if none_valid:
            raise TrainingError(
                f"epoch {reporter.get_epoch()} had {reporter.count} batches and not one good step"
                + (f"; see {guard.bad.folder}" if reporter.count else ": is all audio too short?")
            )
        seconds = time.perf_counter() - start
        _add_throughput(reporter, cls.unit, watched.total, seconds, distributed_option.distributed)
        guard.train_stats = epoch_stats(reporter)
        return none_valid

    @classmethod
    def validate_one_epoch(
        cls,
        reporter: SubReporter,
        options: GuardedOptions | GuardedGANOptions,
        **kwargs: Any,
    ) -> None:
        """Validate as ESPnet does, drawing the same random numbers in every epoch.

        Raises:
            TrainingError: An alarm, or there was nothing to validate on.
        """
        set_all_random_seed(options.seed)
        super().validate_one_epoch(reporter=reporter, options=options, **kwargs)
        if reporter.count == 0 and not options.no_forward_run:
            raise TrainingError(
                "validation had no batch: the valid set fills not even one; a codec's takes "
                "batch_size chunks of chunk_length samples. Give the set more audio, or set "
                "valid_batch_size to 1",
                stage="data",
            )
        options.guard.finish_epoch(reporter.get_epoch(), options.max_epoch, epoch_stats(reporter))

    @classmethod
    @abstractmethod
    def batch_size(cls, tensors: Mapping[str, Tensor]) -> int:
        """Size of a batch in ``unit``."""

    @classmethod
    @abstractmethod
    def bad_outcome(cls, reporter: SubReporter, scaler: GradScaler | None) -> str | None:
        """What was wrong with the step just done, or None."""


class CodecSSLTrainer(GuardedRun, Trainer):
    """Trainer of models with one optimizer on token stores."""

    options_class = GuardedOptions
    unit = "frames"
    default_alarms: ClassVar[Mapping[str, Any]] = {
        "loss": [1e-3, 3],
        "code_usage": [0.005, 3],
        "target_perplexity": [1.2, 3],
        "pred_perplexity": [1.02, 10],
    }

    @classmethod
    def train_one_epoch(cls, reporter: SubReporter, options: GuardedOptions, **kwargs: Any) -> bool:
        """Train one epoch; every rank draws its own masks and dropout."""
        if options.guard.rank > 0:
            seed = options.seed + reporter.get_epoch()
            torch.manual_seed(seed + options.guard.rank * _RANK_SEED_STRIDE)
        return super().train_one_epoch(reporter=reporter, options=options, **kwargs)

    @classmethod
    def batch_size(cls, tensors: Mapping[str, Tensor]) -> int:
        """Frames of a batch."""
        return int(tensors["codes_lengths"].sum())

    @classmethod
    def bad_outcome(cls, reporter: SubReporter, scaler: GradScaler | None) -> str | None:
        """A step that ESPnet skipped because its gradient was not finite reported no norm."""
        norm = last_value(reporter, "grad_norm")
        if norm is not None and math.isfinite(norm):
            return None
        loss = last_value(reporter, "loss")
        if loss is not None and not math.isfinite(loss):
            return "non-finite loss"
        if scaler is not None and scaler.is_enabled() and scaler.get_scale() >= 1.0:
            # Half precision looking for its loss scale, which it halves after such a step.
            return None
        return "non-finite gradient"


class CodecSSLGANTrainer(GuardedRun, GANTrainer):
    """Trainer of ESPnet's codecs."""

    options_class = GuardedGANOptions
    unit = "samples"
    default_alarms: ClassVar[Mapping[str, Any]] = {"code_usage": [0.005, 3]}

    @classmethod
    def run(cls, optimizers: Sequence[torch.optim.Optimizer], **kwargs: Any) -> None:
        """Train; a non-finite gradient never reaches the weights, with or without clipping."""
        for optimizer in optimizers:
            optimizer.register_step_pre_hook(_drop_bad_gradient)
        super().run(optimizers=optimizers, **kwargs)

    @classmethod
    def batch_size(cls, tensors: Mapping[str, Tensor]) -> int:
        """Samples of a batch."""
        return tensors["audio"].numel()

    @classmethod
    def bad_outcome(cls, reporter: SubReporter, scaler: GradScaler | None) -> str | None:
        """A step is bad if any of its losses is not finite."""
        losses = [stat for stat in reporter.stats if stat.endswith("loss")]
        bad = [s for s in losses if not math.isfinite(last_value(reporter, s) or 0.0)]
        return f"non-finite {', '.join(bad)}" if bad else None


def epoch_stats(reporter: SubReporter) -> dict[str, float]:
    """Means of an epoch's statistics, as ESPnet's reporter will show them."""
    return {key: float(aggregate(values)) for key, values in reporter.stats.items()}


def _drop_bad_gradient(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
    """Take away a non-finite gradient: without one, a step changes nothing.

    ESPnet looks at the gradient of adversarial training only if it clips it.
    """
    params = [p for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    if params and not torch.isfinite(torch.nn.utils.get_total_norm([p.grad for p in params])):
        _logger.warning("non-finite gradient: this step is skipped")
        for param in params:
            param.grad = None


def _add_throughput(
    reporter: SubReporter, unit: str, total: int, seconds: float, distributed: bool
) -> None:
    """Add units a second (all ranks) and the share of time spent waiting for data to an epoch."""
    if distributed:
        shared = torch.tensor(
            float(total), device="cuda" if torch.distributed.get_backend() == "nccl" else "cpu"
        )
        torch.distributed.all_reduce(shared)
        total = int(shared)
    waits = [value.value for value in reporter.stats["iter_time"]]
    measured = {
        f"{unit}_per_sec": total / seconds,
        "data_wait_share": min(1.0, math.fsum(waits) / seconds),
    }
    for key, value in measured.items():
        # One number an epoch: the same for each step, so that the mean over steps is itself.
        reporter.stats[key] = [Average(value)] * reporter.count
