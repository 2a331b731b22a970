"""The task that trains a unit vocoder (RepCodec, arXiv 2309.00169, section 4.3)."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from espnet2.tasks.abs_task import AbsTask, optim_classes
from espnet2.utils.nested_dict_action import NestedDictAction
from espnet2.utils.types import int_or_none

from codec_ssl.errors import CodecSSLError, ConfigError
from codec_ssl.evaluation.speaker import resemblyzer_embedder
from codec_ssl.tasks.data_paths import check_same_data
from codec_ssl.tasks.packed import RecordedTask
from codec_ssl.tasks.ready_batches import SideCropTask
from codec_ssl.tasks.vocoder_data import (
    AUDIO,
    CODES,
    F0,
    SPLITS,
    Opened,
    make_segments,
    open_split,
)
from codec_ssl.tasks.vocoder_model import (
    DISCRIMINATORS,
    ESPnetVocoder,
    LossConf,
    build_discriminator,
)
from codec_ssl.tokens import contract
from codec_ssl.train.recovery import CheckpointKeeper
from codec_ssl.train.trainer import CodecSSLGANTrainer
from codec_ssl.vocoder.experiment import (
    NONE,
    RESEMBLYZER,
    SPEAKER_KINDS,
    PitchFacts,
    VocoderFacts,
    build_vocoder,
)
from codec_ssl.vocoder.speakers import SpeakerVectors, measure_speakers

CROP_FRAMES = 28
FACTS = "facts"


class VocoderTrainer(CodecSSLGANTrainer):
    """No alarms: a vocoder has no codebook that could collapse."""

    default_alarms: ClassVar[Mapping[str, Any]] = {}


class VocoderTask(SideCropTask, RecordedTask, AbsTask):
    """Data ``codes``, ``audio`` and ``f0``, see ``vocoder_data``.

    Tokens, grid, speakers and pitch are kept in ``config.yaml``, so that the experiment directory
    is enough for synthesis. A training is as many steps as ``num_iters_per_epoch`` and
    ``max_epoch`` make.
    """

    num_optimizers = 2
    trainer = VocoderTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add the options of model and data; defaults are the paper's and speech-resynthesis'."""
        group = parser.add_argument_group("Vocoder")
        add = group.add_argument
        cls.add_recorded_arguments(group)
        add("--vocoder_conf", action=NestedDictAction, default={}, help="of UnitGenerator")
        add(
            "--discriminator",
            default=next(iter(DISCRIMINATORS)),
            choices=list(DISCRIMINATORS),
            help="ESPnet's, of its HiFi-GAN",
        )
        add("--discriminator_conf", action=NestedDictAction, default={}, help="its options")
        add("--loss_conf", action=NestedDictAction, default={}, help="see LossConf")
        add(
            "--speakers",
            default=NONE,
            choices=SPEAKER_KINDS,
            help="how the generator is told who speaks: not at all, by a learnt vector of each "
            "speaker, or by the mean of Resemblyzer's vectors",
        )
        add(
            "--speaker_utterances",
            type=int_or_none,
            default=50,
            help="of resemblyzer: utterances of a speaker to listen to; null takes all",
        )
        add("--crop_frames", type=int, default=CROP_FRAMES, help="frames of a training example")
        # AdamW, and its weight decay, as the released train.py has it.
        adam = {"lr": 2e-4, "betas": [0.8, 0.99]}
        parser.set_defaults(
            iterator_type="task",
            batch_size=16,
            num_iters_per_epoch=1000,
            max_epoch=50,
            grad_clip=float("inf"),
            unused_parameters=True,
            optim="adamw",
            optim_conf=adam,
            optim2="adamw",
            optim2_conf=dict(adam),
            scheduler="exponentiallr",
            scheduler_conf={"gamma": 0.999},
            scheduler2="exponentiallr",
            scheduler2_conf={"gamma": 0.999},
            best_model_criterion=[("valid", "mel_loss", "min")],
            val_scheduler_criterion=("valid", "mel_loss"),
        )

    @classmethod
    def check_options(cls, args: argparse.Namespace) -> None:
        """Refuse options that would not do what they say.

        Raises:
            ConfigError: Naming the option.
        """
        super().check_options(args)
        for option, allowed in {"skip_discriminator_prob": 0, "sharded_ddp": False}.items():
            if getattr(args, option) != allowed:
                raise ConfigError(f"--{option} {getattr(args, option)} has no use for vocoders")
        if args.distributed and not args.unused_parameters:
            raise ConfigError(
                "--unused_parameters must be true with several processes: a step of the "
                "discriminator leaves the generator without gradients"
            )

    @classmethod
    def optional_data_names(cls, train: bool = True, inference: bool = False) -> tuple[str, ...]:
        """All kinds of data."""
        return (CODES, AUDIO, F0)

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> ESPnetVocoder:
        """Check the data, complete the configuration from it, and build the model.

        Raises:
            CodecSSLError: Data, configuration and checkpoint do not belong together.
        """
        if args.train_data_path_and_name_and_type:
            cls._prepare(args)
        elif FACTS not in args.data_record:
            raise ConfigError("expected training data, or the config.yaml of an experiment")
        facts = VocoderFacts.from_plain(args.data_record[FACTS])
        model = ESPnetVocoder(
            build_vocoder(vars(args)),
            build_discriminator(args.discriminator, args.discriminator_conf),
            facts.sample_rate,
            LossConf.from_plain(args.loss_conf),
        )
        cls.check_init(args, model)
        return model

    @classmethod
    def _prepare(cls, args: argparse.Namespace) -> None:
        """Open and check the data, and record them."""
        splits = {split: open_split(args, split) for split in SPLITS}
        train, valid = splits["train"], splits["valid"]
        _check_pair(train, valid)
        record = {split: opened.record() for split, opened in splits.items()}
        keeper = CheckpointKeeper(args.output_dir, args.best_model_criterion)
        if args.resume and keeper.exists():
            check_same_data(args.output_dir, record)
        vectors = _vectors(args, train) if args.speakers == RESEMBLYZER else None
        facts = _gather_facts(args, train, vectors)
        args.data_record = {**record, FACTS: facts.to_plain()}
        whole = bool(args.vocoder_conf.get("durations"))
        cls._data = {
            split: make_segments(
                opened, args.crop_frames, _speaker_inputs(opened, facts, vectors), whole=whole
            )
            for split, opened in splits.items()
        }

    @classmethod
    def build_optimizers(
        cls, args: argparse.Namespace, model: ESPnetVocoder
    ) -> list[torch.optim.Optimizer]:
        """One of the generator, one of the discriminators."""
        return [
            optim_classes[args.optim](model.vocoder.parameters(), **args.optim_conf),
            optim_classes[args.optim2](model.discriminator.parameters(), **args.optim2_conf),
        ]


def _check_pair(train: Opened, valid: Opened) -> None:
    """See that both sets are of one kind.

    Raises:
        CodecSSLError: Naming what differs.
    """
    contract.check_pair(train.codes, valid.codes)
    if (train.f0 is None) != (valid.f0 is None) or train.sample_rate != valid.sample_rate:
        raise ConfigError("valid data: expected the names and types of training, found others")
    if train.f0 is not None:
        contract.check_pair(train.f0, valid.f0)


def _gather_facts(
    args: argparse.Namespace, train: Opened, vectors: SpeakerVectors | None
) -> VocoderFacts:
    names = sorted({train.data_dir.utt2spk[utt] for utt in train.utt_ids})
    pitch = None
    if train.f0 is not None:
        f0 = train.f0.meta
        pitch = PitchFacts(f0.sizes[0], f0.frame_rate, f0.maker["fingerprint"])
    return VocoderFacts(
        tokens=contract.record(train.codes),
        sample_rate=train.sample_rate,
        speaker_kind=args.speakers,
        speakers=[] if args.speakers == NONE else names,
        speaker_dim=0 if vectors is None else vectors.vectors.shape[1],
        pitch=pitch,
    )


def _vectors(args: argparse.Namespace, train: Opened) -> SpeakerVectors:
    """Vectors of the training's speakers: found once, and kept in the experiment."""
    names = sorted({train.data_dir.utt2spk[utt] for utt in train.utt_ids})
    if args.resume:
        try:
            found = SpeakerVectors.load(args.output_dir)
        except CodecSSLError:
            found = None
        if found and (found.names, found.utterances) == (names, args.speaker_utterances):
            return found
    embed = resemblyzer_embedder()
    vectors = measure_speakers(train.data_dir, train.utt_ids, embed, args.speaker_utterances)
    Path(args.output_dir).mkdir(parents=True, exist_ok=True)
    vectors.save(args.output_dir)
    return vectors


def _speaker_inputs(
    opened: Opened, facts: VocoderFacts, vectors: SpeakerVectors | None
) -> dict[str, np.ndarray]:
    """What the generator takes for the speaker of each utterance.

    Raises:
        ConfigError: The training has no such speaker.
    """
    if facts.speaker_kind == NONE:
        return {}
    speakers = {utt: opened.data_dir.utt2spk[utt] for utt in opened.utt_ids}
    numbers = {utt: facts.speaker_number(utt, speaker) for utt, speaker in speakers.items()}
    if vectors is None:
        return {utt: np.array([number]) for utt, number in numbers.items()}
    return {utt: vectors.vectors[number][None] for utt, number in numbers.items()}
