"""Positions for packed sequences: convolutional (wav2vec 2.0, HuBERT) and sinusoidal.

Legend: B utterances, N frames of all utterances together, D width, C channels of a group.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from codec_ssl.nn.packed import PackedLayout

_FFT_SIZE = 256


def fft_conv(x: Tensor, weight: Tensor, groups: int) -> Tensor:
    """Cross-correlate by overlap-save in the frequency domain.

    A kernel of 128 taps on 48 channels a group is where a CPU spends most time outside the
    Transformer layers; by FFT it takes about a thirtieth of the multiplications.

    Args:
        x: Sequence, float32 ``(N, D)``.
        weight: Kernels ``(D, C, k)`` with k <= 128, as in a grouped 1-d convolution.
        groups: Number of groups, D = groups * C.

    Returns:
        ``(N, D)``: row t is the kernel applied to rows t - k // 2 ... t - k // 2 + k - 1.
    """
    num, dim = x.shape
    taps = weight.size(-1)
    hop = _FFT_SIZE - taps + 1
    blocks = math.ceil(num / hop)
    left = taps // 2
    padded = F.pad(x, (0, 0, left, blocks * hop + taps - 1 - left - num))
    windows = padded.t().contiguous().unfold(1, _FFT_SIZE, hop)
    spectra = torch.fft.rfft(windows).view(groups, dim // groups, blocks, -1)
    kernels = torch.fft.rfft(weight, n=_FFT_SIZE).view(groups, dim // groups, dim // groups, -1)
    product = torch.einsum("gcbf,gocf->gobf", spectra, kernels.conj())
    out = torch.fft.irfft(product, n=_FFT_SIZE)[..., :hop]
    return out.reshape(dim, blocks * hop)[:, :num].t()


class ConvPositions(nn.Module):
    """Positions from grouped convolutions with GELU, to be added to the input.

    With depth 1 it is HuBERT's (kernel 128, 16 groups, weight norm over the kernel axis). With a
    greater depth it is data2vec's and DinoSR's stack: kernels of kernel // depth, each followed
    by a LayerNorm without parameters and GELU.

    Utterances are laid in one sequence with gaps of zeros, so that none sees its neighbour and
    none is padded to the longest.

    Args:
        dim: Width D.
        kernel: Taps, of all the stack together.
        groups: Groups of the convolution.
        depth: Number of convolutions.
    """

    def __init__(self, dim: int, kernel: int = 128, groups: int = 16, depth: int = 1) -> None:
        super().__init__()
        if dim % groups:
            raise ValueError(f"width {dim} cannot be split into {groups} groups")
        self.dim = dim
        self.taps = kernel if depth == 1 else max(3, kernel // depth)
        convs = [
            nn.Conv1d(dim, dim, self.taps, padding=self.taps // 2, groups=groups)
            for _ in range(depth)
        ]
        if depth == 1:
            scale = 2.0 / math.sqrt(self.taps * dim)
            nn.init.normal_(convs[0].weight, mean=0.0, std=scale)
            nn.init.zeros_(convs[0].bias)
            convs[0] = weight_norm(convs[0], dim=2)
        self.convs = nn.ModuleList(convs)

    def forward(self, x: Tensor, layout: PackedLayout) -> Tensor:
        """Positions of packed frames: ``(N, D)`` to ``(N, D)``."""
        gap = self.taps // 2
        size = layout.num_frames + (layout.batch_size - 1) * gap
        slots = layout.spaced(gap)
        for conv in self.convs:
            spaced = x.new_zeros(size, self.dim).index_copy(0, slots, x)
            x = self._convolve(conv, spaced).index_select(0, slots)
            if len(self.convs) > 1:
                x = F.layer_norm(x, (self.dim,))
            x = F.gelu(x)
        return x

    def _convolve(self, conv: nn.Module, x: Tensor) -> Tensor:
        """Convolve ``(N, D)``, keeping N (an even kernel gives one row too many)."""
        if x.is_cpu and self.taps >= 32 and not torch.is_autocast_enabled("cpu"):
            return fft_conv(x, conv.weight, conv.groups) + conv.bias
        return conv(x.t().unsqueeze(0)).squeeze(0).t()[: x.size(0)]


class SinusoidalPositions(nn.Module):
    """Sines and cosines of the frame number (Vaswani et al. 2017), for any length.

    Args:
        dim: Width D, even.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim % 2:
            raise ValueError(f"sinusoidal positions need an even width, not {dim}")
        rates = torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
        self.register_buffer("rates", rates, persistent=False)

    def forward(self, x: Tensor, layout: PackedLayout) -> Tensor:
        """Positions of packed frames: ``(N, D)``, in the type of ``x``."""
        angles = layout.position.unsqueeze(1) * self.rates
        return torch.stack((angles.sin(), angles.cos()), dim=2).flatten(1).to(x.dtype)


class ScaledPositions(SinusoidalPositions):
    """Sines and cosines times a gain that is learnt (EnCodecMAE).

    Args:
        dim: Width D, even.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor, layout: PackedLayout) -> Tensor:
        """Positions of packed frames: ``(N, D)``, in the type of ``x``."""
        return self.gain.to(x.dtype) * super().forward(x, layout)
