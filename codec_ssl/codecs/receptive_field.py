"""What each convolution of an encoder reads, and how much context an output frame needs.

B batch, C channels, T steps of a layer's input.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class ConvSpec:
    """A strided 1-d convolution that pads its own input.

    Attributes:
        module: The module whose input is padded (the convolution, or the wrapper that pads).
        kernel: Kernel size with dilation counted in, in input steps.
        stride: Input steps from one output step to the next.
        pad_left: Steps padded before the input.
        pad_right: Steps padded after it, without the part that completes the last window.
        completes_last_window: Whether padding grows until the last window is full, so that the
            output has ``ceil(T / stride)`` steps.
        reflect: Whether padding mirrors the input; it is zeros otherwise.
    """

    module: nn.Module
    kernel: int
    stride: int
    pad_left: int
    pad_right: int
    completes_last_window: bool
    reflect: bool


def plain_convs(modules: Iterable[nn.Module]) -> list[ConvSpec]:
    """Describe zero-padded ``nn.Conv1d`` layers (DAC), in the order in which they run."""
    specs = []
    for module in modules:
        if isinstance(module, nn.Conv1d):
            kernel = (module.kernel_size[0] - 1) * module.dilation[0] + 1
            stride, pad = module.stride[0], int(module.padding[0])
            specs.append(ConvSpec(module, kernel, stride, pad, pad, False, False))
    return specs


def seanet_convs(modules: Iterable[nn.Module]) -> list[ConvSpec]:
    """Describe the self-padding ``SConv1d`` layers of EnCodec's and ESPnet's SEANet."""
    specs = []
    for module in modules:
        if type(module).__name__ == "SConv1d":
            conv = module.conv.conv
            kernel = (conv.kernel_size[0] - 1) * conv.dilation[0] + 1
            total = kernel - conv.stride[0]
            right = 0 if module.causal else total // 2
            reflect = module.pad_mode == "reflect"
            specs.append(
                ConvSpec(module, kernel, conv.stride[0], total - right, right, True, reflect)
            )
    return specs


def total_stride(convs: Sequence[ConvSpec]) -> int:
    """Input steps per output step of the whole chain."""
    return math.prod(conv.stride for conv in convs)


def context(convs: Sequence[ConvSpec]) -> tuple[int, int]:
    """Input steps that outputs ``[a, b)`` read before ``a`` and after ``b`` strides.

    Branches of a residual block are counted one after the other: an upper bound, and the exact
    number where all branches but one are pointwise, as they are in DAC and SEANet.

    Returns:
        Left and right context, both rounded up to whole strides of the chain.
    """
    jump, left, right = 1, 0, 0
    for conv in convs:
        left += (conv.pad_left + _mirrored_further(conv)) * jump
        right += (conv.kernel - 1 - conv.pad_left) * jump
        jump *= conv.stride
    right = max(0, right - jump + 1)
    return math.ceil(left / jump) * jump, math.ceil(right / jump) * jump


def _mirrored_further(conv: ConvSpec) -> int:
    """Steps that the mirror image at the end of a signal reaches back, beyond plain reading."""
    if not (conv.reflect and conv.completes_last_window):
        return 0
    return max(0, conv.stride - 1 - (conv.pad_left - conv.pad_right))
