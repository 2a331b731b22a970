"""Packing against a packer that writes and reads strings of '0' and '1'."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codec_ssl.errors import TokenError
from codec_ssl.tokens import packing, packing_torch


def slow_pack(codes, sizes):
    """Least significant bit first, utterance padded with zeros to whole bytes."""
    stream = ""
    for frame in codes.tolist():
        for code, size in zip(frame, sizes, strict=True):
            width = next(w for w in range(1, 17) if 2**w >= size)
            stream += format(code, f"0{width}b")[::-1]
    stream += "0" * (-len(stream) % 8)
    octets = [int(stream[i : i + 8][::-1], 2) for i in range(0, len(stream), 8)]
    return np.array(octets, dtype=np.uint8)


def draw_codes(seed, sizes, frames):
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, size, frames) for size in sizes]
    codes = np.stack(columns, axis=1)
    if frames:
        codes[rng.integers(frames)] = [size - 1 for size in sizes]
    return codes


any_size = st.one_of(st.integers(2, 65536), st.sampled_from([2, 3, 256, 257, 500, 1024, 65536]))
uniform = st.tuples(any_size, st.integers(1, 13)).map(lambda pair: [pair[0]] * pair[1])
any_sizes = st.one_of(uniform, st.lists(any_size, min_size=1, max_size=9))
seeds = st.integers(0, 2**31)


@settings(max_examples=150, deadline=None)
@given(sizes=any_sizes, frames=st.integers(0, 70), seed=seeds)
def test_bytes_equal_those_of_the_bit_string_and_unpack_gives_the_codes_back(sizes, frames, seed):
    codes = draw_codes(seed, sizes, frames)
    packed = packing.pack(codes, sizes)
    np.testing.assert_array_equal(packed, slow_pack(codes, sizes))
    assert len(packed) == packing.packed_bytes(frames, sizes)
    np.testing.assert_array_equal(packing.unpack(packed, sizes, frames), codes)


@settings(max_examples=100, deadline=None)
@given(sizes=any_sizes, lens=st.lists(st.integers(0, 40), max_size=6), seed=seeds)
def test_ragged_batch_unpacks_to_the_joined_utterances_in_numpy_and_torch(sizes, lens, seed):
    utterances = [draw_codes(seed + i, sizes, frames) for i, frames in enumerate(lens)]
    empty = np.empty(0, dtype=np.uint8)
    packed = np.concatenate([empty, *(packing.pack(codes, sizes) for codes in utterances)])
    expected = np.concatenate([np.empty((0, len(sizes)), dtype=np.int64), *utterances])
    np.testing.assert_array_equal(packing.unpack_ragged(packed, sizes, lens), expected)
    on_device = packing_torch.unpack_ragged(torch.from_numpy(packed), sizes, lens)
    assert on_device.dtype == torch.int64
    np.testing.assert_array_equal(on_device.numpy(), expected)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("sizes", [[1024] * 12, [500], [1024, 300, 7]])
def test_gpu_unpacks_what_numpy_unpacks(sizes):
    lens = [611, 1, 304]
    packed = np.concatenate(
        [packing.pack(draw_codes(seed, sizes, frames), sizes) for seed, frames in enumerate(lens)]
    )
    found = packing_torch.unpack_ragged(torch.from_numpy(packed).cuda(), sizes, lens)
    expected = packing.unpack_ragged(packed, sizes, lens)
    np.testing.assert_array_equal(found.cpu().numpy(), expected)


@pytest.mark.parametrize("sizes", [[1024] * 12, [500], [65536], [2], [1024, 300, 7]])
def test_more_codes_than_a_cache_block_come_back(sizes):
    frames = 200_003 // len(sizes)
    codes = draw_codes(0, sizes, frames)
    packed = packing.pack(codes, sizes)
    np.testing.assert_array_equal(packing.unpack(packed, sizes, frames), codes)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.uint64, np.int64])
def test_codes_come_in_the_asked_type(dtype):
    codes = draw_codes(1, [1024, 65536], 50)
    found = packing.unpack(packing.pack(codes, [1024, 65536]), [1024, 65536], 50, dtype)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, codes)


def test_twelve_codebooks_of_1024_take_fifteen_bytes_a_frame():
    assert packing.packed_bytes(1, [1024] * 12) == 15
    assert packing.packed_bytes(50 * 3600, [1024] * 12) == 15 * 50 * 3600


@pytest.mark.parametrize(("size", "expected"), [(2, 1), (3, 2), (500, 9), (1024, 10), (65536, 16)])
def test_bits_are_the_ceiling_of_the_logarithm(size, expected):
    assert packing.bits(size) == expected


@pytest.mark.parametrize("size", [0, 1, -4, 65537, 2.5])
def test_codebook_sizes_outside_two_to_65536_are_refused(size):
    with pytest.raises(TokenError, match="2 to 65536"):
        packing.bits(size)


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.array([[0, 7]]), "codebook 1: expected codes from 0 to 6, found 7"),
        (np.array([[-1, 0]]), "codebook 0: expected codes from 0 to 1023, found -1"),
        (np.array([[0]]), r"expected codes \(T, 2\), found shape \(1, 1\)"),
        (np.array([[0.0, 1.0]]), "expected integer codes, found float64"),
        (np.array([3, 4]), "found shape"),
    ],
)
def test_codes_that_do_not_fit_are_refused(codes, message):
    with pytest.raises(TokenError, match=message):
        packing.pack(codes, [1024, 7])


def test_wrong_number_of_bytes_is_refused():
    packed = packing.pack(draw_codes(0, [500], 9), [500])
    with pytest.raises(TokenError, match="expected 12 bytes for 10 frames"):
        packing.unpack(packed, [500], 10)
    with pytest.raises(TokenError, match="for 2 utterances of 10 frames"):
        packing.unpack_ragged(packed, [500], [9, 1])
    with pytest.raises(TokenError, match="for 2 utterances of 10 frames"):
        packing_torch.unpack_ragged(torch.from_numpy(packed), [500], [9, 1])


def test_types_too_narrow_for_the_codes_are_refused():
    packed = packing.pack(np.array([[40000]]), [65536])
    assert packing.unpack(packed, [65536], 1, np.uint16)[0, 0] == 40000
    with pytest.raises(TokenError, match="holds 65535, found int16"):
        packing.unpack(packed, [65536], 1, np.int16)


def test_reading_leaves_the_packed_bytes_alone():
    packed = packing.pack(draw_codes(0, [1024] * 3, 100), [1024] * 3)
    packed.flags.writeable = False
    first = packing.unpack(packed, [1024] * 3, 100)
    first[:] = 0
    assert packing.unpack(packed, [1024] * 3, 100).any()
