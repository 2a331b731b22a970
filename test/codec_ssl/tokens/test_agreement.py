"""Counting what two stores have in common."""

import numpy as np
import pytest

from codec_ssl.errors import TokenError
from codec_ssl.tokens.agreement import count_equal
from codec_ssl.tokens.store import TokenStore, TokenStoreWriter

SIZES = [16, 8, 4]


def write(path, codes, sizes=SIZES):
    writer = TokenStoreWriter(
        path,
        utt_ids=list(codes),
        sizes=sizes,
        frame_rate=50,
        sample_rate=16000,
        maker={"kind": "codec", "name": "c", "fingerprint": "f"},
    )
    for shard in writer.pending():
        writer.write_shard(shard, [(utt, codes[utt]) for utt in writer.shard_utt_ids(shard)])
    return writer.finalize()


@pytest.fixture
def codes():
    rng = np.random.default_rng(0)
    return {f"u{i}": rng.integers(0, SIZES, (10 + i, 3)) for i in range(4)}


def test_counts_equal_a_loop_over_all_codes(tmp_path, codes):
    rng = np.random.default_rng(1)
    changed = {utt: np.where(rng.random(c.shape) < 0.3, 0, c) for utt, c in codes.items()}
    store, other = write(tmp_path / "a", codes), write(tmp_path / "b", changed)
    utt_ids, equal, frames = count_equal(store, other)
    assert utt_ids == list(codes) and frames.tolist() == [10, 11, 12, 13]
    for utt_id, row in zip(utt_ids, equal, strict=True):
        for q in range(3):
            pairs = zip(codes[utt_id], changed[utt_id], strict=True)
            assert row[q] == sum(a[q] == b[q] for a, b in pairs)
    again = count_equal(store, TokenStore(tmp_path / "a"))
    assert (again[1] == frames[:, None]).all()


def test_a_frame_more_and_missing_utterances_are_left_out(tmp_path, codes):
    other = {"u1": codes["u1"][:-1], "u2": np.concatenate([codes["u2"], codes["u2"][:1]])}
    utt_ids, equal, frames = count_equal(write(tmp_path / "a", codes), write(tmp_path / "b", other))
    assert utt_ids == ["u1", "u2"] and frames.tolist() == [10, 12]
    assert (equal == frames[:, None]).all()


def test_stores_that_cannot_be_compared_are_named(tmp_path, codes):
    store = write(tmp_path / "a", codes)
    with pytest.raises(TokenError, match=r"codebooks of \[16, 8, 4\].*found \[16, 8\]"):
        count_equal(store, write(tmp_path / "b", {"u1": codes["u1"][:, :2]}, SIZES[:2]))
    with pytest.raises(TokenError, match="found none of them"):
        count_equal(store, write(tmp_path / "c", {"x": codes["u1"]}))
    with pytest.raises(TokenError, match=r"u1: expected 11 frames.*found 9"):
        count_equal(store, write(tmp_path / "d", {"u1": codes["u1"][:9]}))
