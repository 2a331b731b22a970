"""The task that trains RepCodec (arXiv 2309.00169, appendix B) and its VQ baseline."""

import argparse
import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.tasks.abs_task import AbsTask
from espnet2.train.distributed_utils import DistributedOption
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import int_or_none
from torch import Tensor

from codec_ssl.errors import ConfigError
from codec_ssl.features.stream import BATCH_FRAMES
from codec_ssl.tasks.ready_batches import CodebookTask
from codec_ssl.tasks.tokenizer_data import (
    check_resume,
    iter_factory,
    open_features,
    record,
)
from codec_ssl.tasks.tokenizer_model import ESPnetTokenizer
from codec_ssl.tokenizers.experiment import export_tokenizer, learned_class
from codec_ssl.tokenizers.learned import (
    COMMITMENT_WEIGHT,
    CROP_FRAMES,
    RECONSTRUCTION_WEIGHT,
)
from codec_ssl.train.crop_stream import StreamOptions
from codec_ssl.train.recovery import CheckpointKeeper
from codec_ssl.train.trainer import CodecSSLTrainer


class TokenizerTrainer(CodecSSLTrainer):
    """Counts frames of features, and rings for collapsed codebooks and constant features."""

    default_alarms: ClassVar[Mapping[str, Any]] = {
        "code_usage": [0.002, 3],
        "relative_reconstruction_loss": [1e-6, 3],
    }

    @classmethod
    def batch_size(cls, tensors: Mapping[str, Tensor]) -> int:
        """Frames of a batch."""
        return int(tensors["features_lengths"].sum())


class TokenizerTask(CodebookTask, AbsTask):
    """Data ``features`` of type ``feature_cache``, or ``codes`` of type ``token_store``.

    At its end the folder ``tokenizer`` in the experiment directory holds the tokenizer.
    """

    num_optimizers = 1
    trainer = TokenizerTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add the options of model and data, with the paper's values as defaults."""
        group = parser.add_argument_group("Tokenizer")
        add, stream = group.add_argument, StreamOptions()
        add("--tokenizer", default="repcodec", choices=["repcodec", "vq"])
        add(
            "--tokenizer_conf",
            action=NestedDictAction,
            default={},
            help="num_clusters, num_quantizers, decay; for repcodec encoder_blocks, decoder_blocks",
        )
        add("--reconstruction_weight", type=float, default=RECONSTRUCTION_WEIGHT)
        add("--commitment_weight", type=float, default=COMMITMENT_WEIGHT)
        add("--crop_frames", type=int, default=CROP_FRAMES, help="shorter utterances go in whole")
        add("--feature_encoder", help="to stream: what --encoder of other commands takes")
        add("--feature_checkpoint", default="latest", help="latest, best or an epoch number")
        add("--feature_layer", type=int_or_none, help="1-based; 0 = input to the first layer")
        add("--feature_layer_weights", help="in place of a layer: a list or a file, see mix.py")
        add("--feature_batch_frames", type=int, default=BATCH_FRAMES, help="of the encoder")
        add(
            "--crops_per_visit",
            type=int,
            default=stream.crops_per_visit,
            help="to stream: crops cut from an utterance that was encoded; 1 is the paper's",
        )
        add(
            "--shuffle_crops",
            type=int,
            default=stream.shuffle_crops,
            help="to stream: crops held in memory and mixed",
        )
        add("--export", default="latest", choices=["latest", "best"], help="weights to export")
        add(
            "--data_record",
            action=NestedDictAction,
            default={},
            help="Written into config.yaml by the training: what the data are",
        )
        parser.set_defaults(
            iterator_type="task",
            batch_size=32,
            num_iters_per_epoch=2000,
            max_epoch=100,
            optim="adam",
            optim_conf={"lr": 1e-4, "betas": [0.5, 0.9], "weight_decay": 0.0},
            grad_clip=math.inf,
            seed=1337,
            best_model_criterion=[("valid", "reconstruction_loss", "min")],
            val_scheduler_criterion=("valid", "reconstruction_loss"),
        )

    @classmethod
    def main_worker(cls, args: argparse.Namespace) -> None:
        """Train, then write the tokenizer."""
        super().main_worker(args)
        rank = torch.distributed.get_rank() if torch.distributed.is_initialized() else 0
        if rank == 0 and not args.dry_run:
            export_tokenizer(args.output_dir, args.export)

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Features, or what an encoder makes them of."""
        return ("features", "codes", "audio")

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ESPnetTokenizer:
        """Check the data, complete the configuration from it, and build the model.

        Raises:
            CodecSSLError: Data, configuration and checkpoint do not belong together.
        """
        if args.train_data_path_and_name_and_type:
            features = open_features(args)
            data_record = record(features)
            keeper = CheckpointKeeper(args.output_dir, args.best_model_criterion)
            if args.resume and keeper.exists():
                check_resume(data_record, args.output_dir)
            args.data_record = data_record
            width = features["train"].width
            if args.tokenizer_conf.setdefault("width", width) != width:
                raise ConfigError(
                    f"tokenizer_conf says width {args.tokenizer_conf['width']}, but"
                    f" {features['train'].origin} has {width}"
                )
        tokenizer = learned_class(args.tokenizer).from_settings(args.tokenizer_conf)
        return ESPnetTokenizer(tokenizer.codec, args.reconstruction_weight, args.commitment_weight)

    @classmethod
    def build_iter_factory(
        cls,
        args: argparse.Namespace,
        distributed_option: DistributedOption,
        mode: str,
        kwargs: dict[str, Any] | None = None,
    ) -> AbsIterFactory:
        """Build the batches of training or validation."""
        return iter_factory(args, distributed_option, mode)
