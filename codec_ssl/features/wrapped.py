"""Encoders made of another encoder's layers, whatever that one takes."""

import hashlib
import json
from typing import Any

from torch import nn

from codec_ssl.errors import ConfigError
from codec_ssl.features.base import SpeechEncoder, WaveEncoder


class WrappedEncoder(WaveEncoder):
    """An encoder of codes or waveforms, as the one within is, whose only layer is 0.

    Args:
        encoder: Makes the layers.
        name: What is added to its name.
        made_of: What else features depend on; a part of the fingerprint.
    """

    num_layers = 0

    def __init__(self, encoder: SpeechEncoder, name: str, made_of: Any) -> None:
        self._encoder = encoder
        self.name, self.input_kind = f"{encoder.name}_{name}", encoder.input_kind
        self.width, self.frame_rate, self.device = encoder.width, encoder.frame_rate, encoder.device
        if isinstance(encoder, WaveEncoder):
            self.sample_rate = encoder.sample_rate
        record = json.dumps([encoder.fingerprint, made_of])
        self.fingerprint = hashlib.sha256(record.encode()).hexdigest()

    @property
    def learnt(self) -> nn.Module | None:
        """See ``SpeechEncoder.learnt``."""
        return self._encoder.learnt

    def cut_nothing(self) -> None:
        """See ``WaveEncoder.cut_nothing``."""
        self._waves().cut_nothing()

    def frames_of(self, num_samples: int) -> int:
        """See ``WaveEncoder.frames_of``."""
        return self._waves().frames_of(num_samples)

    def samples_for(self, num_frames: int) -> int:
        """See ``WaveEncoder.samples_for``."""
        return self._waves().samples_for(num_frames)

    def _waves(self) -> WaveEncoder:
        if not isinstance(self._encoder, WaveEncoder):
            raise ConfigError(f"encoder {self._encoder.name} takes codes, not waveforms")
        return self._encoder
