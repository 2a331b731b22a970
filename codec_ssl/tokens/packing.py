"""Bit packing: ``ceil(log2 K)`` bits a code, frame after frame, least significant bit first.

An utterance of T frames takes ``ceil(T * F / 8)`` bytes, where F is the sum of its columns' bits;
the bits left over in its last byte are zero, so equal codes are equal bytes. Column 0 of frame 0
starts at bit 0 of byte 0.

Speed comes from the period of that stream: after G codes it is at a byte border again, with the
same columns. A *group* of G codes is cut into *windows* of at most 64 bits that start at a byte;
one strided load then fetches a window of every group at once, and each of its codes costs one
shift and one mask over all groups.

Letters: T frames, Q codebooks, K codebook size, F bits a frame, G codes a group.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from codec_ssl.errors import TokenError

MIN_SIZE, MAX_SIZE = 2, 65536
_WORD_BITS = 64
_WORD_BYTES = _WORD_BITS // 8
# Codes worked on at once: the words and the codes of a block stay in a core's second-level cache.
_BLOCK_CODES = 32768


@dataclass(frozen=True)
class Field:
    """One code of a group: its column in the group, and where it lies in its window's word."""

    column: int
    shift: np.uint64
    mask: np.uint64


@dataclass(frozen=True)
class Window:
    """Bytes ``start`` to ``start + num_bytes`` of a group, and the codes that lie wholly inside."""

    start: int
    num_bytes: int
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Layout:
    """How columns of given sizes lie in the bit stream; ``block_groups`` groups fit the cache."""

    num_codebooks: int
    frame_bits: int
    group_codes: int
    group_bytes: int
    block_groups: int
    windows: tuple[Window, ...]

    def num_bytes(self, num_frames: int) -> int:
        """Bytes of an utterance."""
        return -(-num_frames * self.frame_bits // 8)

    def num_groups(self, num_frames: int) -> int:
        """Groups that hold an utterance; the last one may be partly empty."""
        return -(-num_frames * self.num_codebooks // self.group_codes)

    @property
    def byte_frames(self) -> bool:
        """Whether every frame ends at a byte, so that utterances join without a gap."""
        return self.frame_bits % 8 == 0


def bits(size: int) -> int:
    """Bits a code of a codebook with ``size`` entries: ``ceil(log2 size)``.

    Raises:
        TokenError: If the size is not a whole number from 2 to 65536.
    """
    if size != int(size) or not MIN_SIZE <= size <= MAX_SIZE:
        raise TokenError(f"expected codebook sizes from {MIN_SIZE} to {MAX_SIZE}, found {size}")
    return (int(size) - 1).bit_length()


def layout(sizes: Sequence[int]) -> Layout:
    """The layout of columns with K = ``sizes``; made once for each combination.

    Raises:
        TokenError: If there is no column or a size is out of range.
    """
    return _layout(tuple(sizes))


def packed_bytes(num_frames: int, sizes: Sequence[int]) -> int:
    """Bytes that ``num_frames`` frames take: 15 a frame for 12 codebooks of 1024."""
    return layout(sizes).num_bytes(num_frames)


def pack(codes: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Pack codes.

    Args:
        codes: (T, Q) of any integer type, column q in ``[0, sizes[q])``.
        sizes: K of each column.

    Returns:
        (packed_bytes(T, sizes),) uint8.

    Raises:
        TokenError: If the shape, the type or a value doesn't fit the sizes.
    """
    plan = layout(sizes)
    _check_codes(codes, sizes)
    num_groups = plan.num_groups(len(codes))
    # Zeros fill the last group, and give the bits left over their fixed value.
    padded = np.zeros((num_groups, plan.group_codes), dtype=np.uint64)
    padded.reshape(-1)[: codes.size] = codes.reshape(-1)
    packed = np.zeros((num_groups, plan.group_bytes), dtype=np.uint8)
    for begin in range(0, num_groups, plan.block_groups):
        block = slice(begin, begin + plan.block_groups)
        _pack_block(padded[block], plan, packed[block])
    return packed.reshape(-1)[: plan.num_bytes(len(codes))]


def unpack(
    packed: np.ndarray, sizes: Sequence[int], num_frames: int, dtype: np.typing.DTypeLike = np.int64
) -> np.ndarray:
    """Unpack one utterance; the inverse of :func:`pack`.

    Args:
        packed: (packed_bytes(num_frames, sizes),) uint8.
        sizes: K of each column.
        num_frames: T.
        dtype: Integer type of the codes.

    Returns:
        Codes (T, Q).

    Raises:
        TokenError: If the number of bytes is another, or the type is too narrow for the sizes.
    """
    plan = layout(sizes)
    expected = plan.num_bytes(num_frames)
    if packed.dtype != np.uint8 or packed.shape != (expected,):
        raise TokenError(
            f"expected {expected} bytes for {num_frames} frames of {len(sizes)} codebooks, "
            f"found {packed.dtype} {packed.shape}"
        )
    groups = _unpack_groups(packed, plan, plan.num_groups(num_frames), _code_type(dtype, sizes))
    codes = groups.reshape(-1)[: num_frames * plan.num_codebooks]
    return codes.reshape(num_frames, plan.num_codebooks)


def unpack_ragged(
    packed: np.ndarray,
    sizes: Sequence[int],
    lens: Sequence[int] | np.ndarray,
    dtype: np.typing.DTypeLike = np.int64,
) -> np.ndarray:
    """Unpack many utterances at once, without a loop over frames.

    Args:
        packed: Packed utterances one after the other, each starting at a byte: (n,) uint8.
        sizes: K of each column.
        lens: T of each utterance.
        dtype: Integer type of the codes.

    Returns:
        Codes (sum of T, Q), in the order of the utterances.

    Raises:
        TokenError: If the number of bytes doesn't fit the lengths.
    """
    plan = layout(sizes)
    lens = np.asarray(lens, dtype=np.int64)
    if plan.byte_frames:
        return unpack(packed, sizes, int(lens.sum()), dtype)
    utt_bytes = -(-lens * plan.frame_bits // 8)
    if packed.shape != (int(utt_bytes.sum()),):
        raise TokenError(
            f"expected {utt_bytes.sum()} bytes for {len(lens)} utterances of {lens.sum()} frames, "
            f"found {packed.shape}"
        )
    utt_groups = -(-lens * plan.num_codebooks // plan.group_codes)
    aligned = _align(packed, utt_bytes, utt_groups * plan.group_bytes)
    groups = _unpack_groups(aligned, plan, int(utt_groups.sum()), _code_type(dtype, sizes))
    flat = groups.reshape(-1)
    starts = np.cumsum(utt_groups * plan.group_codes) - utt_groups * plan.group_codes
    counts = lens * plan.num_codebooks
    spans = zip(starts.tolist(), counts.tolist(), strict=True)
    pieces = [flat[start : start + count] for start, count in spans]
    codes = np.concatenate(pieces) if pieces else flat
    return codes.reshape(-1, plan.num_codebooks)


@lru_cache(maxsize=64)
def _layout(sizes: tuple[int, ...]) -> Layout:
    if not sizes:
        raise TokenError("expected at least one codebook, found none")
    widths = [bits(size) for size in sizes]
    unit = _smallest_period(widths)
    unit_bits = sum(unit)
    # Whole bytes need a multiple of 8 bits; short groups are repeated until they fill a word.
    repeats = 8 // math.gcd(unit_bits, 8)
    repeats *= max(1, min(_WORD_BITS // (repeats * unit_bits), 8 // (repeats * len(unit))))
    group = unit * repeats
    return Layout(
        num_codebooks=len(sizes),
        frame_bits=sum(widths),
        group_codes=len(group),
        group_bytes=sum(group) // 8,
        block_groups=max(1, _BLOCK_CODES // len(group)),
        windows=tuple(_windows(group)),
    )


def _smallest_period(widths: list[int]) -> list[int]:
    """The shortest list whose repetition gives the widths of a frame."""
    for period in range(1, len(widths) + 1):
        if len(widths) % period == 0 and widths[:period] * (len(widths) // period) == widths:
            return widths[:period]
    return widths


def _windows(widths: list[int]) -> Iterator[Window]:
    """Cut a group into as few words as possible, from the left."""
    ends = np.cumsum(widths).tolist()
    first = 0
    while first < len(widths):
        start = (ends[first] - widths[first]) // 8
        last = first
        while last < len(widths) and ends[last] <= start * 8 + _WORD_BITS:
            last += 1
        fields = tuple(
            Field(
                column=column,
                shift=np.uint64(ends[column] - widths[column] - start * 8),
                mask=np.uint64((1 << widths[column]) - 1),
            )
            for column in range(first, last)
        )
        yield Window(start, -(-ends[last - 1] // 8) - start, fields)
        first = last


def _unpack_groups(
    packed: np.ndarray, plan: Layout, num_groups: int, dtype: np.dtype
) -> np.ndarray:
    """Codes (num_groups, G) of a byte stream; bytes past its end count as zero."""
    out = np.empty((num_groups, plan.group_codes), dtype=dtype)
    # Codes are not negative, so 64-bit results go straight where they belong.
    target = out.view(np.uint64) if dtype.itemsize == _WORD_BYTES else out
    step = min(plan.block_groups, num_groups)
    # The slack lets the last window of a block be loaded as a whole word.
    buffer = np.empty(step * plan.group_bytes + _WORD_BYTES, dtype=np.uint8)
    scratch = np.empty((2, step), dtype=np.uint64)
    for begin in range(0, num_groups, max(1, step)):
        codes = target[begin : begin + step]
        part = packed[begin * plan.group_bytes : (begin + step) * plan.group_bytes]
        buffer[: len(part)] = part
        buffer[len(part) :] = 0
        _unpack_block(buffer, plan, *scratch[:, : len(codes)], codes)
    return out


def _unpack_block(
    buffer: np.ndarray, plan: Layout, words: np.ndarray, shifted: np.ndarray, codes: np.ndarray
) -> None:
    """Bytes of n groups into codes (n, G); ``words`` and ``shifted`` (n,) are scratch space."""
    for window in plan.windows:
        words[:] = _load(buffer, window.start, len(words), plan.group_bytes)
        for field in window.fields:
            at_zero = words
            if field.shift:
                at_zero = np.right_shift(words, field.shift, shifted)
            np.bitwise_and(at_zero, field.mask, codes[:, field.column], casting="unsafe")


def _load(buffer: np.ndarray, start: int, count: int, stride: int) -> np.ndarray:
    """View (count,) of little-endian words, ``stride`` bytes apart, from byte ``start`` on."""
    return np.ndarray((count,), "<u8", buffer, start, (stride,))


def _pack_block(codes: np.ndarray, plan: Layout, packed: np.ndarray) -> None:
    """Codes (n, G) uint64 into bytes (n, group_bytes) that are zero so far."""
    for window in plan.windows:
        words = np.zeros(len(codes), dtype="<u8")
        for field in window.fields:
            words |= codes[:, field.column] << field.shift
        octets = words.view(np.uint8).reshape(-1, _WORD_BYTES)[:, : window.num_bytes]
        # Neighbouring windows may share a byte.
        packed[:, window.start : window.start + window.num_bytes] |= octets


def _align(packed: np.ndarray, sizes: np.ndarray, aligned_sizes: np.ndarray) -> np.ndarray:
    """Move utterances apart so that each starts at a group."""
    aligned = np.zeros(int(aligned_sizes.sum()), dtype=np.uint8)
    sources = (np.cumsum(sizes) - sizes).tolist()
    targets = (np.cumsum(aligned_sizes) - aligned_sizes).tolist()
    for source, target, size in zip(sources, targets, sizes.tolist(), strict=True):
        aligned[target : target + size] = packed[source : source + size]
    return aligned


def _check_codes(codes: np.ndarray, sizes: Sequence[int]) -> None:
    if codes.ndim != 2 or codes.shape[1] != len(sizes):
        raise TokenError(f"expected codes (T, {len(sizes)}), found shape {codes.shape}")
    if not np.issubdtype(codes.dtype, np.integer):
        raise TokenError(f"expected integer codes, found {codes.dtype}")
    if len(codes) == 0:
        return
    lowest, highest = codes.min(axis=0), codes.max(axis=0)
    for column, size in enumerate(sizes):
        if lowest[column] < 0 or highest[column] >= size:
            found = lowest[column] if lowest[column] < 0 else highest[column]
            raise TokenError(
                f"codebook {column}: expected codes from 0 to {size - 1}, found {found}"
            )


def _code_type(dtype: np.typing.DTypeLike, sizes: Sequence[int]) -> np.dtype:
    dtype = np.dtype(dtype)
    value_bits = 8 * dtype.itemsize - (dtype.kind == "i")
    if dtype.kind not in "iu" or max(sizes) > 1 << value_bits:
        raise TokenError(f"expected an integer type that holds {max(sizes) - 1}, found {dtype}")
    return dtype
