"""What tasks share whose iterator brings whole batches, made of crops."""

import argparse
from collections.abc import Callable

import numpy as np
from espnet2.train.distributed_utils import DistributedOption

from codec_ssl.errors import ConfigError
from codec_ssl.tasks.guarded import GuardedTask
from codec_ssl.train.crops import CropOptions


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
