"""What a codec makes of a waveform, as an encoder of waveforms with one layer.

Letters: B batch, T frames, N samples, Q codebooks, D width.
"""

from collections.abc import Sequence

from torch import Tensor

from codec_ssl.codecs.base import Codec
from codec_ssl.features.base import WaveEncoder


class CodecLatents(WaveEncoder):
    """The latent of a frozen codec, before quantization or rebuilt from its codes.

    Args:
        codec: The codec, on the device where it computes.
        quantized: Take the sum of the codebook vectors, which token stores hold too, in place of
            what the quantizer gets.
    """

    num_layers = 0

    def __init__(self, codec: Codec, quantized: bool = False) -> None:
        self.codec, self.quantized = codec, quantized
        self.name = f"{'quantized' if quantized else 'latent'}:{codec.name}"
        self.device = codec.device
        self.sample_rate, self.frame_rate = codec.sample_rate, codec.frame_rate
        self.width = codec.latent_dim
        self.fingerprint = f"{self.name.partition(':')[0]} of {codec.fingerprint}"

    def encode(
        self, inputs: Tensor, lens: Tensor, layers: Sequence[int]
    ) -> tuple[dict[int, Tensor], Tensor]:
        """See ``SpeechEncoder.encode``; the only layer is 0."""
        self.check_layers(layers)
        latent, frames = self.codec.latent(inputs, lens)
        if self.quantized:
            latent = self.codec.dequantize(self.codec.quantize(latent))
        return {0: latent}, frames

    def frames_of(self, num_samples: int) -> int:
        """See ``WaveEncoder.frames_of``."""
        return self.codec.num_frames(num_samples)

    def samples_for(self, num_frames: int) -> int:
        """Samples of so many whole frames."""
        return num_frames * self.codec.hop_length
