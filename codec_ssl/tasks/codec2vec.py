"""The task that trains Codec2Vec: masked prediction on codec units (arXiv 2511.16639)."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.tasks.abs_task import AbsTask, IteratorOptions
from espnet2.train.distributed_utils import DistributedOption
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import int_or_none

from codec_ssl.ssl.codec2vec import build_codec2vec
from codec_ssl.tasks.codec2vec_data import (
    check_resume,
    check_stores,
    complete_sizes,
    open_stores,
    record_stores,
)
from codec_ssl.tasks.codec2vec_model import ESPnetCodec2Vec
from codec_ssl.tasks.packed import WholeUtteranceTask
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train import data_type
from codec_ssl.train.collate import PackedCollate
from codec_ssl.train.lengths import write_lengths
from codec_ssl.train.recovery import CheckpointKeeper
from codec_ssl.train.trainer import CodecSSLTrainer

data_type.register()


class EpochCrops(AbsIterFactory):
    """Tells the collate function which epoch it is, so that crops differ between epochs.

    Args:
        factory: ESPnet's own.
        collate: Its collate function.
    """

    def __init__(self, factory: AbsIterFactory, collate: PackedCollate) -> None:
        self.factory = factory
        self.collate = collate

    def build_iter(self, epoch: int, shuffle: bool | None = None) -> Any:
        """Build the iterator of an epoch."""
        self.collate.epoch = epoch
        return self.factory.build_iter(epoch, shuffle)


class Codec2VecTask(WholeUtteranceTask, AbsTask):
    """Data ``codes`` and, for the target ``cluster``, ``labels``: both of type ``token_store``."""

    num_optimizers = 1
    trainer = CodecSSLTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add the options of model and data."""
        group = parser.add_argument_group("Codec2Vec")
        for section in ("frontend_conf", "encoder_conf", "masking_conf", "target_conf"):
            group.add_argument(f"--{section}", action=NestedDictAction, default={})
        group.add_argument(
            "--target", default="reconstruction", choices=["reconstruction", "cluster", "online"]
        )
        cls.add_packed_arguments(group)
        group.add_argument("--min_frames", type=int, default=1, help="Leave out shorter utterances")
        group.add_argument(
            "--max_frames",
            type=int_or_none,
            default=None,
            help="Crop longer utterances to so many frames, elsewhere in each epoch",
        )
        parser.set_defaults(
            batch_type="numel",
            best_model_criterion=[("valid", "loss", "min")],
            val_scheduler_criterion=("valid", "loss"),
        )

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Codes."""
        return ("codes",)

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Labels."""
        return ("labels",)

    @classmethod
    def build_collate_fn(cls, args: argparse.Namespace, train: bool) -> PackedCollate:
        """Pack batches; only training's crops move from epoch to epoch."""
        return PackedCollate(args.max_frames, args.seed)

    @classmethod
    def build_preprocess_fn(
        cls, args: argparse.Namespace, train: bool
    ) -> Callable[[str, dict[str, np.ndarray]], dict[str, np.ndarray]] | None:
        """Codes need no preprocessing."""
        return None

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ESPnetCodec2Vec:
        """Check the data, complete the configuration from it, and build the model.

        Raises:
            CodecSSLError: Data, configuration and checkpoint do not belong together.
        """
        if args.train_data_path_and_name_and_type:
            stores = open_stores(args)
            check_stores(stores)
            keeper = CheckpointKeeper(args.output_dir, args.best_model_criterion)
            if args.resume and keeper.exists():
                check_resume(stores, args.output_dir)
            complete_sizes(args, stores)
            args.data_record = record_stores(stores)
        # Skipped layers and a frozen frontend get no gradient, and not on every rank at once.
        args.unused_parameters = args.unused_parameters or args.distributed
        model = ESPnetCodec2Vec(build_codec2vec(vars(args)))
        if args.compile_layers:
            model.codec2vec.encoder.compile_layers()
        cls.check_init(args, model)
        return model

    @classmethod
    def build_optimizers(
        cls, args: argparse.Namespace, model: ESPnetCodec2Vec
    ) -> list[torch.optim.Optimizer]:
        """Build the optimizer; the model counts its steps, which accumulation makes fewer."""
        optimizers = super().build_optimizers(args, model)
        optimizers[0].register_step_post_hook(lambda *_: model.count_update())
        return optimizers

    @classmethod
    def build_iter_options(
        cls, args: argparse.Namespace, distributed_option: DistributedOption, mode: str
    ) -> IteratorOptions:
        """Take lengths from the store's index, as cropping will make them.

        Raises:
            ConfigError: There are fewer utterances than processes.
        """
        options = super().build_iter_options(args, distributed_option, mode)
        paths = {name: path for path, name, _ in options.data_path_and_name_and_type}
        lengths = Path(args.output_dir) / "lengths" / mode
        count = write_lengths(
            TokenStore(paths["codes"]),
            lengths,
            wanted=options.shape_files[0] if options.shape_files else None,
            min_frames=args.min_frames,
            max_frames=args.max_frames,
        )
        cls.check_count(count, distributed_option, mode)
        options.shape_files = [str(lengths)]
        return options

    @classmethod
    def build_iter_factory(
        cls,
        args: argparse.Namespace,
        distributed_option: DistributedOption,
        mode: str,
        kwargs: dict[str, Any] | None = None,
    ) -> AbsIterFactory:
        """Build ESPnet's iterator factory; in training, crops change with the epoch."""
        factory = super().build_iter_factory(args, distributed_option, mode, kwargs)
        if mode != "train":
            return factory
        return EpochCrops(factory, factory.collate_fn)
