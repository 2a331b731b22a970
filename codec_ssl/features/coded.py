"""Encoders of codes, given waveforms: a codec makes the codes first.

Letters: B batch, N samples, T frames, D width.
"""

import hashlib
from collections.abc import Sequence

from torch import Tensor

from codec_ssl.codecs.base import Codec
from codec_ssl.features.base import SpeechEncoder, WaveEncoder


class CodedWaves(WaveEncoder):
    """A codec and what reads its codes.

    Args:
        codec: The codec that the encoder was trained with.
        encoder: The encoder, on the codec's device.
    """

    def __init__(self, codec: Codec, encoder: SpeechEncoder) -> None:
        self._codec, self._encoder = codec, encoder
        self.name, self.device = encoder.name, codec.device
        self.sample_rate, self.frame_rate = codec.sample_rate, codec.frame_rate
        self.num_layers, self.width = encoder.num_layers, encoder.width
        parts = f"{codec.fingerprint} {encoder.fingerprint}"
        self.fingerprint = hashlib.sha256(parts.encode()).hexdigest()

    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``."""
        self.check_layers(layers)
        codes, frame_lens = self._codec.encode(inputs.to(self.device), lens)
        return self._encoder.encode(codes, frame_lens, layers)

    def frames_of(self, num_samples: int) -> int:
        """See ``WaveEncoder.frames_of``."""
        return self._codec.num_frames(num_samples)

    def samples_for(self, num_frames: int) -> int:
        """Samples of so many whole frames."""
        return num_frames * self._codec.hop_length
