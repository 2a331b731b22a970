"""The model of a codec training: ESPnet's, mended where it needs it, and its codebooks watched."""

import argparse
import copy
from functools import partial
from typing import Any

import torch
from espnet2.gan_codec.abs_gan_codec import AbsGANCodec
from espnet2.gan_codec.espnet_model import ESPnetGANCodecModel
from espnet2.tasks.gan_codec import codec_choices
from espnet2.torch_utils.device_funcs import force_gatherable
from torch import Tensor, nn

from codec_ssl.errors import ConfigError
from codec_ssl.nn.fsq import FiniteScalarQuantizer
from codec_ssl.nn.quantize import histogram, perplexity
from codec_ssl.tasks.codec_mends import (
    WeightedBalancer,
    let_projections_learn,
    scale_initial_weights,
    with_codebook_dim,
)

INITS = ("espnet", "scaled")
USAGE = "code_usage"
# ESPnet's DAC takes it itself.
_FIXED_WIDTH = ("soundstream", "encodec")
# The losses of the decoded audio, by ESPnet's names.
_BALANCED = ("reconstruct", "adv", "feat_match", "mel")


class CodecModel(ESPnetGANCodecModel):
    """ESPnet's model, which also reports how much of its codebooks a batch uses.

    ``code_usage`` is the perplexity of the codes over the size of the codebook, the mean of the
    codebooks in use: 1 if all entries are equally frequent, 1/K if there is one left.

    Args:
        codec: A codec with ``generator.quantizer``.
    """

    def __init__(self, codec: AbsGANCodec) -> None:
        super().__init__(codec)
        self._used: dict[int, Tensor] = {}
        quantizer = codec.generator.quantizer
        if isinstance(quantizer, FiniteScalarQuantizer):
            quantizer.register_forward_hook(self._note_groups)
        else:
            for number, layer in enumerate(quantizer.vq.layers):
                layer._codebook.register_forward_hook(partial(self._note, number))

    def forward(
        self, audio: Tensor, forward_generator: bool = True, **kwargs: Any
    ) -> dict[str, Any]:
        """One turn of the generator or of the discriminator, as in ESPnet."""
        result = super().forward(audio, forward_generator, **kwargs)
        if forward_generator and self._used:
            usage = torch.stack(list(self._used.values())).mean()
            device, size = result["loss"].device, len(audio)
            _, stats, _ = force_gatherable((result["loss"], {USAGE: usage}, size), device)
            result["stats"] |= stats
        if forward_generator:
            self._used = {}
        return result

    def _note(self, number: int, book: nn.Module, inputs: Any, outputs: tuple[Tensor, ...]) -> None:
        counts = histogram(outputs[1].reshape(-1, 1), book.codebook_size)
        self._used[number] = perplexity(counts)[0] / book.codebook_size

    def _note_groups(
        self, quantizer: FiniteScalarQuantizer, inputs: Any, outputs: tuple[Tensor, ...]
    ) -> None:
        counts = histogram(outputs[1].flatten(1).t(), quantizer.codebook_size)
        self._used = dict(enumerate(perplexity(counts) / quantizer.codebook_size))


def build_codec(args: argparse.Namespace) -> AbsGANCodec:
    """Build a codec from the options of the task.

    ``codec_conf.generator_params.codebook_dim`` is understood for every codec; left out, it is
    ESPnet's 512 (for DAC 8).

    Args:
        args: ``codec``, ``codec_conf`` and ``codec_init``.

    Raises:
        ConfigError: If there is no such initialisation.
    """
    if args.codec_init not in INITS:
        raise ConfigError(f"--codec_init is one of {INITS}, found {args.codec_init!r}")
    conf = copy.deepcopy(args.codec_conf)
    params = conf.get("generator_params", {})
    width = params.pop("codebook_dim", None) if args.codec in _FIXED_WIDTH else None
    codec = codec_choices.get_class(args.codec)(**conf)
    generator = codec.generator
    if width is not None:
        generator.quantizer = with_codebook_dim(generator.quantizer, width)
    let_projections_learn(generator.quantizer)
    if getattr(codec, "loss_balancer", None) is not None:
        weights = {name: getattr(codec, f"lambda_{name}", 0.0) for name in _BALANCED}
        codec.loss_balancer = WeightedBalancer(weights, codec.loss_balancer.averager.ema_decay)
    if args.codec_init == "scaled":
        scale_initial_weights(generator.encoder)
        scale_initial_weights(generator.decoder)
    return codec
