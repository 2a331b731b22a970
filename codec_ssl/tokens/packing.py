"""Bit packing: ``ceil(log2 K)`` bits a code, frame after frame, least significant bit first.

An utterance of T frames takes ``ceil(T * F / 8)`` bytes, where F is the sum of its columns' bits;
the bits left over in its last byte are zero, so equal codes are equal bytes. Column 0 of frame 0
starts at bit 0 of byte 0.

Speed comes from the period of that stream: after G codes it is at a byte border again, with the
same columns. A *group* of G codes is cut into *windows* of four codes that start at a byte and
span at most 64 bits. One strided load fetches a window of every group at once; shifts and masks
move its codes apart into four *lanes* of 16 bits, all groups together, and the words are then the
codes, as 16-bit integers, in order.

Letters: T frames, Q codebooks, K codebook size, F bits a frame, G codes a group.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from codec_ssl.errors import TokenError

MIN_SIZE, MAX_SIZE = 2, 65536
_WORD, _WORD_BITS, _WORD_BYTES = np.dtype("<u8"), 64, 8
_LANE, _LANE_BITS, _LANES = np.dtype("<u2"), 16, 4
# Codes worked on at once: the words and the codes of a block stay in a core's second-level cache.
_BLOCK_CODES = 32768


@dataclass(frozen=True)
class Move:
    """``word = word & keep | word << shift & moved``: some codes go up, the others stay.

    The numbers are arrays of no dimension, which numpy's operators take in faster than scalars.
    """

    shift: np.ndarray
    keep: np.ndarray
    moved: np.ndarray


@dataclass(frozen=True)
class Window:
    """Up to four codes of a group that one word holds.

    Attributes:
        start: First byte in the group.
        num_bytes: Bytes that the codes touch.
        columns: Its columns of the group: from the first to before the second.
        shifts: Bit of each code in the word.
        moves: How the codes get into lanes, once the first one is at bit 0.
    """

    start: int
    num_bytes: int
    columns: tuple[int, int]
    shifts: tuple[np.ndarray, ...]
    moves: tuple[Move, ...]


@dataclass(frozen=True)
class Layout:
    """How columns of given sizes lie in the bit stream.

    Attributes:
        num_codebooks: Q.
        max_size: The greatest K.
        frame_bits: F.
        group_codes: G.
        group_bytes: Bytes of a group.
        block_groups: Groups worked on at once, so many as fit the cache.
        windows: What a group is cut into.
        lanes: Lanes of a group that hold a code; None if all do.
    """

    num_codebooks: int
    max_size: int
    frame_bits: int
    group_codes: int
    group_bytes: int
    block_groups: int
    windows: tuple[Window, ...]
    lanes: np.ndarray | None

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
    groups = _unpack_groups(packed, plan, plan.num_groups(num_frames), _code_type(dtype, plan))
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
    groups = _unpack_groups(aligned, plan, int(utt_groups.sum()), _code_type(dtype, plan))
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
    # A group ends at a byte and fills its last window.
    repeats = math.lcm(8 // math.gcd(sum(unit), 8), _LANES // math.gcd(len(unit), _LANES))
    group = unit * repeats
    windows = tuple(_windows(group))
    used = [
        number * _LANES + lane for number, w in enumerate(windows) for lane in range(len(w.shifts))
    ]
    return Layout(
        num_codebooks=len(sizes),
        max_size=max(sizes),
        frame_bits=sum(widths),
        group_codes=len(group),
        group_bytes=sum(group) // 8,
        block_groups=max(1, _BLOCK_CODES // len(group)),
        windows=windows,
        lanes=None if len(used) == _LANES * len(windows) else np.array(used),
    )


def _smallest_period(widths: list[int]) -> list[int]:
    """The shortest list whose repetition gives the widths of a frame."""
    for period in range(1, len(widths) + 1):
        if len(widths) % period == 0 and widths[:period] * (len(widths) // period) == widths:
            return widths[:period]
    return widths


def _windows(widths: list[int]) -> Iterator[Window]:
    """Cut a group into words, from the left."""
    ends = np.cumsum(widths).tolist()
    first = 0
    while first < len(widths):
        start = (ends[first] - widths[first]) // 8
        last = first
        while last < min(first + _LANES, len(widths)) and ends[last] <= start * 8 + _WORD_BITS:
            last += 1
        yield Window(
            start=start,
            num_bytes=-(-ends[last - 1] // 8) - start,
            columns=(first, last),
            shifts=tuple(_word(ends[c] - widths[c] - start * 8) for c in range(first, last)),
            moves=tuple(_moves(widths[first:last])),
        )
        first = last


def _moves(widths: list[int]) -> Iterator[Move]:
    """Spread up to four codes that lie side by side: first the upper pair, then in each pair."""
    a, b, c, d = widths + [0] * (_LANES - len(widths))
    yield _move(2 * _LANE_BITS - a - b, _ones(a + b), _ones(c + d, 2))
    if a == c:
        yield _move(_LANE_BITS - a, _ones(a) | _ones(c, 2), _ones(b, 1) | _ones(d, 3))
    else:
        yield _move(_LANE_BITS - a, _ones(a) | _ones(c + d, 2), _ones(b, 1))
        yield _move(_LANE_BITS - c, _ones(a) | _ones(b, 1) | _ones(c, 2), _ones(d, 3))


def _move(shift: int, keep: int, moved: int) -> Move:
    return Move(_word(shift), _word(keep), _word(moved))


def _word(value: int) -> np.ndarray:
    return np.array(value, dtype=_WORD)


def _ones(width: int, lane: int = 0) -> int:
    """That many ones, from the first bit of a lane on."""
    return ((1 << width) - 1) << (_LANE_BITS * lane)


def _unpack_groups(
    packed: np.ndarray, plan: Layout, num_groups: int, dtype: np.dtype
) -> np.ndarray:
    """Codes (num_groups, G) of a byte stream; bytes past its end count as zero."""
    step = plan.block_groups
    if 0 < num_groups <= step:
        return _unpack_block(packed, plan, num_groups).astype(dtype, copy=False)
    out = np.empty((num_groups, plan.group_codes), dtype=dtype)
    for begin in range(0, num_groups, step):
        part = packed[begin * plan.group_bytes : (begin + step) * plan.group_bytes]
        codes = out[begin : begin + step]
        codes[:] = _unpack_block(part, plan, len(codes))
    return out


def _unpack_block(packed: np.ndarray, plan: Layout, num_groups: int) -> np.ndarray:
    """Codes (num_groups, G) uint16 of a few groups."""
    # The slack lets the last window be loaded as a whole word.
    buffer = np.empty(num_groups * plan.group_bytes + _WORD_BYTES, dtype=np.uint8)
    buffer[: len(packed)] = packed
    buffer[len(packed) :] = 0
    columns = [_spread(buffer, window, num_groups, plan.group_bytes) for window in plan.windows]
    words = columns[0] if len(columns) == 1 else np.stack(columns, axis=1)
    lanes = words.view(_LANE).reshape(num_groups, _LANES * len(columns))
    return lanes if plan.lanes is None else lanes[:, plan.lanes]


def _spread(buffer: np.ndarray, window: Window, num_groups: int, stride: int) -> np.ndarray:
    """One window of every group: words (num_groups,) with a code in each lane."""
    word = _load(buffer, window.start, num_groups, stride).copy()
    if window.shifts[0]:
        word >>= window.shifts[0]
    for move in window.moves:
        moved = word << move.shift
        moved &= move.moved
        word &= move.keep
        word |= moved
    return word


def _load(buffer: np.ndarray, start: int, count: int, stride: int) -> np.ndarray:
    """View (count,) of little-endian words, ``stride`` bytes apart, from byte ``start`` on."""
    return np.ndarray((count,), _WORD, buffer, start, (stride,))


def _pack_block(codes: np.ndarray, plan: Layout, packed: np.ndarray) -> None:
    """Codes (n, G) uint64 into bytes (n, group_bytes) that are zero so far."""
    for window in plan.windows:
        words = np.zeros(len(codes), dtype=_WORD)
        for column, shift in zip(range(*window.columns), window.shifts, strict=True):
            words |= codes[:, column] << shift
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


def _code_type(dtype: np.typing.DTypeLike, plan: Layout) -> np.dtype:
    dtype = np.dtype(dtype)
    value_bits = 8 * dtype.itemsize - (dtype.kind == "i")
    if dtype.kind not in "iu" or plan.max_size > 1 << value_bits:
        raise TokenError(f"expected an integer type that holds {plan.max_size - 1}, found {dtype}")
    return dtype
