"""All layers of an encoder side by side, which is an encoder too.

Caches, streams and trainings that take one layer then take all of them in one pass.

Letters: B batch, T frames, L layers with the input to the first one, D width of each.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from codec_ssl.features.base import SpeechEncoder
from codec_ssl.features.wrapped import WrappedEncoder


class LayerStack(WrappedEncoder):
    """Layers 0 to the last, one behind the other; its only layer is 0, of width L * D.

    Args:
        encoder: Makes the layers, of codes or waveforms.

    Attributes:
        num_stacked: L.
        layer_width: D.
    """

    def __init__(self, encoder: SpeechEncoder) -> None:
        self.num_stacked, self.layer_width = encoder.num_layers + 1, encoder.width
        super().__init__(encoder, "stack", ["stack", self.num_stacked])
        self.width = self.num_stacked * self.layer_width

    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``; the only layer (B, T, L * D) is 0."""
        self.check_layers(layers)
        every = range(self.num_stacked)
        found, frame_lens = self._encoder.encode(inputs, lens, list(every))
        return {0: torch.cat([found[layer] for layer in every], dim=-1)}, frame_lens
