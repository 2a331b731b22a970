"""A small codec that works at the frame rate: spectrum in, residual VQ, spectrum out.

Time-domain encoders spend nearly all their operations at the sample rate; this one has none there
but a Fourier transform, so it trains in minutes on a CPU. It is the codec that the mini recipes
train for themselves; its phases are the decoder's guess, so it is for units, not for listening.
Convolutions only, zero-padded: alone, batched and chunked are the same computation.

B batch, N samples, T frames, F frequency bins, D latent width.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec_ssl.codecs.base import Codec
from codec_ssl.codecs.framing import centred_magnitudes
from codec_ssl.codecs.quantizers import build_quantizer, codes_of, vectors_of
from codec_ssl.codecs.ragged import ends_as_alone, margin
from codec_ssl.codecs.receptive_field import context, plain_convs
from codec_ssl.codecs.streaming import conv_stage

DEFAULTS: dict[str, Any] = {
    "hop_length": 320,
    "window_length": 640,
    "width": 192,
    "num_blocks": 3,
    "hidden_dim": 64,
    "quantizer_n_q": 8,
    "quantizer_bins": 256,
}
# Log magnitudes of speech in [-1, 1] lie between the floor and about 4: brought to unit scale.
_FLOOR, _CENTRE, _SPREAD = 1e-3, -2.5, 2.5
_MAX_LOG_MAGNITUDE = 5.0


class _Block(nn.Module):
    """ConvNeXt block over ``(B, C, T)``: depthwise convolution, then two pointwise layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Conv1d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 3 * width)
        self.reduce = nn.Linear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.mix(x).transpose(1, 2))
        return x + self.reduce(F.gelu(self.expand(y))).transpose(1, 2)


class _Coder(nn.Module):
    """What encoder and decoder share: convolutions at the frame rate, and a window."""

    def __init__(
        self,
        hop_length: int,
        window_length: int,
        channels: tuple[int, int, int],
        num_blocks: int,
        first_kernel: int,
    ) -> None:
        super().__init__()
        self.hop_length = hop_length
        self.window_length = window_length
        inputs, width, outputs = channels
        self.network = nn.Sequential(
            nn.Conv1d(inputs, width, first_kernel, padding=first_kernel // 2),
            *(_Block(width) for _ in range(num_blocks)),
            nn.Conv1d(width, outputs, 1),
        )
        self.register_buffer("window", torch.hann_window(window_length), persistent=False)


class SpectralEncoder(_Coder):
    """Waveform ``(B, 1, N)`` to latent ``(B, D, ceil(N / hop))``."""

    def __init__(
        self, hop_length: int, window_length: int, width: int, num_blocks: int, hidden_dim: int
    ) -> None:
        channels = (window_length // 2 + 1, width, hidden_dim)
        super().__init__(hop_length, window_length, channels, num_blocks, first_kernel=3)

    def spectrum(self, wav: Tensor) -> Tensor:
        """Scaled log magnitudes ``(B, F, T)`` of windows centred on the frames."""
        magnitude = centred_magnitudes(wav[:, 0], self.window, self.hop_length)
        return ((magnitude + _FLOOR).log() - _CENTRE).div(_SPREAD)

    def forward(self, wav: Tensor) -> Tensor:
        """Encode waveforms of one length."""
        return self.network(self.spectrum(wav))


class SpectralDecoder(_Coder):
    """Latent ``(B, D, T)`` to waveform ``(B, 1, T * hop)`` through an inverse Fourier transform."""

    def __init__(
        self, hop_length: int, window_length: int, width: int, num_blocks: int, hidden_dim: int
    ) -> None:
        channels = (hidden_dim, width, 2 * (window_length // 2 + 1))
        super().__init__(hop_length, window_length, channels, num_blocks, first_kernel=7)

    def forward(self, latent: Tensor) -> Tensor:
        """Decode latents of one length."""
        log_magnitude, phase = self.network(latent).chunk(2, dim=1)
        magnitude = (log_magnitude * _SPREAD + _CENTRE).clamp(max=_MAX_LOG_MAGNITUDE).exp()
        spectrum = torch.polar(magnitude, phase)
        windows = torch.fft.irfft(spectrum, n=self.window_length, dim=1)
        windows = windows * self.window[:, None]
        energy = self.window.square()[None, :, None].expand(1, -1, latent.size(-1))
        wav = self._overlap_add(windows) / self._overlap_add(energy).clamp(min=1e-3)
        return wav.unsqueeze(1)

    def _overlap_add(self, windows: Tensor) -> Tensor:
        """Add windows ``(B, W, T)`` up at the hop, and keep the hop around each centre."""
        frames = windows.size(-1)
        length = (frames - 1) * self.hop_length + self.window_length
        added = F.fold(
            windows, (1, length), (1, self.window_length), stride=(1, self.hop_length)
        ).flatten(1)
        start = (self.window_length - self.hop_length) // 2
        return added[:, start : start + frames * self.hop_length]


class SpectralGenerator(nn.Module):
    """Encoder, quantizer and decoder of a trained codec, as its experiment's config says.

    Args:
        params: ``generator_params`` of the training configuration.
    """

    def __init__(self, params: Mapping[str, Any]) -> None:
        super().__init__()
        self.conf = {**DEFAULTS, **params}
        self.encoder, self.decoder = build_coders(self.conf)
        self.quantizer = build_quantizer(self.conf)

    @property
    def hop_length(self) -> int:
        """Samples a frame."""
        return self.encoder.hop_length


def build_coders(conf: Mapping[str, Any]) -> tuple[SpectralEncoder, SpectralDecoder]:
    """Build encoder and decoder from ``generator_params``."""
    shape = {
        name: conf[name]
        for name in ("hop_length", "window_length", "width", "num_blocks", "hidden_dim")
    }
    return SpectralEncoder(**shape), SpectralDecoder(**shape)


class SpectralCodec(Codec):
    """A trained spectral codec, or the mel codec, behind the contract of `Codec`.

    Args:
        name: See `Codec`.
        model: The generator with its weights; ``encoder.spectrum`` frames a waveform, and
            ``encoder.network`` is convolutions at the frame rate.
        **settings: See `Codec`.
    """

    def __init__(self, name: str, model: nn.Module, **settings: Any) -> None:
        super().__init__(name, **settings)
        self.model = model
        self._convs = plain_convs(model.encoder.modules())
        self.freeze()

    def codebook_vectors(self) -> Tensor:
        """Return ``(Q, K, D)``: vectors whose sum is the quantized latent."""
        with self._numerics():
            return vectors_of(self.model.quantizer, self.num_codebooks)

    def _encode(self, wav: Tensor, lens: list[int]) -> Tensor:
        encoder = self.model.encoder
        frames = [self.num_frames(n) for n in lens]
        # Silence behind the end is what a window sees there alone, too.
        padded = wav.new_zeros(len(lens), 1, max(frames) * self.hop_length)
        for row, samples, length in zip(padded, wav, lens, strict=True):
            row[0, :length] = samples[:length]
        spectrum = encoder.spectrum(padded)
        if len(set(frames)) > 1:
            spectrum = F.pad(spectrum, (0, margin(self._convs)))
            for row, length in zip(spectrum, frames, strict=True):
                row[:, length:] = 0.0
            with ends_as_alone(self._convs, torch.tensor(frames, device=wav.device)):
                latent = encoder.network(spectrum)[..., : max(frames)]
        else:
            latent = encoder.network(spectrum)
        return latent.transpose(1, 2)

    def _quantize(self, latent: Tensor) -> Tensor:
        return codes_of(self.model.quantizer, latent, self.num_codebooks)

    def _decode(self, codes: Tensor) -> Tensor:
        latent = self.model.quantizer.decode(codes.permute(2, 0, 1))
        return self.model.decoder(latent)[:, 0]

    def _latent_stream(self, blocks: Iterator[Tensor], chunk: int) -> Iterator[Tensor]:
        window = math.ceil((self.model.encoder.window_length / self.hop_length - 1) / 2)
        left, right = ((frames + window) * self.hop_length for frames in context(self._convs))
        return conv_stage(
            blocks,
            self.model.encoder,
            stride=self.hop_length,
            context=(left, right),
            chunk=chunk,
        )
