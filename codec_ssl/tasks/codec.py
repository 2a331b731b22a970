"""The task that trains codecs: ESPnet's own, with checkpoints that resume exactly."""

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from espnet2.gan_codec.espnet_model import ESPnetGANCodecModel
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.tasks.abs_task import IteratorOptions
from espnet2.tasks.gan_codec import GANCodecTask, codec_choices

from codec_ssl.codecs.generators import MEL, SPECTRAL, TIME_DOMAIN
from codec_ssl.errors import ConfigError
from codec_ssl.tasks.codec_model import INITS, CodecModel, build_codec
from codec_ssl.tasks.guarded import GuardedTask
from codec_ssl.tasks.nac import MelCodec, NeuralAudioCodec, TimeDomainCodec
from codec_ssl.tasks.spectral_codec import SpectralSoundStream
from codec_ssl.train import audio_type
from codec_ssl.train.steps import StepsPerEpoch
from codec_ssl.train.trainer import CodecSSLGANTrainer

audio_type.register()
for name, codec_class in (
    (SPECTRAL, SpectralSoundStream),
    (TIME_DOMAIN, TimeDomainCodec),
    (MEL, MelCodec),
):
    codec_choices.classes.setdefault(name, codec_class)

_BALANCER = "loss_balancer"
# ESPnet's codecs take it where codec_conf has no sampling_rate.
_DEFAULT_RATE = 24000
# What ESPnet's parts call it.
_RATES = ("sampling_rate", "sample_rate", "fs")


class CodecTask(GuardedTask, GANCodecTask):
    """ESPnet's codecs, our spectral one, Codec-ASR's; data ``audio`` of type ``audio_<rate>``."""

    trainer = CodecSSLGANTrainer

    @classmethod
    def add_task_arguments(cls, parser: argparse.ArgumentParser) -> None:
        """Add ESPnet's options, with the usual choices for codecs as defaults."""
        super().add_task_arguments(parser)
        parser.add_argument(
            "--codec_init",
            choices=INITS,
            default="espnet",
            help="Initial weights of encoder and decoder. scaled keeps the variance of a signal, "
            "without which small budgets end with collapsed codebooks",
        )
        parser.add_argument(
            "--steps_per_epoch",
            type=int,
            default=0,
            help="Steps of an epoch, passing through the data as often as it takes; 0: one pass, "
            "or the --num_iters_per_epoch files that ESPnet's chunk iterator counts",
        )
        parser.set_defaults(
            iterator_type="chunk",
            grad_clip=-1,
            unused_parameters=True,
            best_model_criterion=[("valid", "mel_loss", "min")],
        )

    @classmethod
    def check_options(cls, args: argparse.Namespace) -> None:
        """Refuse options that would not do what they say.

        Raises:
            ConfigError: Naming the option.
        """
        super().check_options(args)
        _check_rates(args)
        if args.skip_discriminator_prob > 0 and args.distributed:
            raise ConfigError(
                "--skip_discriminator_prob must be 0 with several processes: each would skip "
                "other steps, and they would wait for each other for ever"
            )
        if args.distributed and not args.unused_parameters:
            raise ConfigError(
                "--unused_parameters must be true with several processes: a step of the "
                "discriminator leaves the generator without gradients"
            )

    @classmethod
    def build_model(cls, args: argparse.Namespace) -> CodecModel:
        """Build the codec with its discriminators."""
        return CodecModel(build_codec(args), **args.model_conf)

    @classmethod
    def build_chunk_iter_factory(
        cls, args: argparse.Namespace, iter_options: IteratorOptions, mode: str
    ) -> AbsIterFactory:
        """Build ESPnet's iterator over chunks of the audio, with epochs of ``steps_per_epoch``."""
        factory = super().build_chunk_iter_factory(args, iter_options, mode)
        if iter_options.train and args.steps_per_epoch:
            return StepsPerEpoch(factory, args.steps_per_epoch)
        return factory

    @classmethod
    def build_optimizers(
        cls, args: argparse.Namespace, model: ESPnetGANCodecModel
    ) -> list[torch.optim.Optimizer]:
        """Build both optimizers; the generator's also keeps the loss balancer's averages."""
        optimizers = super().build_optimizers(args, model)
        balancer = getattr(model.codec, _BALANCER, None)
        if balancer is not None:
            keep_averages(optimizers[0], balancer.averager)
        if isinstance(model.codec, NeuralAudioCodec):
            rest_with(optimizers[1], model.codec)
        return optimizers


def _check_rates(args: argparse.Namespace) -> None:
    """See that audio is read at the codec's rate, which is the only one in its configuration."""
    rate = args.codec_conf.get("sampling_rate", _DEFAULT_RATE)
    given = [*args.train_data_path_and_name_and_type, *args.valid_data_path_and_name_and_type]
    for path, _, kind in given:
        if kind.startswith("audio_") and kind != f"audio_{rate}":
            raise ConfigError(
                f"{path}: expected data of type audio_{rate} for a codec of {rate} Hz "
                f"(codec_conf.sampling_rate), found {kind}"
            )
    for name, value in _rates(args.codec_conf, "codec_conf"):
        if value != rate:
            raise ConfigError(
                f"{name}: expected {rate} as in codec_conf.sampling_rate, or nothing, found {value}"
            )


def _rates(conf: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    """Every rate in nested options, with its full name."""
    for key, value in conf.items():
        if isinstance(value, Mapping):
            yield from _rates(value, f"{name}.{key}")
        elif key in _RATES:
            yield f"{name}.{key}", value


def rest_with(optimizer: torch.optim.Optimizer, codec: NeuralAudioCodec) -> None:
    """Let an optimizer do nothing while the codec's discriminators rest: no momentum, no decay."""

    def drop_gradients(*_: Any) -> None:
        if codec.resting:
            optimizer.zero_grad(set_to_none=True)

    optimizer.register_step_pre_hook(drop_gradients)


def keep_averages(optimizer: torch.optim.Optimizer, averager: Any) -> None:
    """Save and load the moving averages of ESPnet's loss balancer with an optimizer.

    They live in a plain dict that ESPnet doesn't save: a resumed training would start them at 0
    and scale its losses differently. The optimizer's state is in ``checkpoint.pth`` only, so the
    weights of an epoch stay what ESPnet's inference expects.

    Args:
        optimizer: Its ``state_dict`` gets a key ``loss_balancer``.
        averager: The object with a ``cache`` of tensors by loss name.
    """

    def save(_: torch.optim.Optimizer, state: dict[str, Any]) -> None:
        state[_BALANCER] = {name: value.clone() for name, value in averager.cache.items()}

    def load(_: torch.optim.Optimizer, state: dict[str, Any]) -> dict[str, Any]:
        averager.cache = dict(state.get(_BALANCER, {}))
        return {key: value for key, value in state.items() if key != _BALANCER}

    optimizer.register_state_dict_post_hook(save)
    optimizer.register_load_state_dict_pre_hook(load)
