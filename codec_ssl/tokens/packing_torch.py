"""Unpacking on the device of the packed bytes: 1.25 bytes a code go to a GPU instead of 8.

The layout is that of :mod:`codec_ssl.tokens.packing`. A code of at most 16 bits lies in at most
three bytes, so three gathers, a shift and a mask give all codes of a batch at once.

Letters: B utterances, T frames, N frames of all utterances, Q codebooks, K codebook size.
"""

from collections.abc import Sequence

import numpy as np
import torch

from codec_ssl.errors import TokenError
from codec_ssl.tokens.packing import Layout, bits, layout

_SPAN_BYTES = 3


def unpack(packed: torch.Tensor, sizes: Sequence[int], num_frames: int) -> torch.Tensor:
    """Unpack one utterance.

    Args:
        packed: (packed_bytes(num_frames, sizes),) uint8, on any device.
        sizes: K of each column.
        num_frames: T.

    Returns:
        Codes (T, Q) int64 on the device of ``packed``.

    Raises:
        TokenError: If the number of bytes is another.
    """
    return unpack_ragged(packed, sizes, [num_frames])


def unpack_ragged(
    packed: torch.Tensor, sizes: Sequence[int], lens: Sequence[int] | np.ndarray
) -> torch.Tensor:
    """Unpack many utterances at once, as ``TokenStore.read_packed`` gives them.

    Args:
        packed: Packed utterances one after the other, each starting at a byte: (n,) uint8.
        sizes: K of each column.
        lens: T of each utterance: B numbers in main memory.

    Returns:
        Codes (N, Q) int64 on the device of ``packed``.

    Raises:
        TokenError: If the number of bytes doesn't fit the lengths.
    """
    plan = layout(sizes)
    lens = np.asarray(lens, dtype=np.int64)
    utt_bytes = -(-lens * plan.frame_bits // 8)
    if packed.dtype != torch.uint8 or packed.shape != (int(utt_bytes.sum()),):
        raise TokenError(
            f"expected {utt_bytes.sum()} bytes for {len(lens)} utterances of {lens.sum()} frames, "
            f"found {packed.dtype} {tuple(packed.shape)}"
        )
    widths = [bits(size) for size in sizes]
    offsets = torch.tensor(np.cumsum([0, *widths[:-1]]), device=packed.device)
    masks = torch.tensor([(1 << width) - 1 for width in widths], device=packed.device)
    position = _frame_bits(lens, utt_bytes, plan, packed.device)[:, None] + offsets
    # The last codes of the batch may not reach into all three bytes.
    padded = torch.nn.functional.pad(packed, (0, _SPAN_BYTES - 1))
    first = position >> 3
    word = padded[first].long()
    for byte in range(1, _SPAN_BYTES):
        word |= padded[first + byte].long() << (8 * byte)
    return (word >> (position & 7)) & masks


def _frame_bits(
    lens: np.ndarray, utt_bytes: np.ndarray, plan: Layout, device: torch.device
) -> torch.Tensor:
    """The bit at which each frame starts: (N,) int64."""
    total = int(lens.sum())
    frames = torch.arange(total, device=device) * plan.frame_bits
    if plan.byte_frames:
        return frames
    # Every utterance starts at a byte: later than its frames alone would say.
    gaps = 8 * (np.cumsum(utt_bytes) - utt_bytes) - plan.frame_bits * (np.cumsum(lens) - lens)
    counts = torch.from_numpy(lens).to(device)
    shifts = torch.from_numpy(gaps).to(device)
    return frames + torch.repeat_interleave(shifts, counts, output_size=total)
