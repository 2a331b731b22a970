"""Codes kept by content: found by later runs and by other processes, whatever is killed."""

import hashlib
import os
import signal

import numpy as np
import pytest

from codec_ssl.errors import TokenError
from codec_ssl.tokens.content_cache import ContentCache
from codec_ssl.tokens.packing import packed_bytes
from codec_ssl.tokens.store import TokenStore

SIZES = [1000, 8]


def open_cache(folder, fingerprint="f", sizes=SIZES):
    maker = {"kind": "codec", "name": "toy", "fingerprint": fingerprint}
    return ContentCache(folder, sizes=sizes, frame_rate=50, sample_rate=16000, maker=maker)


def item(number):
    """Key and codes that depend on the number."""
    rng = np.random.default_rng(number)
    codes = np.stack([rng.integers(size, size=5 + 1000 * number) for size in SIZES], 1)
    return hashlib.sha256(b"%d" % number).digest(), codes


def fill(cache, numbers):
    for number in numbers:
        cache.add(*item(number))


def check(cache, numbers):
    for number in numbers:
        key, codes = item(number)
        np.testing.assert_array_equal(cache.get(key), codes)


def test_what_was_added_is_found_at_once_and_by_the_next_run(tmp_path):
    cache = open_cache(tmp_path)
    assert cache.get(item(0)[0]) is None
    fill(cache, range(5))
    check(cache, range(5))
    cache.close()
    again = open_cache(tmp_path)
    check(again, range(5))
    assert again.get(item(5)[0]) is None and len(again) == 5


def test_between_runs_it_is_a_token_store(tmp_path):
    for numbers in (range(3), range(2, 6)):
        cache = open_cache(tmp_path)
        fill(cache, numbers)
        cache.close()
    cache = open_cache(tmp_path)
    (store,) = cache.path.glob("store-*")
    stored = TokenStore(store)
    assert stored.meta.maker["name"] == "toy" and not list(cache.path.glob("*.codes"))
    assert stored.utt_ids == sorted(item(number)[0].hex() for number in range(6))
    np.testing.assert_array_equal(stored[item(4)[0].hex()], item(4)[1])


def test_an_utterance_takes_its_packed_codes_and_forty_bytes(tmp_path):
    cache = open_cache(tmp_path)
    fill(cache, [0, 1])
    expected = sum(40 + packed_bytes(len(item(number)[1]), SIZES) for number in (0, 1))
    assert cache.num_bytes == expected


def test_a_process_sees_what_another_adds(tmp_path, forked):
    first = open_cache(tmp_path)
    fill(first, [0])

    def other():
        second = open_cache(tmp_path)
        check(second, [0])
        fill(second, [1, 2])

    assert forked(other) == 0
    check(first, [0, 1, 2])
    assert not list(first.path.glob("store-*")), "the first still uses its journal"


def test_a_fork_writes_a_journal_of_its_own(tmp_path, in_parallel):
    cache = open_cache(tmp_path)
    fill(cache, [0])
    codes = [
        in_parallel(lambda: fill(cache, range(1, 20)), lambda: fill(cache, range(20, 40))),
        fill(cache, [40]),
    ]
    assert codes[0] == [0, 0]
    assert len(list(cache.path.glob("*.codes"))) == 3
    check(cache, range(41))


def test_a_kill_costs_nothing_that_was_added(tmp_path, forked):
    def killed():
        fill(open_cache(tmp_path), range(4))
        os.kill(os.getpid(), signal.SIGKILL)

    assert forked(killed) == -signal.SIGKILL
    check(open_cache(tmp_path), range(4))


@pytest.mark.parametrize("lost", [1, 30])
def test_a_record_that_was_cut_off_is_left_out(tmp_path, lost):
    cache = open_cache(tmp_path)
    fill(cache, range(3))
    cache.close()
    (journal,) = cache.path.glob("*.codes")
    os.truncate(journal, journal.stat().st_size - lost)
    again = open_cache(tmp_path)
    check(again, range(2))
    assert again.get(item(2)[0]) is None


def test_a_changed_byte_is_noticed(tmp_path):
    cache = open_cache(tmp_path)
    fill(cache, [0])
    cache.close()
    (journal,) = cache.path.glob("*.codes")
    content = bytearray(journal.read_bytes())
    content[-1] ^= 1
    journal.write_bytes(content)
    assert open_cache(tmp_path).get(item(0)[0]) is None


def test_a_kill_while_the_next_store_is_made_loses_nothing(tmp_path, forked, monkeypatch):
    for numbers in (range(3), range(3, 6)):
        cache = open_cache(tmp_path)
        fill(cache, numbers)
        cache.close()

    def killed():
        from codec_ssl.tokens.writer import TokenStoreWriter

        TokenStoreWriter.finalize = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        open_cache(tmp_path)

    assert forked(killed) == -signal.SIGKILL
    again = open_cache(tmp_path)
    check(again, range(6))
    assert len(list(again.path.glob("store-*"))) == 1


def test_another_maker_or_other_sizes_have_a_folder_of_their_own(tmp_path):
    fill(open_cache(tmp_path), [0])
    for other in (open_cache(tmp_path, "g"), open_cache(tmp_path, sizes=[1024, 8])):
        assert other.get(item(0)[0]) is None


def test_codes_out_of_range_are_refused(tmp_path):
    with pytest.raises(TokenError):
        open_cache(tmp_path).add(item(0)[0], np.full((3, 2), 8))


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(TokenError, match="codes cannot be kept"):
        open_cache(tmp_path / "file")
