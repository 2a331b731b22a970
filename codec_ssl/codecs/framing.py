"""Spectra of windows centred on the frames of a codec.

B batch, N samples, T frames, W samples of a window, F frequency bins.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def centred_magnitudes(wav: Tensor, window: Tensor, hop_length: int) -> Tensor:
    """Magnitudes of the Fourier transforms of windows, with silence around the signal.

    Args:
        wav: ``(B, N)``.
        window: ``(W,)``, W at least ``hop_length``.
        hop_length: Samples a frame; the last frame may be partly filled.

    Returns:
        ``(B, F, T)``, T = ceil(N / hop_length).
    """
    frames = -(-wav.size(-1) // hop_length)
    overlap = len(window) - hop_length
    right = frames * hop_length + overlap - overlap // 2 - wav.size(-1)
    windows = F.pad(wav, (overlap // 2, right)).unfold(1, len(window), hop_length)
    return torch.fft.rfft(windows * window).abs().transpose(1, 2)
