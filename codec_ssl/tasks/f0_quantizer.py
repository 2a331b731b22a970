"""The task that trains the F0 quantizer of a multi-speaker vocoder (Polyak et al. 2021)."""

import argparse
from collections.abc import Mapping
from typing import Any, ClassVar

from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.tasks.abs_task import AbsTask
from espnet2.train.distributed_utils import DistributedOption
from espnet2.utils.nested_dict_action import NestedDictAction
from torch import Tensor

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError
from codec_ssl.tasks.data_paths import check_same_data, data_paths
from codec_ssl.tasks.f0_quantizer_model import (
    COMMITMENT_WEIGHT,
    VOICING_WEIGHT,
    ESPnetF0Quantizer,
)
from codec_ssl.tasks.ready_batches import CodebookTask, crop_options
from codec_ssl.train.crops import cached_training, cached_validation
from codec_ssl.train.recovery import CheckpointKeeper
from codec_ssl.train.trainer import CodecSSLTrainer
from codec_ssl.vocoder.f0 import Contours, PitchStatistics
from codec_ssl.vocoder.f0_codes import PitchFacts
from codec_ssl.vocoder.f0_quantizer import F0Quantizer

CONTOURS, SPEAKERS = "contours", "speakers"
_TYPES = {CONTOURS: "feature_cache", SPEAKERS: "data_dir"}
# Of 5 ms: 1.28 s. The papers do not state it.
CROP_FRAMES = 256


class F0QuantizerTrainer(CodecSSLTrainer):
    """Counts frames of contours, and rings if one code is all that is left."""

    default_alarms: ClassVar[Mapping[str, Any]] = {"perplexity": [1.05, 10]}

    @classmethod
    def batch_size(cls, tensors: Mapping[str, Tensor]) -> int:
        """Frames of a batch."""
        return int(tensors["features_lengths"].sum())


class F0QuantizerTask(CodebookTask, AbsTask):
    """Data ``contours`` of type ``feature_cache`` and ``speakers`` of type ``data_dir``.

    Mean and deviation of each speaker's log F0 are measured on the training set, and kept in
    ``config.yaml``.
    """

    num_optimizers = 1
    trainer = F0QuantizerTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add the options of model and data."""
        add = parser.add_argument_group("F0 quantizer").add_argument
        add(
            "--quantizer_conf",
            action=NestedDictAction,
            default={},
            help="num_bins, num_downs, width, dim, num_blocks, decay",
        )
        add("--commitment_weight", type=float, default=COMMITMENT_WEIGHT)
        add("--voicing_weight", type=float, default=VOICING_WEIGHT)
        add("--crop_frames", type=int, default=CROP_FRAMES, help="shorter utterances go in whole")
        add(
            "--data_record",
            action=NestedDictAction,
            default={},
            help="Written into config.yaml by the training: what the data are",
        )
        parser.set_defaults(
            iterator_type="task",
            batch_size=32,
            num_iters_per_epoch=1000,
            max_epoch=20,
            optim="adam",
            optim_conf={"lr": 2e-4, "betas": [0.8, 0.99]},
            best_model_criterion=[("valid", "loss", "min")],
            val_scheduler_criterion=("valid", "loss"),
        )

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Contours, and who speaks."""
        return (CONTOURS, SPEAKERS)

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ESPnetF0Quantizer:
        """Check the data, complete the configuration from it, and build the model.

        Raises:
            CodecSSLError: Data, configuration and checkpoint do not belong together.
        """
        if args.train_data_path_and_name_and_type:
            args.data_record = _record(args)
        try:
            quantizer = F0Quantizer(**args.quantizer_conf)
        except TypeError as error:
            raise ConfigError(f"quantizer_conf: {error}") from error
        return ESPnetF0Quantizer(quantizer, args.commitment_weight, args.voicing_weight)

    @classmethod
    def build_iter_factory(
        cls,
        args: argparse.Namespace,
        distributed_option: DistributedOption,
        mode: str,
        kwargs: dict[str, Any] | None = None,
    ) -> AbsIterFactory:
        """Batches of a split: random crops for training, whole utterances for validation."""
        facts = PitchFacts.from_plain(args.data_record["facts"])
        contours = _open(args, mode, facts.statistics)
        options = crop_options(args, len(contours), distributed_option)
        make = cached_training if mode == "train" else cached_validation
        return make(contours, options, args.num_workers, pin_memory=args.ngpu > 0)


def _open(
    args: argparse.Namespace, split: str, statistics: PitchStatistics | None = None
) -> Contours:
    """Open what ``--<split>_data_path_and_name_and_type`` names.

    Raises:
        ConfigError: It is something else.
        DataError: It cannot be opened, or an utterance has no speaker.
    """
    paths = data_paths(args, split, _TYPES)
    if missing := _TYPES.keys() - paths.keys():
        raise ConfigError(
            f"{split} data: expected CACHE,{CONTOURS},feature_cache and DIR,{SPEAKERS},data_dir, "
            f"found no {min(missing)}"
        )
    return Contours(paths[CONTOURS], DataDir(paths[SPEAKERS]).utt2spk, statistics)


def _record(args: argparse.Namespace) -> dict[str, Any]:
    """What ``config.yaml`` keeps of the data; a resumed training must have the same.

    Raises:
        CheckpointError: It has not.
        ConfigError: Training and validation have F0 that was found in two ways.
    """
    train = _open(args, "train")
    valid = _open(args, "valid", train.statistics)
    if valid.origin != train.origin:
        raise ConfigError(
            f"valid data: expected {train.origin}, as the training's, found {valid.origin}"
        )
    valid.log_unseen()
    record = {
        "facts": PitchFacts(train.origin, train.statistics).to_plain(),
        "train": train.meta.content,
        "valid": valid.meta.content,
    }
    keeper = CheckpointKeeper(args.output_dir, args.best_model_criterion)
    if args.resume and keeper.exists():
        check_same_data(args.output_dir, record)
    return record
