"""Encoders of waveforms that begin with a codec: its latent, or a model of codes on its codes.

Letters: B batch, N samples, T frames, D width.
"""

import hashlib
from collections.abc import Sequence

from torch import Tensor

from codec_ssl.codecs.base import Codec
from codec_ssl.features.base import SpeechEncoder, WaveEncoder


class CodecEncoder(WaveEncoder):
    """An encoder with the frames of a codec.

    Args:
        codec: The codec.
        name: Name for tables and messages.
        parts: What features depend on, for the fingerprint.
    """

    def __init__(self, codec: Codec, name: str, *parts: str) -> None:
        self._codec, self.name, self.device = codec, name, codec.device
        self.sample_rate, self.frame_rate = codec.sample_rate, codec.frame_rate
        self.fingerprint = hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def frames_of(self, num_samples: int) -> int:
        """See ``WaveEncoder.frames_of``."""
        return self._codec.num_frames(num_samples)

    def samples_for(self, num_frames: int) -> int:
        """Samples of so many whole frames."""
        return num_frames * self._codec.hop_length


class CodecLatents(CodecEncoder):
    """A codec's latent before quantization: what EnCodecMAE begins with (arXiv 2309.07391).

    Args:
        codec: The codec.
    """

    num_layers = 0

    def __init__(self, codec: Codec) -> None:
        super().__init__(codec, f"latent of {codec.name}", "latent", codec.fingerprint)
        self.width = codec.latent_dim

    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``; the only layer is 0."""
        self.check_layers(layers)
        latent, frame_lens = self._codec.latent(inputs.to(self.device), lens)
        return {0: latent}, frame_lens


class CodedWaves(CodecEncoder):
    """An encoder of codes, given waveforms.

    Args:
        codec: The codec that the encoder's codes are of; see ``contract.check_maker``.
        encoder: The encoder, on the codec's device.
    """

    def __init__(self, codec: Codec, encoder: SpeechEncoder) -> None:
        super().__init__(codec, encoder.name, "codes", codec.fingerprint, encoder.fingerprint)
        self._encoder = encoder
        self.num_layers, self.width = encoder.num_layers, encoder.width

    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``."""
        self.check_layers(layers)
        codes, frame_lens = self._codec.encode(inputs.to(self.device), lens)
        return self._encoder.encode(codes, frame_lens, layers)
