"""The task that trains FastSpeech2 on codec tokens or mel spectra (arXiv 2601.12205, 4.3)."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from espnet2.tasks.abs_task import AbsTask, IteratorOptions
from espnet2.train.collate_fn import CommonCollateFn
from espnet2.train.distributed_utils import DistributedOption
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import int_or_none, str2bool, str_or_none
from torch import Tensor

from codec_ssl.tasks import tts_data
from codec_ssl.tasks.packed import WholeUtteranceTask
from codec_ssl.tasks.tts_data import (
    SPLITS,
    TTSInputs,
    TTSSet,
    check_known,
    check_resume,
    check_sets,
    gather_facts,
    open_split,
    usable_lengths,
)
from codec_ssl.tasks.tts_model import ESPnetTTS
from codec_ssl.train.collate import Batch
from codec_ssl.train.lengths import write_shapes
from codec_ssl.train.recovery import CheckpointKeeper
from codec_ssl.train.trainer import CodecSSLTrainer
from codec_ssl.tts.codec_fastspeech2 import STACKS
from codec_ssl.tts.experiment import CODES, TARGETS, Facts, build_tts
from codec_ssl.tts.symbols import UNKNOWN

tts_data.register()
WIDTH, WARMUP = 384, 4000


class TTSTrainer(CodecSSLTrainer):
    """Counts frames."""

    default_alarms: ClassVar[Mapping[str, Any]] = {"loss": [1e-3, 3]}

    @classmethod
    def batch_size(cls, tensors: Mapping[str, Tensor]) -> int:
        """Frames of a batch, padding apart."""
        return int(tensors["durations"].sum())


class TTSTask(WholeUtteranceTask, AbsTask):
    """Data ``phones`` (phone_store), and ``codes`` (token_store) or ``features`` (feature_cache).

    Symbols, speakers and statistics of the training set are kept in ``config.yaml``, so that the
    experiment directory is enough for synthesis.
    """

    num_optimizers = 1
    trainer = TTSTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add the options of model and data; the optimizer's defaults are ESPnet's recipe's."""
        group = parser.add_argument_group("TTS")
        add = group.add_argument
        cls.add_recorded_arguments(group)
        add("--target", default=CODES, choices=TARGETS, help="what is predicted")
        add("--tts_conf", action=NestedDictAction, default={}, help="of ESPnet's FastSpeech2")
        add(
            "--decoder_stacks",
            default=STACKS[0],
            choices=STACKS,
            help="one decoder for all streams of codes, or one for each",
        )
        add("--num_codebooks", type=int_or_none, help="the first so many; null takes all")
        add("--speakers", type=str2bool, default=False, help="a learnt vector for each speaker")
        add(
            "--unknown_symbols",
            default=UNKNOWN[0],
            choices=UNKNOWN,
            help="skip: leave validation utterances out that have phones training has not",
        )
        add("--codec", type=str_or_none, help="where synthesis finds the codec; only recorded")
        add(
            "--max_frames",
            type=int_or_none,
            help="leave longer training utterances out; null keeps all",
        )
        parser.set_defaults(
            batch_type="numel",
            batch_bins=50_000,
            num_iters_per_epoch=100,
            max_epoch=1000,
            grad_clip=1.0,
            optim="adam",
            # ESPnet's Noam schedule of its recipe, without the width that would stay behind in
            # scheduler_conf when another one is chosen.
            optim_conf={"lr": (WIDTH * WARMUP) ** -0.5},
            scheduler="warmuplr",
            scheduler_conf={"warmup_steps": WARMUP},
            best_model_criterion=[("valid", "loss", "min")],
            val_scheduler_criterion=("valid", "loss"),
        )

    @classmethod
    def required_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Phones."""
        return (tts_data.PHONES,)

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """Frames, as codes or as spectra."""
        return ("codes", "features")

    @classmethod
    def build_collate_fn(
        cls, args: argparse.Namespace, train: bool
    ) -> Callable[[list[tuple[str, dict[str, np.ndarray]]]], Batch]:
        """Pad with zeros; ESPnet's own padding of numbers is no symbol and no code."""
        return CommonCollateFn(float_pad_value=0.0, int_pad_value=0)

    @classmethod
    def build_preprocess_fn(cls, args: argparse.Namespace, train: bool) -> TTSInputs:
        """Number the phones, normalise the prosody."""
        return TTSInputs(Facts.from_plain(args.data_record))

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ESPnetTTS:
        """Check the data, complete the configuration from it, and build the model.

        Raises:
            CodecSSLError: Data, configuration and checkpoint do not belong together.
        """
        if args.train_data_path_and_name_and_type:
            sets = {split: open_split(args, split) for split in SPLITS}
            check_sets(sets)
            facts = gather_facts(sets["train"], args)
            sets["valid"] = check_known(sets["valid"], facts, args.unknown_symbols)
            keeper = CheckpointKeeper(args.output_dir, args.best_model_criterion)
            if args.resume and keeper.exists():
                check_resume(sets, Path(args.output_dir))
            records = {split: found.record() for split, found in sets.items()}
            args.data_record = facts.to_plain() | records
        model = ESPnetTTS(build_tts(vars(args)))
        cls.check_init(args, model)
        return model

    @classmethod
    def build_iter_options(
        cls, args: argparse.Namespace, distributed_option: DistributedOption, mode: str
    ) -> IteratorOptions:
        """Take lengths from the index; only training leaves long utterances out.

        Raises:
            ConfigError: There are fewer utterances than processes.
        """
        options = super().build_iter_options(args, distributed_option, mode)
        found: TTSSet = open_split(args, mode)
        if mode == "valid":
            facts = Facts.from_plain(args.data_record)
            found = check_known(found, facts, args.unknown_symbols)
        longest = args.max_frames if mode == "train" else None
        lengths = usable_lengths(found, mode, longest)
        cls.check_count(len(lengths), distributed_option, mode)
        path = Path(args.output_dir) / "lengths" / mode
        write_shapes(path, lengths)
        options.shape_files = [str(path)]
        return options
