"""What a store promises to its readers, and what its writer refuses."""

import multiprocessing
import pickle
import shutil

import numpy as np
import pytest
from write_store import SIZES, SKIPPED, UTT_IDS, codes_of, contents, open_writer, write_job

from codec_ssl.errors import TokenError
from codec_ssl.tokens.store import TokenStore, TokenStoreWriter, UnknownUtterance

KEPT = [utt for utt in UTT_IDS if utt not in SKIPPED]


@pytest.fixture
def store(reference_store):
    return TokenStore(reference_store)


@pytest.fixture
def copy(reference_store, tmp_path):
    return shutil.copytree(reference_store, tmp_path / "copy")


def test_every_utterance_comes_back_by_id_and_by_position(store):
    assert store.utt_ids == KEPT == list(store)
    for position, utt in enumerate(KEPT):
        np.testing.assert_array_equal(store[utt], codes_of(utt))
        np.testing.assert_array_equal(store.at(position), codes_of(utt))
        assert store.position(utt) == position
        assert store.utt_id(position) == utt
        assert store.num_frames(utt) == store.lengths[position] == len(codes_of(utt))


def test_codes_are_int64_and_belong_to_the_caller(store):
    codes = store[KEPT[0]]
    assert codes.dtype == np.int64
    codes[:] = 0
    np.testing.assert_array_equal(store[KEPT[0]], codes_of(KEPT[0]))


def test_a_batch_is_its_utterances_joined_in_the_asked_order(store):
    wanted = [KEPT[70], KEPT[0], KEPT[33], KEPT[70]]
    codes, lens = store.read(wanted)
    np.testing.assert_array_equal(codes, np.concatenate([codes_of(utt) for utt in wanted]))
    assert lens.tolist() == [len(codes_of(utt)) for utt in wanted]
    assert store.read([])[0].shape == (0, len(SIZES))


def test_unknown_utterances_are_named(store):
    assert "nobody" not in store and 3 not in store
    assert store.get("nobody") is None
    with pytest.raises(UnknownUtterance, match="expected utterance 'nobody'"):
        store["nobody"]
    with pytest.raises(UnknownUtterance):
        store.read([KEPT[0], SKIPPED.copy().popitem()[0]])


def test_skipped_utterances_are_kept_with_their_reasons(store):
    assert store.skipped() == SKIPPED
    assert store.meta.skipped == {"empty": 1, "truncated": 2}
    assert [shard.num_skipped for shard in store.meta.shards][:6] == [1, 0, 0, 0, 0, 2]


def test_meta_counts_what_is_there(store):
    codes = np.concatenate([codes_of(utt) for utt in KEPT])
    meta = store.meta
    assert (meta.num_utterances, meta.num_frames) == (len(KEPT), len(codes))
    assert meta.seconds == len(codes) / 50
    assert (meta.sizes, meta.frame_rate, meta.sample_rate) == (SIZES, 50.0, 16000)
    for q, counts in enumerate(meta.counts()):
        expected = [int((codes[:, q] == token).sum()) for token in range(SIZES[q])]
        assert counts.tolist() == expected


def test_a_pickled_store_reads_the_same_and_carries_no_data(store):
    store[KEPT[0]]
    pickled = pickle.dumps(store)
    assert len(pickled) < 1000
    np.testing.assert_array_equal(pickle.loads(pickled)[KEPT[3]], codes_of(KEPT[3]))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_read_the_store(store, method):
    store[KEPT[0]]  # mapped before the workers start
    with multiprocessing.get_context(method).Pool(2) as pool:
        for utt, codes in zip(KEPT, pool.map(store.__getitem__, KEPT), strict=True):
            np.testing.assert_array_equal(codes, codes_of(utt))


def test_more_shards_than_may_be_open_are_read(store, monkeypatch):
    monkeypatch.setattr("codec_ssl.tokens.reader._MAX_OPEN_SHARDS", 2)
    few = TokenStore(store.path)
    for utt in KEPT[::-7]:
        np.testing.assert_array_equal(few[utt], codes_of(utt))
    assert few._shard.cache_info().currsize == 2


def test_index_and_headers_take_less_than_one_percent_for_twelve_codebooks(tmp_path):
    """LibriSpeech: 12.3 s on average, ids such as 1034-121119-0005."""
    rng = np.random.default_rng(0)
    ids = [f"{1034 + i // 1000}-{121119 + i // 50}-{i % 50:04d}" for i in range(3000)]
    lengths = np.clip(rng.normal(12.3, 3.8, len(ids)) * 50, 70, 1750).astype(int)
    codes = rng.integers(0, 1024, (2000, 12))
    writer = TokenStoreWriter(
        tmp_path,
        utt_ids=ids,
        sizes=[1024] * 12,
        frame_rate=50,
        sample_rate=16000,
        maker={"kind": "codec", "name": "dac_16k", "fingerprint": "0" * 64},
    )
    for shard in writer.pending():
        first = shard * 1000
        utts = enumerate(writer.shard_utt_ids(shard), start=first)
        writer.write_shard(shard, ((utt, codes[: lengths[i]]) for i, utt in utts))
    store = writer.finalize()
    on_disk = sum(file.stat().st_size for file in tmp_path.iterdir())
    payload = 15 * int(lengths.sum())
    assert sum(len(store.packed(utt)) for utt in ids) == payload
    assert payload < on_disk < 1.01 * payload


def test_one_flipped_bit_is_found_and_the_shard_and_stage_are_named(copy):
    shard = copy / "shard-00003.safetensors"
    content = bytearray(shard.read_bytes())
    content[-20] ^= 4
    shard.write_bytes(content)
    with pytest.raises(TokenError, match=r"\['shard-00003.safetensors'\].*rerun stage 'tokens'"):
        TokenStore(copy).verify()


def test_a_damaged_shard_is_made_again_by_the_stage(copy, reference_store):
    shard = copy / "shard-00003.safetensors"
    shard.write_bytes(shard.read_bytes()[:-20] + b"x" * 20)
    (copy / "shard-00007.safetensors").write_bytes(b"\x08")
    (copy / "shard-00008.safetensors").unlink()
    writer = open_writer(copy)
    assert writer.pending() == [3, 7, 8]
    write_job(writer, 1, 1)
    writer.finalize().verify()
    assert contents(copy) == contents(reference_store)


def test_an_intact_store_verifies(store):
    store.verify()


@pytest.mark.parametrize("name", ["shard-00003.safetensors", "index.safetensors"])
def test_truncated_or_missing_files_are_refused_when_read(copy, name):
    file = copy / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(TokenError, match=rf"{name}: expected \d+ bytes, found \d+ .*'tokens'"):
        list(TokenStore(copy).values())
    file.unlink()
    with pytest.raises(TokenError, match=f"{name}: expected .*no such file"):
        list(TokenStore(copy).values())


def test_an_unfinished_store_says_how_far_it_is(tmp_path):
    with pytest.raises(TokenError, match=r"found no meta.json .*'tokens'"):
        TokenStore(tmp_path / "nothing")
    writer = open_writer(tmp_path, maker={"kind": "kmeans", "name": "k", "fingerprint": "1"})
    write_job(writer, 2, 4)
    with pytest.raises(TokenError, match=r"found 3 of 12 shards .*'labels'"):
        TokenStore(tmp_path)
    with pytest.raises(TokenError, match=r"found 9 missing: \[0, 2, 3, 4, 6, ... 9 in all\]"):
        writer.finalize()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"maker": {"kind": "codec", "name": "test", "fingerprint": "bad"}}, "'f00'.*'bad'"),
        ({"sizes": [1024, 500, 4]}, r"sizes: \[1024, 500, 3\] there, \[1024, 500, 4\] here"),
        ({"utt_ids": UTT_IDS[1:]}, "num_utterances: 90 there, 89 here; utt_ids_sha256"),
        ({"shard_utterances": 9}, "shard_utterances: 8 there, 9 here"),
    ],
)
def test_shards_of_another_plan_are_never_mixed_in(copy, changes, message):
    before = contents(copy)
    with pytest.raises(TokenError, match=f"another plan .*{message}.*delete .*--dumpdir"):
        open_writer(copy, **changes)
    assert contents(copy) == before


def test_leftovers_are_removed_when_the_store_is_finished(copy, reference_store):
    (copy / ".shard-00002.safetensors.0123.tmp").write_bytes(b"half")
    (copy / "shard-00099.safetensors").write_bytes(b"")
    open_writer(copy).finalize()
    assert contents(copy) == contents(reference_store)


def test_files_of_others_in_the_folder_are_left_alone(copy):
    (copy / "codebook.safetensors").write_bytes(b"vectors")
    open_writer(copy).finalize()
    assert (copy / "codebook.safetensors").read_bytes() == b"vectors"


@pytest.mark.parametrize(
    ("items", "skipped", "message"),
    [
        ([("a", [[1]])], {}, r"found neither for \[b\]"),
        ([("a", [[1]]), ("b", [[1]])], {"b": "empty"}, r"both for \[b\]"),
        ([("a", [[1]]), ("a", [[1]])], {}, "found 'a' a second time"),
        ([("c", [[1]])], {}, "'c' though it is not of this shard"),
        ([("a", [[4]])], {}, "'a': codebook 0: expected codes from 0 to 3, found 4"),
        ([("a", np.empty((0, 1), dtype=int))], {}, "'a': expected frames, found none"),
        ([("a", [[1, 1]])], {}, r"'a': expected codes \(T, 1\)"),
    ],
)
def test_shards_that_break_the_plan_are_refused_and_not_written(tmp_path, items, skipped, message):
    writer = open_writer(tmp_path, utt_ids=["a", "b"], sizes=[4])
    with pytest.raises(TokenError, match=message):
        writer.write_shard(0, ((utt, np.array(codes)) for utt, codes in items), skipped)
    assert contents(tmp_path) == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"utt_ids": []}, "found none"),
        ({"utt_ids": ["a", "b", "a"]}, r"each utterance once, found again: \[a\]"),
        ({"utt_ids": ["a", "b c"]}, "without blanks"),
        ({"sizes": [1]}, "2 to 65536"),
        ({"frame_rate": 0}, "positive rates"),
        ({"maker": {"kind": "codec"}}, r"expected texts for \['name', 'fingerprint'\]"),
        ({"shard_utterances": 0}, "1 utterance a shard or more"),
    ],
)
def test_plans_that_cannot_work_are_refused(tmp_path, changes, message):
    with pytest.raises(TokenError, match=message):
        open_writer(tmp_path, **changes)


def test_a_store_whose_utterances_were_all_skipped_is_refused(tmp_path):
    writer = open_writer(tmp_path, utt_ids=["a", "b"])
    writer.write_shard(0, [], {"a": "empty", "b": "empty"})
    with pytest.raises(TokenError, match="found all skipped"):
        writer.finalize()


def test_jobs_are_numbered_from_one(tmp_path):
    with pytest.raises(TokenError, match="from 1 to 4, found 0"):
        open_writer(tmp_path).pending(0, 4)


def test_ids_in_any_script_are_found(tmp_path):
    ids = ["zdanie-łódź", "文", "é", "a" * 300]
    writer = open_writer(tmp_path, utt_ids=ids, sizes=[2])
    writer.write_shard(0, [(utt, np.full((i + 1, 1), i % 2)) for i, utt in enumerate(ids)])
    store = writer.finalize()
    assert store.utt_ids == ids
    assert [len(store[utt]) for utt in ids] == [1, 2, 3, 4]


def test_fingerprint_changes_with_the_maker_and_with_the_codes(tmp_path):
    def fingerprint(name, maker, code):
        writer = open_writer(tmp_path / name, utt_ids=["a"], sizes=[4], maker=maker)
        writer.write_shard(0, [("a", np.array([[code]]))])
        return writer.finalize().fingerprint

    maker = {"kind": "codec", "name": "test", "fingerprint": "f00"}
    first = fingerprint("a", maker, 1)
    assert fingerprint("b", maker, 1) == first
    assert fingerprint("c", maker, 2) != first
    assert fingerprint("d", maker | {"layer": 9}, 1) != first
