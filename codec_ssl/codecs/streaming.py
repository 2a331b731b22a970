"""Networks over signals of any length in flat memory, with the values of one whole pass.

A chain of convolutions is run on windows that overlap by what it reads (`receptive_field`), so
the kept outputs are those of the whole signal. A recurrent layer carries its state.

C channels, T steps.
"""

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn


def conv_stage(
    blocks: Iterable[Tensor],
    run: Callable[[Tensor], Tensor],
    *,
    stride: int,
    context: tuple[int, int],
    chunk: int,
) -> Iterator[Tensor]:
    """Yield pieces ``(1, C, t)`` of ``run`` applied to the concatenation of ``blocks``.

    Args:
        blocks: Consecutive pieces ``(1, C, n)`` of the input, of any lengths.
        run: The network; it pads both ends of what it is given, as it does alone.
        stride: Input steps per output step.
        context: Input steps needed before and after, whole strides.
        chunk: Input steps whose outputs are kept from one window, whole strides.
    """
    left, right = context
    # Padding that mirrors the start of the signal reads further to the right than it pads.
    chunk = max(chunk, left + stride)
    buffer: Tensor | None = None
    done = 0
    for block in blocks:
        buffer = block if buffer is None else torch.cat([buffer, block], dim=-1)
        while buffer.size(-1) >= done + chunk + right:
            output = run(buffer[..., : done + chunk + right])
            yield output[..., done // stride : (done + chunk) // stride]
            drop = max(0, done + chunk - left)
            buffer = buffer[..., drop:].clone()
            done += chunk - drop
    if buffer is not None and buffer.size(-1) > done:
        yield run(buffer)[..., done // stride :]


def lstm_stage(blocks: Iterable[Tensor], lstm: nn.LSTM, *, skip: bool) -> Iterator[Tensor]:
    """Run a causal LSTM over consecutive ``(1, C, t)``, adding its input if ``skip``."""
    state = None
    for block in blocks:
        steps = block.permute(2, 0, 1)
        output, state = lstm(steps, state)
        yield (output + steps if skip else output).permute(1, 2, 0)


def padded_to_multiple(blocks: Iterable[Tensor], multiple: int) -> Iterator[Tensor]:
    """Pass blocks ``(1, C, n)`` on, then zeros up to a whole multiple of steps."""
    total = 0
    block = None
    for block in blocks:
        total += block.size(-1)
        yield block
    if block is not None and total % multiple:
        yield block.new_zeros(*block.shape[:-1], -total % multiple)
