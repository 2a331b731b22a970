"""ESPnet's ASR task on codec codes, or on audio with the same model (arXiv 2407.03495).

Importing this module adds to ESPnet's own choices: the frontends ``codec_units`` and
``codec_ssl_upstream`` (any frozen encoder, of waveforms), the encoder ``fast_conformer``, the model
``transducer``, and the data types of codes and audio. An experiment is one of ESPnet's: after
``import codec_ssl.tasks.codec_asr`` its own inference takes it.
"""

import argparse
import shutil
from pathlib import Path
from typing import Any, ClassVar

from espnet2.asr.espnet_model import ESPnetASRModel
from espnet2.tasks.abs_task import IteratorOptions
from espnet2.tasks.asr import ASRTask, encoder_choices, frontend_choices, model_choices
from espnet2.train.distributed_utils import DistributedOption
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import float_or_none
from torch import Tensor

from codec_ssl.asr.fast_conformer import FastConformerEncoder
from codec_ssl.asr.fit import FAST_CONFORMER, UNFIT, UNITS, UPSTREAM
from codec_ssl.asr.transcripts import add_unusable_option
from codec_ssl.asr.transducer import TransducerASRModel
from codec_ssl.asr.vocabulary import TOKEN_TYPES
from codec_ssl.errors import ConfigError
from codec_ssl.frontend.codec_units import CodecUnitFrontend
from codec_ssl.frontend.upstream import UpstreamFrontend
from codec_ssl.tasks import codec_asr_data
from codec_ssl.tasks.codec2vec_data import complete_from_store
from codec_ssl.tasks.codec_asr_data import (
    UNKNOWN_SYMBOLS,
    check_resume,
    fitting,
    open_split,
    tokenize,
)
from codec_ssl.tasks.decoder_only_asr_data import SPLITS, check_sets
from codec_ssl.tasks.packed import WholeUtteranceTask
from codec_ssl.tokens.files import canonical, text_digest
from codec_ssl.train.lengths import write_shapes
from codec_ssl.train.recovery import CheckpointKeeper
from codec_ssl.train.trainer import CodecSSLTrainer

codec_asr_data.register()
frontend_choices.classes.setdefault(UNITS, CodecUnitFrontend)
frontend_choices.classes.setdefault(UPSTREAM, UpstreamFrontend)
encoder_choices.classes.setdefault(FAST_CONFORMER, FastConformerEncoder)
model_choices.classes.setdefault("transducer", TransducerASRModel)
PIECES = "bpe.model"


class CodecASRTrainer(CodecSSLTrainer):
    """Counts utterances."""

    unit = "utterances"
    default_alarms: ClassVar[dict[str, Any]] = {"loss": [1e-3, 3]}

    @classmethod
    def batch_size(cls, tensors: dict[str, Tensor]) -> int:
        """Utterances of a batch."""
        return len(tensors["speech_lengths"])


class CodecASRTask(WholeUtteranceTask, ASRTask):
    """Data ``speech`` (token_store, or speech_<rate>) and ``text`` (text).

    Batches are counted in milliseconds of speech with its padding, so that codes of any rate and
    audio make the very same batches. Vocabulary and sizes are kept in ``config.yaml`` and beside
    it, so that the experiment directory is enough for decoding.
    """

    trainer = CodecASRTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add ESPnet's options and ours."""
        super().add_task_arguments(parser)
        group = parser.add_argument_group("Codec-ASR")
        add = group.add_argument
        cls.add_recorded_arguments(group)
        add_unusable_option(group)
        add(
            "--unknown_symbols",
            default=UNKNOWN_SYMBOLS[0],
            choices=UNKNOWN_SYMBOLS,
            help="unk: symbols outside the vocabulary become <unk>",
        )
        add("--max_seconds", type=float_or_none, help="longest training utterance; null: any")
        add(
            "--unfit",
            default=UNFIT[0],
            choices=UNFIT,
            help="skip: leave out utterances over --max_seconds, or with fewer encoder frames than "
            "tokens",
        )
        add(
            "--frontend_source",
            action=NestedDictAction,
            default={},
            help="Written into config.yaml by the training: where embeddings began",
        )
        parser.set_defaults(
            frontend=UNITS,
            normalize=None,
            batch_type="numel",
            batch_bins=120_000,
            best_model_criterion=[("valid", "loss", "min")],
            val_scheduler_criterion=("valid", "loss"),
        )

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ESPnetASRModel:
        """Check the data, complete the configuration from it, and build ESPnet's model.

        Raises:
            CodecSSLError: Data, configuration and checkpoint do not belong together.
        """
        if not args.train_data_path_and_name_and_type:
            return super().build_model(args)
        sets = {split: open_split(args, split) for split in SPLITS}
        check_sets(sets)
        if args.frontend == UNITS:
            args.frontend_conf = complete_from_store(args.frontend_conf, sets["train"].speech)
        _keep_vocabulary(args)
        model = super().build_model(args)
        cls.check_init(args, model)
        tokens = tokenize(sets, cls.build_preprocess_fn(args, False), args.unknown_symbols)
        record = {split: found.record() for split, found in sets.items()}
        digest = text_digest(canonical(args.token_list))
        record["vocabulary"] = {"size": len(args.token_list), "content": digest}
        keeper = CheckpointKeeper(args.output_dir, args.best_model_criterion)
        if args.resume and keeper.exists():
            check_resume(record, sets, Path(args.output_dir))
        args.data_record = record
        for split, found in sets.items():
            lengths = fitting(args, split, found, tokens[split])
            write_shapes(_lengths_file(args, split), lengths)
        _forget_codebook(args)
        return model

    @classmethod
    def build_iter_options(
        cls, args: argparse.Namespace, distributed_option: DistributedOption, mode: str
    ) -> IteratorOptions:
        """Take durations from indexes and headers, as ``build_model`` wrote them.

        Raises:
            ConfigError: There are fewer utterances than processes.
        """
        options = super().build_iter_options(args, distributed_option, mode)
        path = _lengths_file(args, mode)
        cls.check_count(len(path.read_text().splitlines()), distributed_option, mode)
        options.shape_files = [str(path)]
        return options


def _lengths_file(args: argparse.Namespace, split: str) -> Path:
    return Path(args.output_dir) / "lengths" / split


def _keep_vocabulary(args: argparse.Namespace) -> None:
    """Put tokens that are never cut into the config, and SentencePiece's model beside it.

    Raises:
        ConfigError: The token type is none of ours, or a file is missing.
    """
    if args.token_type not in TOKEN_TYPES:
        raise ConfigError(f"--token_type is one of {TOKEN_TYPES}, not {args.token_type}")
    for option in ("token_list", "non_linguistic_symbols", "bpemodel"):
        value = getattr(args, option)
        if isinstance(value, str) and not Path(value).is_file():
            raise ConfigError(f"--{option}: no such file {value}", stage="vocabulary")
    symbols = args.non_linguistic_symbols
    if isinstance(symbols, str):
        args.non_linguistic_symbols = Path(symbols).read_text(encoding="utf-8").split("\n")[:-1]
    if args.bpemodel is not None:
        kept = Path(args.output_dir) / PIECES
        kept.parent.mkdir(parents=True, exist_ok=True)
        if not args.dist_rank and kept.resolve() != Path(args.bpemodel).resolve():
            shutil.copyfile(args.bpemodel, kept)
        args.bpemodel = str(kept)


def _forget_codebook(args: argparse.Namespace) -> None:
    """Let the saved config need no codebook: the checkpoint has the embeddings."""
    if args.frontend == UNITS:
        conf = args.frontend_conf
        init, codebook = conf.get("init", "codebook"), conf.get("codebook")
        args.frontend_source = {"init": init, "codebook": codebook}
        args.frontend_conf = {**conf, "codebook": None, "init": "checkpoint"}
