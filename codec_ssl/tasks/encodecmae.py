"""The task that trains EnCodecMAE (arXiv 2309.07391), and goes on with k-means labels."""

import argparse
from collections.abc import Mapping

from espnet2.tasks.abs_task import AbsTask
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import str2bool, str_or_none
from torch import Tensor

from codec_ssl.features.mae_input import INPUTS, QUANTIZED
from codec_ssl.ssl.encodecmae import build_encodecmae
from codec_ssl.ssl.mae_objective import CODES, TARGETS, streams_of
from codec_ssl.tasks.encodecmae_data import (
    AUDIO,
    FEATURES,
    TYPES,
    Material,
    device_of,
    open_material,
)
from codec_ssl.tasks.encodecmae_model import ESPnetEncodecMAE, FrozenFront
from codec_ssl.tasks.encodecmae_record import check_resume, complete_sizes, record
from codec_ssl.tasks.packed import RecordedTask
from codec_ssl.tasks.ready_batches import SideCropTask
from codec_ssl.train.recovery import CheckpointKeeper
from codec_ssl.train.trainer import CodecSSLTrainer

CROP_FRAMES = 300


class EncodecMAETrainer(CodecSSLTrainer):
    """Counts frames of crops, masked and visible ones."""

    @classmethod
    def batch_size(cls, tensors: Mapping[str, Tensor]) -> int:
        """Frames of a batch."""
        return int(tensors["lengths"].sum())


class EncodecMAETask(SideCropTask, RecordedTask, AbsTask):
    """Data ``audio``, ``features``, ``codes``, ``labels``, see ``encodecmae_data``."""

    num_optimizers = 1
    trainer = EncodecMAETrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add the options of model and data, with the paper's values as defaults."""
        group = parser.add_argument_group("EnCodecMAE")
        add = group.add_argument
        add("--input", default="latent", choices=INPUTS, help="what goes in")
        add("--input_conf", action=NestedDictAction, default={}, help="of mel: see kaldi_mel.py")
        add("--target", default="codes", choices=TARGETS, help="what is predicted")
        for section in ("encoder_conf", "decoder_conf", "masking_conf", "target_conf"):
            add(f"--{section}", action=NestedDictAction, default={})
        add("--codec", type=str_or_none, help="of inputs, and of codes that no store brings")
        add(
            "--share_positions",
            type=str2bool,
            default=False,
            help="one gain of positions for encoder and decoder: the paper's first version",
        )
        add(
            "--encode_masked",
            type=str2bool,
            default=False,
            help="masked frames go through the encoder too: an ablation at twice the cost",
        )
        add("--crop_frames", type=int, default=CROP_FRAMES, help="shorter recordings go in whole")
        cls.add_packed_arguments(group)
        parser.set_defaults(
            iterator_type="task",
            batch_size=128,
            optim="adamw",
            optim_conf={"lr": 1e-4, "betas": [0.9, 0.95], "weight_decay": 0.05},
            grad_clip=float("inf"),
            seed=42,
            best_model_criterion=[("valid", "loss", "min")],
            val_scheduler_criterion=("valid", "loss"),
        )

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """All kinds of data."""
        return tuple(TYPES)

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ESPnetEncodecMAE:
        """Check the data, complete the configuration from it, and build the model.

        Raises:
            CodecSSLError: Data, configuration and checkpoint do not belong together.
        """
        front = FrozenFront(None, None, None, wants_codes=False)
        if args.train_data_path_and_name_and_type:
            material = open_material(args)
            data_record = record(args, material)
            keeper = CheckpointKeeper(args.output_dir, args.best_model_criterion)
            if args.resume and keeper.exists():
                check_resume(data_record, args.output_dir)
            complete_sizes(args, material)
            args.data_record = data_record
            cls._data = {split: opened.frames for split, opened in material.splits.items()}
            front = _front(args, material)
        if args.distributed and (args.encoder_conf.get("layerdrop") or 0.0) > 0.0:
            # Skipped layers get no gradient, and not on every rank at once.
            args.unused_parameters = True
        model = ESPnetEncodecMAE(build_encodecmae(vars(args)), front)
        if args.compile_layers:
            model.encodecmae.encoder.compile_layers()
            model.encodecmae.decoder.compile_layers()
        cls.check_init(args, model)
        return model


def _front(args: argparse.Namespace, material: Material) -> FrozenFront:
    """What is still to be computed of a batch."""
    found = material.splits["train"].paths
    of_audio = AUDIO in found
    by_table = args.input == QUANTIZED and CODES in found and FEATURES not in found
    return FrozenFront(
        source=material.source if of_audio and FEATURES not in found else None,
        codec=material.codec if of_audio else None,
        table=material.table(device_of(args)) if by_table else None,
        wants_codes=CODES in streams_of(args.target),
    )
