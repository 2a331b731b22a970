"""What our tasks share beyond ``GuardedTask``: options, and checks before training."""

import argparse

from espnet2.train.distributed_utils import DistributedOption
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import str2bool
from torch import nn

from codec_ssl.errors import ConfigError
from codec_ssl.tasks.guarded import GuardedTask
from codec_ssl.train.checkpoint import check_init_param


class RecordedTask(GuardedTask):
    """Mixin for ESPnet's tasks whose experiments say what their data were; named like its base."""

    @classmethod
    def add_recorded_arguments(cls, group: argparse._ArgumentGroup) -> None:
        """Add ``--strict_init`` and ``--data_record``."""
        group.add_argument(
            "--strict_init",
            type=str2bool,
            default=True,
            help="--init_param must fill all that it names, and nothing may be left over",
        )
        group.add_argument(
            "--data_record",
            action=NestedDictAction,
            default={},
            help="Written into config.yaml by the training: what the data are",
        )

    @classmethod
    def add_packed_arguments(cls, group: argparse._ArgumentGroup) -> None:
        """Add ``--compile_layers`` to the recorded ones, for models on packed batches."""
        group.add_argument(
            "--compile_layers",
            type=str2bool,
            default=False,
            help="torch.compile the Transformer's layers: minutes at the start, faster on a GPU",
        )
        cls.add_recorded_arguments(group)

    @classmethod
    def check_init(cls, args: argparse.Namespace, model: nn.Module) -> None:
        """See that ``--init_param`` fills what it names.

        Raises:
            CheckpointError: Naming keys that would silently keep their random values.
        """
        if args.strict_init:
            for init_param in args.init_param:
                check_init_param(model, init_param)


class WholeUtteranceTask(RecordedTask):
    """Mixin for ESPnet's tasks; to be named before the task among the bases."""

    @classmethod
    def check_options(cls, args: argparse.Namespace) -> None:
        """Refuse options that do not go with such batches.

        Raises:
            ConfigError: Naming the option.
        """
        super().check_options(args)
        if args.iterator_type != "sequence" or args.multiple_iterator:
            raise ConfigError(
                "batches of whole utterances need --iterator_type sequence, one iterator"
            )

    @classmethod
    def check_count(cls, count: int, distributed_option: DistributedOption, mode: str) -> None:
        """See that every process gets an utterance of each batch.

        Raises:
            ConfigError: There are fewer utterances than processes.
        """
        distributed = distributed_option.distributed
        ranks = distributed_option.dist_world_size if distributed else 1
        if count < ranks:
            raise ConfigError(
                f"{mode}: {count} utterances cannot be shared by {ranks} processes; every batch "
                "needs one for each"
            )
