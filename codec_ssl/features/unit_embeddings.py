"""Discrete units with embeddings of their own, which whatever comes behind learns.

All other encoders are frozen; of this one the units are, and the embeddings take gradients.

Letters: B batch, N samples, T frames, Q codebooks, K codebook size, D width.
"""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from codec_ssl.features.base import WaveEncoder
from codec_ssl.features.token_embeddings import embeddings_of
from codec_ssl.features.wave_units import WaveUnits


class UnitEmbeddings(WaveEncoder, nn.Module):
    """A sum of one embedding a codebook; its only layer is 0.

    Args:
        units: Makes the units of a waveform.
        width: D.

    Attributes:
        units: As given; may be replaced by the same on another device.

    The embeddings start as the vectors that the units stand for (codebooks, centroids), if those
    have width D, else as standard normal numbers.
    """

    num_layers = 0

    def __init__(self, units: WaveUnits, width: int) -> None:
        nn.Module.__init__(self)
        self.units = units
        self.name = f"embeddings of {units.name}"
        self.sample_rate, self.frame_rate = units.sample_rate, units.frame_rate
        self.width = width
        self.fingerprint = hashlib.sha256(f"{units.fingerprint} {width}".encode()).hexdigest()
        self.embeddings = embeddings_of(units.vectors(), units.sizes, width)

    @property
    def device(self) -> torch.device:
        """Where the embeddings are."""
        return self.embeddings.table.device

    @property
    def learnt(self) -> nn.Module:
        """The embeddings."""
        return self.embeddings

    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``; gradients reach the embeddings."""
        self.check_layers(layers)
        codes, frames = self.units.encode(inputs, lens)
        vectors, frames = self.embeddings(codes.to(self.device), frames.to(self.device))
        return {0: vectors}, frames

    def frames_of(self, num_samples: int) -> int:
        """See ``WaveEncoder.frames_of``."""
        return self.units.frames_of(num_samples)

    def samples_for(self, num_frames: int) -> int:
        """See ``WaveEncoder.samples_for``."""
        return self.units.samples_for(num_frames)
