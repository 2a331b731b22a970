"""A weighted sum of an encoder's layers, which is an encoder too (RepCodec, table 1).

The paper takes the weights that SUPERB's recognition task learns for a frozen model.

Letters: L layers, without the input to the first one.
"""

import argparse
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.features.base import SpeechEncoder
from codec_ssl.features.wrapped import WrappedEncoder


class LayerMix(WrappedEncoder):
    """Sum of layers 0 to L times their weights; its only layer is 0.

    Args:
        encoder: Makes the layers, of codes or waveforms.
        weights: L + 1 numbers.

    Raises:
        ConfigError: If there are more or fewer weights, or all are 0.
    """

    def __init__(self, encoder: SpeechEncoder, weights: Sequence[float]) -> None:
        if len(weights) != encoder.num_layers + 1:
            raise ConfigError(
                f"weights of layers: expected {encoder.num_layers + 1}, for layers 0 to"
                f" {encoder.num_layers} of {encoder.name}, found {len(weights)}"
            )
        if not any(weights):
            raise ConfigError("weights of layers: expected one that isn't 0, found none")
        self._weights = {n: float(weight) for n, weight in enumerate(weights) if weight}
        super().__init__(encoder, "mix", sorted(self._weights.items()))

    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``; layers of weight 0 are left out."""
        self.check_layers(layers)
        found, frame_lens = self._encoder.encode(inputs, lens, list(self._weights))
        mixed = sum(found[layer] * weight for layer, weight in self._weights.items())
        return {0: mixed}, frame_lens


def read_weights(text: str) -> list[float]:
    """Read weights of layers.

    Args:
        text: Numbers with commas between, a file with numbers in it, or a checkpoint of s3prl, the
            softmax of whose featurizer's weights it is.

    Raises:
        CheckpointError: If the file is neither.
        ConfigError: If it is no list of numbers.
    """
    with contextlib.suppress(ValueError):
        return _numbers(text)
    path = Path(text)
    if path.is_file() and path.suffix in (".ckpt", ".pt", ".pth"):
        return _featurizer(path)
    try:
        return _numbers(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"weights of layers: expected numbers or a file of them, found {text!r}: {error}"
        ) from error


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.replace(",", " ").split()]


def _featurizer(path: Path) -> list[float]:
    try:
        # s3prl keeps the command line of its training beside the weights
        with torch.serialization.safe_globals([argparse.Namespace]):
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
        weights = content["Featurizer"]["weights"]
        return torch.softmax(weights.float(), 0).tolist()
    except Exception as error:
        raise CheckpointError(
            f"{path}: expected a checkpoint of s3prl with ['Featurizer']['weights']: {error}"
        ) from error
