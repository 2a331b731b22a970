"""What every speech encoder promises.

Letters: B batch, T frames, N samples, Q codebooks, D width.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from codec_ssl.errors import ConfigError


class SpeechEncoder(ABC):
    """A frozen model that turns codes or waveforms into layer features.

    Layers are 1-based; layer 0 is the input to the first layer. Encoders without layers (raw
    embeddings, log-mel) have only layer 0.

    Attributes:
        name: Short name for tables and messages.
        input_kind: What ``encode`` takes: ``"codes"`` (B, T, Q) or ``"wav"`` (B, N).
        num_layers: Number of the last layer.
        width: D, the feature size.
        frame_rate: Frames a second.
        fingerprint: Changes whenever the same input could give other features.
    """

    name: str
    input_kind: Literal["codes", "wav"]
    num_layers: int
    width: int
    frame_rate: float
    fingerprint: str
    device: torch.device

    @abstractmethod
    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """Features of the layers asked for, and nothing above the highest of them.

        Args:
            inputs: Codes (B, T, Q) or waveforms (B, N), padded with anything.
            lens: Valid length of each item (B,), in frames or samples.
            layers: Layer numbers, 0 to ``num_layers``.

        Returns:
            ``({layer: (B, T, D) float}, frame lengths (B,))``. Frames past an item's length are
            undefined.

        Raises:
            ConfigError: If a layer doesn't exist.
        """

    @property
    def learnt(self) -> nn.Module | None:
        """What of it is trained with whatever takes its layers; None where all is frozen."""
        return None

    def check_layers(self, layers: Sequence[int]) -> None:
        """Refuse layers that this encoder doesn't have.

        Raises:
            ConfigError: Naming the encoder, the layer and the range.
        """
        for layer in layers:
            if not 0 <= layer <= self.num_layers:
                raise ConfigError(
                    f"encoder {self.name} has layers 0 to {self.num_layers} (0 = input to the"
                    f" first layer), found layer {layer}"
                )
        if not layers:
            raise ConfigError(f"encoder {self.name}: no layer was asked for")

    def check_frozen(self) -> None:
        """Refuse to keep features of what is learnt: they would stay as they began.

        Raises:
            ConfigError: Naming the encoder.
        """
        if self.learnt is not None:
            raise ConfigError(
                f"cached features: expected a frozen encoder, found {self.name}, which every"
                " training learns anew: train without a cache (superb.sh --features live)"
            )


class WaveEncoder(SpeechEncoder):
    """An encoder of waveforms, with its arithmetic of frames.

    Attributes:
        sample_rate: Rate of the waveforms, Hz.
    """

    input_kind = "wav"
    sample_rate: int

    def cut_nothing(self) -> None:
        """Encode recordings whole from now on, where they would be cut into pieces else."""
        return None

    @abstractmethod
    def frames_of(self, num_samples: int) -> int:
        """Frames that so many samples give."""

    @abstractmethod
    def samples_for(self, num_frames: int) -> int:
        """Least number of samples that give so many frames."""


@dataclass(frozen=True)
class Origin:
    """What features are: all that is learnt from them must be used with the same.

    Attributes:
        encoder: Name of the encoder.
        fingerprint: The encoder's fingerprint.
        layer: Layer of the encoder, 1-based, 0 = input to the first layer.
        frame_rate: Frames a second.
    """

    encoder: str
    fingerprint: str
    layer: int
    frame_rate: float

    def __str__(self) -> str:
        return f"layer {self.layer} of {self.encoder} ({self.fingerprint[:12]})"


def origin_of(encoder: SpeechEncoder, layer: int) -> Origin:
    """What remains known of the features of one layer."""
    return Origin(encoder.name, encoder.fingerprint, layer, encoder.frame_rate)
