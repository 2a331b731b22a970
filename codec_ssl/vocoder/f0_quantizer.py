"""A VQ-VAE of pitch contours: a code of few bins each 80 ms (Polyak et al. 2021).

Strided convolutions halve the frame rate some times, an EMA codebook quantizes, and transposed
convolutions go back. What RepCodec's released configuration states of it is kept: 20 bins, four
halvings, commitment 0.02 (arXiv 2309.00169, section 4.3). Ours is that voicing is a channel beside
normalised log F0, in place of gaps in one, and the default of two residual blocks at each rate.

Legend: B batch, T frames, S stride, T' = ceil(T / S) codes, M codes of a batch, D width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codec_ssl.errors import ConfigError
from codec_ssl.nn.quantize import ResidualEMAQuantizer

_CHANNELS = 2  # pitch and voicing


class _Residual(nn.Module):
    """Two convolutions beside a shortcut, the first of them dilated."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReLU(),
            nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation),
            nn.ReLU(),
            nn.Conv1d(width, width, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def _blocks(width: int, num_blocks: int) -> list[nn.Module]:
    return [_Residual(width, 3**number) for number in range(num_blocks)]


@dataclass(frozen=True, eq=False)
class QuantizedPitch:
    """What comes back of contours.

    Attributes:
        pitch: Log F0 in a speaker's deviations ``(B, T)``.
        voicing: Logits of being voiced ``(B, T)``.
        ids: The codes, padding left out, int64 ``(M, 1)``.
        commitment: Mean squared distance of vectors to their entries.
    """

    pitch: Tensor
    voicing: Tensor
    ids: Tensor
    commitment: Tensor


class F0Quantizer(nn.Module):
    """Normalised contours to codes and back.

    Args:
        num_bins: Entries of the codebook.
        num_downs: Halvings; S is 2 to this power.
        width: Channels of the convolutions.
        dim: D, the width of the entries.
        num_blocks: Residual blocks at each rate, dilated by 1, 3, 9, ...
        decay: Of the codebook's moving average.

    Raises:
        ConfigError: If a number is too small.
    """

    def __init__(
        self,
        num_bins: int = 20,
        num_downs: int = 4,
        width: int = 32,
        dim: int = 128,
        num_blocks: int = 2,
        decay: float = 0.9,
    ) -> None:
        super().__init__()
        if num_bins < 2 or num_downs < 1 or width < 1 or dim < 1 or not 0 < decay < 1:
            raise ConfigError(
                "quantizer_conf: expected num_bins from 2 on, num_downs, width and dim from 1 on "
                f"and decay between 0 and 1, found {num_bins}, {num_downs}, {width}, {dim}, {decay}"
            )
        self.num_bins, self.stride = num_bins, 2**num_downs
        encoder: list[nn.Module] = []
        decoder: list[nn.Module] = [nn.Conv1d(dim, width, 3, padding=1)]
        for number in range(num_downs):
            channels = width if number else _CHANNELS
            encoder += [nn.Conv1d(channels, width, 4, stride=2, padding=1)]
            encoder += _blocks(width, num_blocks)
            decoder += _blocks(width, num_blocks)
            decoder += [nn.ConvTranspose1d(width, width, 4, stride=2, padding=1)]
        self.encoder = nn.Sequential(*encoder, nn.Conv1d(width, dim, 3, padding=1))
        self.quantizer = ResidualEMAQuantizer(1, num_bins, dim, decay)
        self.decoder = nn.Sequential(*decoder, nn.ReLU(), nn.Conv1d(width, _CHANNELS, 3, padding=1))

    def forward(self, contours: Tensor, lengths: Tensor) -> QuantizedPitch:
        """Quantize a batch; in training the codebook follows.

        Args:
            contours: ``(B, T, 2)``: pitch and voicing, 0 behind the end.
            lengths: Frames of each ``(B,)``.
        """
        vectors = self._vectors(contours)
        counts = self.num_codes(lengths.to(vectors.device))
        inside = torch.arange(vectors.size(1), device=vectors.device) < counts[:, None]
        found = self.quantizer(vectors[inside])
        entries = torch.zeros_like(vectors)
        entries[inside] = found.vectors.to(entries.dtype)
        decoded = self._contours(entries)[:, : contours.size(1)]
        return QuantizedPitch(decoded[..., 0], decoded[..., 1], found.ids, found.commitment.sum())

    def num_codes(self, num_frames: Tensor) -> Tensor:
        """Codes of so many frames; the last may be of a part."""
        return (num_frames + self.stride - 1).div(self.stride, rounding_mode="floor")

    @torch.no_grad()
    def encode(self, contour: Tensor) -> Tensor:
        """Codes ``(T',)`` int64 of one utterance ``(T, 2)``."""
        return self.quantizer.encode(self._vectors(contour[None])[0])[:, 0]

    @torch.no_grad()
    def decode(self, codes: Tensor) -> Tensor:
        """Contour ``(T' S, 2)`` of codes ``(T',)``: pitch, and the probability of being voiced."""
        contour = self._contours(self.quantizer.decode(codes[:, None])[None])[0]
        return torch.stack([contour[:, 0], contour[:, 1].sigmoid()], dim=1)

    def _vectors(self, contours: Tensor) -> Tensor:
        """``(B, T, 2)`` to ``(B, T', D)``; unvoiced frames fill the last code up."""
        surplus = -contours.size(1) % self.stride
        padded = F.pad(contours, (0, 0, 0, surplus))
        return self.encoder(padded.transpose(1, 2)).transpose(1, 2)

    def _contours(self, entries: Tensor) -> Tensor:
        """``(B, T', D)`` to ``(B, T' S, 2)``."""
        return self.decoder(entries.transpose(1, 2)).transpose(1, 2)
