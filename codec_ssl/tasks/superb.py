"""The task that trains one of SUPERB's heads on a frozen encoder's layers (arXiv 2105.01051).

Heads are s3prl's. Optimiser, batch and steps are those of ``conf/superb/<task>.yaml``. After each
epoch the task's own measure (PER, EER, F1 …) of the whole valid set is a statistic of ESPnet's
reporter, so that it chooses the checkpoint, as in the benchmark.
"""

import argparse
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.tasks.abs_task import AbsTask
from espnet2.train.distributed_utils import DistributedOption
from espnet2.train.reporter import Average, SubReporter
from espnet2.train.trainer import Trainer
from espnet2.utils.nested_dict_action import NestedDictAction
from torch import Tensor, nn

from codec_ssl.errors import ConfigError
from codec_ssl.evaluation.superb.items import WholeItems, open_encoder
from codec_ssl.evaluation.superb.model import SuperbModel
from codec_ssl.evaluation.superb.problem import PROBLEMS, Problem, problem_class
from codec_ssl.tasks.data_paths import check_same_data
from codec_ssl.tasks.packed import RecordedTask
from codec_ssl.tasks.ready_batches import ReadyBatchTask
from codec_ssl.tasks.superb_data import (
    TYPES,
    BatchOptions,
    Material,
    TrainingItems,
    device_of,
    open_material,
)
from codec_ssl.tasks.superb_model import ESPnetSuperb
from codec_ssl.train.crops import StepLoader
from codec_ssl.train.recovery import CheckpointKeeper
from codec_ssl.train.trainer import CodecSSLTrainer


class MeasuredValidation(Trainer):
    """ESPnet's trainer, with measures of the whole valid set among the statistics."""

    @classmethod
    def validate_one_epoch(
        cls,
        model: nn.Module,
        reporter: SubReporter,
        distributed_option: DistributedOption,
        **kwargs: Any,
    ) -> None:
        """Validate as ESPnet does, then measure all that was predicted."""
        plain: ESPnetSuperb = getattr(model, "module", model)
        plain.predictions.clear()
        super().validate_one_epoch(
            model=model, reporter=reporter, distributed_option=distributed_option, **kwargs
        )
        parts = [plain.predictions]
        if distributed_option.distributed:
            parts = [{} for _ in range(torch.distributed.get_world_size())]
            torch.distributed.all_gather_object(parts, plain.predictions)
        found = {utt: value for part in parts for utt, value in part.items()}
        for name, value in plain.measure(found).items():
            # One number an epoch: the same for each step, so that the mean over steps is itself.
            reporter.stats[name] = [Average(value)] * reporter.count


class SuperbTrainer(CodecSSLTrainer, MeasuredValidation):
    """Counts utterances; small sets are learnt by heart, which rings no alarm."""

    unit = "utterances"
    default_alarms: ClassVar[dict[str, Any]] = {}

    @classmethod
    def batch_size(cls, tensors: Mapping[str, Tensor]) -> int:
        """Utterances of a batch."""
        return len(tensors["input_lengths"])


class SuperbTask(ReadyBatchTask, RecordedTask, AbsTask):
    """Data ``labels``, ``codes``, ``layers``, see ``superb_data``."""

    num_optimizers = 1
    trainer = SuperbTrainer
    # The data of the last model, which the batches are made of.
    _material: ClassVar[Material | None] = None
    _problem: ClassVar[Problem | None] = None

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add the options of task, encoder and head."""
        group = parser.add_argument_group("SUPERB")
        add = group.add_argument
        add("--problem", choices=sorted(PROBLEMS), help="the task")
        add(
            "--encoder_conf",
            action=NestedDictAction,
            default={},
            help="name=..., of an experiment: checkpoint=..., untrained_seed=...; tokenizer=...",
        )
        add("--featurizer_conf", action=NestedDictAction, default={}, help="normalize=true")
        add("--head_conf", action=NestedDictAction, default={}, help="sizes of the head")
        add(
            "--batch_conf",
            action=NestedDictAction,
            default={},
            help="crop_seconds, min_seconds, balanced, bucketed of training batches",
        )
        add(
            "--vocabulary",
            action=NestedDictAction,
            default={},
            help="Written into config.yaml by the training: classes or symbols",
        )
        cls.add_recorded_arguments(group)
        parser.set_defaults(
            iterator_type="task", batch_size=32, optim="adam", optim_conf={"lr": 1e-4}, grad_clip=1
        )

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """All kinds of data."""
        return tuple(TYPES)

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ESPnetSuperb:
        """Open the data, learn classes or symbols from the training's labels, build the model.

        Raises:
            CodecSSLError: Data, configuration and checkpoint do not belong together.
        """
        if args.problem is None:
            raise ConfigError(f"--problem: expected one of {', '.join(PROBLEMS)}, found none")
        made = problem_class(args.problem)
        direction = "max" if made.higher_is_better else "min"
        args.best_model_criterion = [("valid", made.metric, direction)]
        args.val_scheduler_criterion = ("valid", made.metric)
        args.early_stopping_criterion = ("valid", made.metric, direction)
        if not args.train_data_path_and_name_and_type:
            encoder = open_encoder(args.encoder_conf, None, device_of(args))
            return ESPnetSuperb(_model(args, made(args.vocabulary, args.head_conf), encoder))
        material = open_material(args, made)
        args.vocabulary = made.learn(material.sets["train"].labels)
        record = material.record()
        keeper = CheckpointKeeper(args.output_dir, args.best_model_criterion)
        if args.resume and keeper.exists():
            check_same_data(args.output_dir, record)
        args.data_record = record
        problem = made(args.vocabulary, args.head_conf)
        cls._material, cls._problem = material, problem
        model = ESPnetSuperb(_model(args, problem, material.encoder), material.truth)
        cls.check_init(args, model)
        return model

    @classmethod
    def build_iter_factory(
        cls,
        args: argparse.Namespace,
        distributed_option: DistributedOption,
        mode: str,
        kwargs: dict[str, Any] | None = None,
    ) -> AbsIterFactory:
        """Build the batches of training or validation."""
        data, problem = cls._material.sets[mode], cls._problem
        distributed = distributed_option.distributed
        rank = distributed_option.dist_rank if distributed else 0
        num_ranks = distributed_option.dist_world_size if distributed else 1
        if mode == "valid":
            size = args.valid_batch_size or args.batch_size
            whole = WholeItems(data, problem, size, rank, num_ranks)
            return _loader(args, whole, lambda _: range(len(whole)))
        steps = args.num_iters_per_epoch or -(-len(data) // args.batch_size)
        conf = {"bucketed": problem.bucketed, **args.batch_conf}
        ranks = {"rank": rank, "num_ranks": num_ranks}
        try:
            options = BatchOptions(args.batch_size, steps, args.seed, **conf, **ranks)
        except TypeError as error:
            raise ConfigError(f"batch_conf: {error}") from error
        items = TrainingItems(data, problem, options)
        return _loader(args, items, lambda epoch: range((epoch - 1) * steps, epoch * steps))


def _loader(args: argparse.Namespace, batches: Any, numbers: Any) -> StepLoader:
    # An encoder on a GPU cannot be used by workers, which read its inputs only.
    return StepLoader(batches, numbers, args.num_workers, pin_memory=args.ngpu > 0)


def _model(args: argparse.Namespace, problem: Problem, encoder: Any) -> SuperbModel:
    return SuperbModel(problem, encoder, args.featurizer_conf)
