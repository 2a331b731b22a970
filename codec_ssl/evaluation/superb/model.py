"""An encoder, the weighted sum of its layers, and one task's head.

Letters: B utterances, T frames, L layers, D width, N samples, Q codebooks.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from codec_ssl.errors import ConfigError
from codec_ssl.evaluation.superb.problem import Problem
from codec_ssl.features.stack import LayerStack
from codec_ssl.nn.featurizer import WeightedLayers


class SuperbModel(nn.Module):
    """What a task trains; a frozen encoder is no part of its weights.

    Embeddings of tokens are: they learn with the head and are saved with it.

    Args:
        problem: The task.
        encoder: All layers of the encoder.
        featurizer_conf: Options of ``WeightedLayers``.

    Raises:
        ConfigError: An option that there isn't.
    """

    def __init__(
        self,
        problem: Problem,
        encoder: LayerStack,
        featurizer_conf: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.problem, self.encoder = problem, encoder
        self.embeddings = encoder.learnt
        try:
            self.featurizer = WeightedLayers(
                encoder.num_stacked, encoder.layer_width, **(featurizer_conf or {})
            )
        except TypeError as error:
            raise ConfigError(f"featurizer_conf: {error}") from error
        self.head = problem.build_head(encoder.layer_width, encoder.frame_rate)

    def forward(self, inputs: Tensor, input_lengths: Tensor) -> Any:
        """What the head gives.

        Args:
            inputs: All layers (B, T, L * D), as a cache has them; else codes (B, T, Q) or
                waveforms (B, N), which the encoder takes.
            input_lengths: (B,).
        """
        layers, lengths = inputs, input_lengths
        if not (inputs.is_floating_point() and inputs.dim() == 3):
            layers, lengths = self._encode(inputs, input_lengths)
        device = next(self.head.parameters()).device
        return self.head(self.featurizer(layers.to(device).float()), lengths.to(device))

    def _encode(self, inputs: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        with torch.set_grad_enabled(self.embeddings is not None and torch.is_grad_enabled()):
            found, frames = self.encoder.encode(inputs, lengths, [0])
        return found[0], frames
