"""Convolutions over padded sequences that never see the padding.

Legend: B batch, C channels, T frames of the longest, N positions after upsampling, r of them a
frame.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def masked_convolutions(net: nn.Module, lengths: Tensor, num_frames: int) -> Iterator[None]:
    """Within it, each convolution of a network finds zeros behind the end of a sequence.

    A sequence in a padded batch then gets what it gets alone, where zeros are what a convolution
    pads with. Layers may upsample: their inputs have r positions for each frame.

    Args:
        net: Its ``Conv1d`` and ``ConvTranspose1d`` take ``(B, C, N)``, N = r * T.
        lengths: Frames of each sequence ``(B,)``.
        num_frames: T.
    """
    ends = lengths.view(-1, 1, 1)

    def mask(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x = inputs[0]
        inside = torch.arange(x.size(2), device=x.device) < ends * (x.size(2) // num_frames)
        return (x * inside, *inputs[1:])

    with ExitStack() as stack:
        for module in net.modules():
            if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
                stack.callback(module.register_forward_pre_hook(mask).remove)
        yield
