"""LSTMs over sequences of unequal lengths, which a CPU trains several times as fast as packed ones.

Letters: B sequences, T frames, D width in, H width out of each direction.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

_WEIGHTS_OF_A_DIRECTION = 4


class PaddedLSTM(nn.LSTM):
    """An ``nn.LSTM`` that pads packed input where it runs on a CPU, with the same result.

    PyTorch has a fused kernel for padded sequences on CPUs and none for packed ones, whose frames
    it takes one by one, forwards and backwards. The backward direction gets each sequence turned
    round within its own length, so it never starts in the padding.

    Weights, names and arguments are those of ``nn.LSTM``. With packed input the states behind the
    last frame, the second thing that it returns, are None on a CPU: nobody who uses it asks.
    """

    def forward(self, inputs: Any, hx: Any = None) -> Any:
        """Outputs for ``inputs``, packed or padded as they are."""
        quick = isinstance(inputs, PackedSequence) and inputs.data.device.type == "cpu"
        if not quick or hx is not None or not self.bias or self.proj_size:
            return super().forward(inputs, hx)
        frames, lengths = pad_packed_sequence(inputs, batch_first=True)
        order = _turned(lengths, frames.shape[1])
        for layer in range(self.num_layers):
            if layer and self.training and self.dropout:
                frames = nn.functional.dropout(frames, self.dropout)
            directions = [self._run(frames, layer, 0)]
            if self.bidirectional:
                directions.append(_pick(self._run(_pick(frames, order), layer, 1), order))
            frames = torch.cat(directions, dim=-1)
        packed = pack_padded_sequence(frames, lengths, batch_first=True, enforce_sorted=False)
        return packed, None

    def _run(self, frames: Tensor, layer: int, direction: int) -> Tensor:
        """One direction of one layer, forwards in time: (B, T, H)."""
        place = (layer * (1 + self.bidirectional) + direction) * _WEIGHTS_OF_A_DIRECTION
        weights = self._flat_weights[place : place + _WEIGHTS_OF_A_DIRECTION]
        start = frames.new_zeros(1, frames.shape[0], self.hidden_size)
        return torch.lstm(
            frames, (start, start), weights, True, 1, 0.0, self.training, False, True
        )[0]


def pad_lstms(module: nn.Module) -> None:
    """Make every ``nn.LSTM`` in ``module`` a :class:`PaddedLSTM`; its weights stay where they are.

    Only for modules that never read the states behind the last frame.
    """
    for part in module.modules():
        if type(part) is nn.LSTM:
            part.__class__ = PaddedLSTM


def _turned(lengths: Tensor, num_frames: int) -> Tensor:
    """Frames of each sequence last to first, padding in its place: (B, T)."""
    frames = torch.arange(num_frames)
    back = lengths[:, None] - 1 - frames
    return torch.where(back >= 0, back, frames)


def _pick(frames: Tensor, order: Tensor) -> Tensor:
    return frames.gather(1, order[..., None].expand_as(frames))
