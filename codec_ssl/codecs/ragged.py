"""Convolutions over a batch of unequal lengths, each row computed as if it were alone.

A padded batch normally changes the last frames of its shorter rows: alone, a convolution pads
the end of a row with zeros or with its mirror image; in a batch it meets whatever the layers
before made of the padding. Here every convolution's input gets, right behind the end of each
row, exactly what that convolution would have padded. Only these few steps are rewritten, so the
cost is that of the padding alone.

B batch, C channels, T steps of a layer's input.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from codec_ssl.codecs.receptive_field import ConvSpec, total_stride


def margin(convs: Sequence[ConvSpec]) -> int:
    """Output frames by which a batch must exceed its longest row, for every layer to have room."""
    frame_steps = total_stride(convs)
    frames = 0
    for conv in convs:
        reach = 2 * max(conv.pad_left, conv.pad_right + conv.stride) + 2
        frames = max(frames, math.ceil(reach / frame_steps))
        frame_steps //= conv.stride
    return frames


@contextmanager
def ends_as_alone(convs: Sequence[ConvSpec], lens: Tensor) -> Iterator[None]:
    """While open, the convolutions end each row of a batch as they would end it alone.

    Args:
        convs: Every padding convolution of the network, in the order in which they run.
        lens: Samples of each row ``(B,)``, on the device of the batch. The batch itself must be
            zero-padded to a whole number of frames, ``margin(convs)`` more than the longest row.
    """
    with ExitStack() as stack:
        for conv in convs:
            if conv.kernel > 1:
                hook = _EndOfRows(conv, lens)
                stack.callback(conv.module.register_forward_pre_hook(hook).remove)
            lens = torch.div(lens + conv.stride - 1, conv.stride, rounding_mode="floor")
        yield


class _EndOfRows:
    """Writes behind each row of ``x (B, C, T)`` what the convolution pads to a lone row."""

    def __init__(self, conv: ConvSpec, lens: Tensor) -> None:
        self._conv = conv
        self._lens = lens[:, None, None]
        completion = -lens % conv.stride if conv.completes_last_window else 0 * lens
        self._pad_right = completion[:, None, None] + conv.pad_right
        # Reflection needs more steps than it mirrors: shorter rows are lengthened with zeros.
        self._mirror = self._lens.clamp(min=1)
        if conv.reflect:
            least = self._pad_right.clamp(min=conv.pad_left) + 1
            self._mirror = torch.maximum(self._lens, least)
        self._width = conv.pad_right + conv.stride

    def __call__(self, module: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
        (x,) = inputs
        tail = torch.arange(self._width, device=x.device)[None, None]
        if not self._conv.reflect:
            return (_put(x, self._lens + tail, 0.0),)
        gap = torch.arange(self._conv.pad_left + self._width + 1, device=x.device)[None, None]
        x = _put(x, torch.minimum(self._lens + gap, self._mirror), 0.0)
        source = (self._mirror - 2 - tail).clamp(min=0)
        mirrored = x.gather(2, source.expand(-1, x.size(1), -1))
        return (_put(x, self._mirror + tail, mirrored),)


def _put(x: Tensor, index: Tensor, value: Tensor | float) -> Tensor:
    """Write ``value`` into the columns ``index (B, 1, W)`` of every channel, in place."""
    return x.scatter_(2, index.expand(-1, x.size(1), -1), value)
