"""Losses of Codec-ASR's codecs that ESPnet lacks, with NeMo's constants.

B batch, N samples.
"""

import warnings
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram, Spectrogram

# A constant feature must not blow its relative difference up.
_LEAST_FEATURE = 1e-3


class MultiResolutionMelLoss(nn.Module):
    """Distances of log mel magnitudes, means over several resolutions.

    Args:
        sample_rate: In Hz.
        n_ffts: Samples of each resolution's window; the hop is a quarter of it.
        n_mels: Bands of each.
        guard: Added to the magnitudes before the logarithm.
    """

    def __init__(
        self,
        sample_rate: int,
        n_ffts: Sequence[int] = (32, 64, 128, 256, 512, 1024, 2048),
        n_mels: int = 64,
        guard: float = 1e-5,
    ) -> None:
        super().__init__()
        self.guard = guard
        with warnings.catch_warnings():
            # Short windows have less bins than bands: some bands are empty, on both sides.
            warnings.filterwarnings("ignore", message="At least one mel filterbank")
            self.scales = nn.ModuleList(
                MelSpectrogram(
                    sample_rate,
                    n_fft=n_fft,
                    hop_length=n_fft // 4,
                    n_mels=n_mels,
                    power=1.0,
                    norm="slaney",
                    mel_scale="slaney",
                )
                for n_fft in n_ffts
            )

    def forward(self, made: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
        """Mean absolute and mean squared difference of two signals ``(B, N)``."""
        absolute, squared = made.new_zeros(()), made.new_zeros(())
        for scale in self.scales:
            difference = _log(scale, made, self.guard) - _log(scale, true, self.guard)
            absolute = absolute + difference.abs().mean()
            squared = squared + difference.square().mean()
        return absolute / len(self.scales), squared / len(self.scales)


class MultiResolutionSTFTLoss(nn.Module):
    """Mean absolute difference of log magnitudes, the mean over several resolutions.

    Args:
        n_ffts: Samples of each resolution's window; the hop is a quarter of it.
        guard: Added to the magnitudes before the logarithm.
    """

    def __init__(self, n_ffts: Sequence[int] = (512, 1024, 2048), guard: float = 1.0) -> None:
        super().__init__()
        self.guard = guard
        self.scales = nn.ModuleList(
            Spectrogram(n_fft=n_fft, hop_length=n_fft // 4, power=1.0) for n_fft in n_ffts
        )

    def forward(self, made: Tensor, true: Tensor) -> Tensor:
        """Loss of two signals ``(B, N)``."""
        losses = [
            F.l1_loss(_log(scale, made, self.guard), _log(scale, true, self.guard))
            for scale in self.scales
        ]
        return torch.stack(losses).mean()


class RelativeFeatureMatchLoss(nn.Module):
    """How far the discriminators' features are off, relative to their size (EnCodec, 3.4).

    Differences and sizes are means over the last dimension; then over everything else, layers and
    discriminators. The last output of a discriminator, its verdict, is no feature.
    """

    def forward(self, made: Sequence[Sequence[Tensor]], true: Sequence[Sequence[Tensor]]) -> Tensor:
        """Loss of the outputs of all layers of all discriminators, of made and of true audio."""
        losses = []
        for made_layers, true_layers in zip(made, true, strict=True):
            pairs = zip(made_layers[:-1], true_layers[:-1], strict=True)
            ratios = [_relative_difference(ours, theirs.detach()) for ours, theirs in pairs]
            losses.append(torch.stack(ratios).mean())
        return torch.stack(losses).mean()


def _relative_difference(made: Tensor, true: Tensor) -> Tensor:
    size = true.abs().mean(-1) + _LEAST_FEATURE
    return ((made - true).abs().mean(-1) / size).mean()


def _log(transform: nn.Module, wav: Tensor, guard: float) -> Tensor:
    return (transform(wav) + guard).log()
