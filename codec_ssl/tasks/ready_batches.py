"""What tasks share whose iterator brings whole batches, made of crops."""

import argparse
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.train.distributed_utils import DistributedOption

from codec_ssl.errors import ConfigError
from codec_ssl.tasks.guarded import GuardedTask
from codec_ssl.train.crops import CropOptions
from codec_ssl.train.side_by_side import SideBySide
from codec_ssl.train.side_crops import crop_training, crop_validation, passes_of


def crop_options(
    args: argparse.Namespace, crops: int, distributed_option: DistributedOption
) -> CropOptions:
    """What a training asks for, in this process.

    Args:
        args: Its options.
        crops: Crops of a pass through the data, which make an epoch of no other length.
        distributed_option: Of its processes.
    """
    distributed = distributed_option.distributed
    return CropOptions(
        crop_frames=args.crop_frames,
        batch_size=args.batch_size,
        steps=args.num_iters_per_epoch or -(-crops // args.batch_size),
        seed=args.seed,
        rank=distributed_option.dist_rank if distributed else 0,
        num_ranks=distributed_option.dist_world_size if distributed else 1,
    )


class ReadyBatchTask(GuardedTask):
    """Mixin for ESPnet's tasks; to be named before the task among the bases."""

    @classmethod
    def check_options(cls, args: argparse.Namespace) -> None:
        """Refuse options that would not do what they say.

        Raises:
            ConfigError: Naming the option.
        """
        super().check_options(args)
        if args.iterator_type != "task" or args.multiple_iterator:
            raise ConfigError("batches of crops need --iterator_type task, one iterator")
        if args.valid_iterator_type not in (None, "task"):
            raise ConfigError("batches of crops need --valid_iterator_type task")
        if args.grad_clip <= 0:
            raise ConfigError(
                f"--grad_clip {args.grad_clip} would turn gradients around; inf clips nothing"
            )

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """None that are always there."""
        return ()

    @classmethod
    def build_collate_fn(cls, args: argparse.Namespace, train: bool) -> None:
        """Batches come whole."""
        return None

    @classmethod
    def build_preprocess_fn(
        cls, args: argparse.Namespace, train: bool
    ) -> Callable[[str, dict[str, np.ndarray]], dict[str, np.ndarray]] | None:
        """Batches need no preprocessing."""
        return None


class SideCropTask(ReadyBatchTask):
    """Mixin for tasks whose crops are of several streams that lie side by side."""

    # The data of the last model by split, which the batches are made of.
    _data: ClassVar[Mapping[str, SideBySide]] = {}

    @classmethod
    def build_iter_factory(
        cls,
        args: argparse.Namespace,
        distributed_option: DistributedOption,
        mode: str,
        kwargs: dict[str, Any] | None = None,
    ) -> AbsIterFactory:
        """Build the batches of training or validation."""
        data = cls._data[mode]
        crops = passes_of(data, args.crop_frames)
        options = crop_options(args, crops, distributed_option)
        make = crop_training if mode == "train" else crop_validation
        return make(data, options, args.num_workers, pin_memory=args.ngpu > 0)


class CodebookTask(ReadyBatchTask):
    """Mixin for tasks whose codebooks move with every batch."""

    @classmethod
    def check_options(cls, args: argparse.Namespace) -> None:
        """Refuse options that would not do what they say.

        Raises:
            ConfigError: Naming the option.
        """
        super().check_options(args)
        if args.accum_grad != 1:
            raise ConfigError(
                f"--accum_grad must be 1, not {args.accum_grad}: the codebooks move with every"
                " batch"
            )
