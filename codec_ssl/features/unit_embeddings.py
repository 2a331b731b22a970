"""Discrete units with embeddings of their own, which whatever comes behind learns.

All other encoders are frozen; of this one the units are, and the embeddings take gradients.

Letters: B batch, N samples, T frames, Q codebooks, K codebook size, D width.
"""

import hashlib

from torch import Tensor, nn

from codec_ssl.features.base import WaveEncoder
from codec_ssl.features.token_embeddings import LearntEmbeddings, embeddings_of
from codec_ssl.features.wave_units import WaveUnits


class UnitEmbeddings(LearntEmbeddings, WaveEncoder):
    """A sum of one embedding a codebook; its only layer is 0.

    Args:
        units: Makes the units of a waveform.
        width: D.

    Attributes:
        units: As given; may be replaced by the same on another device.

    The embeddings start as the vectors that the units stand for (codebooks, centroids), if those
    have width D, else as standard normal numbers.
    """

    def __init__(self, units: WaveUnits, width: int) -> None:
        nn.Module.__init__(self)
        self.units = units
        self.name = f"embeddings of {units.name}"
        self.sample_rate, self.frame_rate = units.sample_rate, units.frame_rate
        self.width = width
        self.fingerprint = hashlib.sha256(f"{units.fingerprint} {width}".encode()).hexdigest()
        self.embeddings = embeddings_of(units.vectors(), units.sizes, width)

    def codes(self, inputs: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
        """Units (B, T, Q) of waveforms, and their frames (B,)."""
        return self.units.encode(inputs, lens)

    def frames_of(self, num_samples: int) -> int:
        """See ``WaveEncoder.frames_of``."""
        return self.units.frames_of(num_samples)

    def samples_for(self, num_frames: int) -> int:
        """See ``WaveEncoder.samples_for``."""
        return self.units.samples_for(num_frames)
