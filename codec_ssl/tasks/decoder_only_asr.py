"""The task that trains decoder-only ASR on discrete units (RepCodec, arXiv 2309.00169, B.2)."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from espnet2.tasks.abs_task import AbsTask, IteratorOptions
from espnet2.train.distributed_utils import DistributedOption
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import int_or_none
from torch import Tensor

from codec_ssl.asr.decoder_only import CONDITIONAL, LABEL_SMOOTHING, OBJECTIVES, build_decoder_only
from codec_ssl.asr.transcripts import add_unusable_option
from codec_ssl.tasks.decoder_only_asr_data import (
    SPLITS,
    TextToPieces,
    check_resume,
    check_sets,
    open_pieces,
    open_split,
    record_sets,
    usable_lengths,
)
from codec_ssl.tasks.decoder_only_asr_model import ESPnetDecoderOnlyASR
from codec_ssl.tasks.packed import WholeUtteranceTask
from codec_ssl.train import data_type
from codec_ssl.train.collate import Batch, pack_streams
from codec_ssl.train.lengths import write_shapes
from codec_ssl.train.recovery import CheckpointKeeper
from codec_ssl.train.trainer import CodecSSLTrainer

data_type.register()
PIECES = "pieces"
MAX_STEPS, STEPS_AN_EPOCH = 100_000, 2_000


class ASRTrainer(CodecSSLTrainer):
    """Counts places of the joint sequences: frames and pieces."""

    unit = "tokens"
    default_alarms: ClassVar[Mapping[str, Any]] = {"loss": [1e-3, 3]}

    @classmethod
    def batch_size(cls, tensors: Mapping[str, Tensor]) -> int:
        """Tokens of a batch."""
        lengths = [value for name, value in tensors.items() if name.endswith("_lengths")]
        return sum(int(each.sum()) for each in lengths) + len(lengths[0])


class DecoderOnlyASRTask(WholeUtteranceTask, AbsTask):
    """Data ``codes`` (token_store) or ``features`` (feature_cache), and ``text`` (transcripts).

    The pieces are copied into the experiment directory, so that it is enough for decoding.
    """

    num_optimizers = 1
    trainer = ASRTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add the options of model and data, with the paper's values as defaults."""
        group = parser.add_argument_group("Decoder-only ASR")
        add = group.add_argument
        cls.add_packed_arguments(group)
        add("--decoder_conf", action=NestedDictAction, default={}, help="of the Transformer")
        add("--objective", default=CONDITIONAL, choices=OBJECTIVES, help="what is predicted")
        add("--label_smoothing", type=float, default=LABEL_SMOOTHING)
        add("--frames_conf", action=NestedDictAction, default={}, help="count stacked, jitter")
        add("--specaugment", action=NestedDictAction, default={}, help="on the embedded speech")
        add("--text_noise", type=float, default=0.0, help="share of the pieces read drawn anew")
        add("--pieces", help="folder of train_sentencepiece")
        add_unusable_option(group)
        add(
            "--max_length",
            type=int_or_none,
            default=None,
            help="leave longer training sequences (frames and pieces) out; null keeps all",
        )
        parser.set_defaults(
            batch_type="numel",
            batch_bins=40_000,
            num_iters_per_epoch=STEPS_AN_EPOCH,
            max_epoch=MAX_STEPS // STEPS_AN_EPOCH,
            optim="adam",
            optim_conf={"lr": 1e-3, "betas": [0.9, 0.999]},
            scheduler="warmuplr",
            scheduler_conf={"warmup_steps": 5000},
            best_model_criterion=[("valid", "acc", "max")],
            val_scheduler_criterion=("valid", "loss"),
        )

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Transcripts."""
        return ("text",)

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Speech, as units or as features."""
        return ("codes", "features")

    @classmethod
    def build_collate_fn(
        cls, args: argparse.Namespace, train: bool
    ) -> Callable[[list[tuple[str, dict[str, np.ndarray]]]], Batch]:
        """Pack speech and text, each by itself."""
        return pack_streams

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool) -> TextToPieces:
        """Cut transcripts into pieces."""
        return TextToPieces(open_pieces(args))

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ESPnetDecoderOnlyASR:
        """Check the data, complete the configuration from it, and build the model.

        Raises:
            CodecSSLError: Data, configuration and checkpoint do not belong together.
        """
        if args.train_data_path_and_name_and_type:
            sets = {split: open_split(args, split) for split in SPLITS}
            check_sets(sets)
            data_record = record_sets(sets)
            keeper = CheckpointKeeper(args.output_dir, args.best_model_criterion)
            if args.resume and keeper.exists():
                check_resume(sets, data_record, Path(args.output_dir))
            args.data_record = data_record
        model = ESPnetDecoderOnlyASR(build_decoder_only(vars(args)))
        if args.train_data_path_and_name_and_type and not args.dist_rank:
            sets["train"].pieces.save(Path(args.output_dir) / PIECES)
        if args.compile_layers:
            model.asr.decoder.compile_layers()
        cls.check_init(args, model)
        return model

    @classmethod
    def build_iter_options(
        cls, args: argparse.Namespace, distributed_option: DistributedOption, mode: str
    ) -> IteratorOptions:
        """Take lengths from indexes and transcripts; only training leaves long ones out.

        Raises:
            ConfigError: There are fewer utterances than processes.
        """
        options = super().build_iter_options(args, distributed_option, mode)
        longest = args.max_length if mode == "train" else None
        lengths = usable_lengths(open_split(args, mode), mode, longest)
        cls.check_count(len(lengths), distributed_option, mode)
        path = Path(args.output_dir) / "lengths" / mode
        write_shapes(path, lengths)
        options.shape_files = [str(path)]
        return options
