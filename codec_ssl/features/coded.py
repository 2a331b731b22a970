"""Encoders of codes, given waveforms: codes are made first.

Letters: B batch, N samples, T frames, D width.
"""

import hashlib
from collections.abc import Sequence

from torch import Tensor

from codec_ssl.features.base import SpeechEncoder, WaveEncoder
from codec_ssl.features.wave_units import WaveUnits


class CodedWaves(WaveEncoder):
    """A codec and what reads its codes.

    Args:
        units: The codes of the codec that the encoder was trained with.
        encoder: The encoder, on the same device.

    Attributes:
        units: As given.
        encoder: As given.
    """

    def __init__(self, units: WaveUnits, encoder: SpeechEncoder) -> None:
        self.units, self.encoder = units, encoder
        self.name, self.device = encoder.name, units.device
        self.sample_rate, self.frame_rate = units.sample_rate, units.frame_rate
        self.num_layers, self.width = encoder.num_layers, encoder.width
        parts = f"{units.fingerprint} {encoder.fingerprint}"
        self.fingerprint = hashlib.sha256(parts.encode()).hexdigest()

    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``."""
        self.check_layers(layers)
        codes, frame_lens = self.units.encode(inputs, lens)
        return self.encoder.encode(codes, frame_lens, layers)

    def frames_of(self, num_samples: int) -> int:
        """See ``WaveEncoder.frames_of``."""
        return self.units.frames_of(num_samples)

    def samples_for(self, num_frames: int) -> int:
        """See ``WaveEncoder.samples_for``."""
        return self.units.samples_for(num_frames)
