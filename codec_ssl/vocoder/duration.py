"""How long units last, for those that were joined (Lee et al. 2022a).

Legend: B batch, U units, E width.
"""

import torch
import torch.nn.functional as F
from espnet2.legacy.nets.pytorch_backend.fastspeech.duration_predictor import (
    DurationPredictor as FastSpeechPredictor,
)
from torch import Tensor, nn


class DurationPredictor(nn.Module):
    """FastSpeech's: two convolutions, each with ReLU, layer norm and dropout, then one number.

    Durations are predicted as ``log(1 + frames)``.

    Args:
        width: E.
        channels: Of the convolutions.
        kernel_size: Of the convolutions.
        dropout: Behind each of them.
    """

    def __init__(
        self, width: int, channels: int = 128, kernel_size: int = 3, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.net = FastSpeechPredictor(
            width, n_layers=2, n_chans=channels, kernel_size=kernel_size, dropout_rate=dropout
        )

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Predict ``log(1 + frames)`` of each unit.

        Args:
            x: Embedded units ``(B, U, E)``.
            lengths: Units of each utterance ``(B,)``.

        Returns:
            ``(B, U)``; any number behind the end.
        """
        return self.net(x, _outside(x, lengths))

    def loss(self, x: Tensor, lengths: Tensor, durations: Tensor) -> Tensor:
        """Mean squared error in the logarithmic domain, the mean over all units of a batch.

        Args:
            x: Embedded units ``(B, U, E)``.
            lengths: Units of each utterance ``(B,)``.
            durations: Frames of each unit ``(B, U)``.
        """
        inside = ~_outside(x, lengths)
        told = torch.log(durations[inside].to(x.dtype) + 1)
        return F.mse_loss(self(x, lengths)[inside], told)

    @torch.no_grad()
    def frames(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Predict whole frames, one at least: a unit that was heard is not left out.

        Args:
            x: Embedded units ``(B, U, E)``.
            lengths: Units of each utterance ``(B,)``.

        Returns:
            ``(B, U)`` int64, 0 behind the end.
        """
        outside = _outside(x, lengths)
        frames = torch.round(self.net(x, outside).exp() - 1).long().clamp(min=1)
        return frames.masked_fill(outside, 0)


def _outside(x: Tensor, lengths: Tensor) -> Tensor:
    """Whether a position lies behind the end ``(B, U)``."""
    return torch.arange(x.size(1), device=x.device) >= lengths[:, None].to(x.device)
