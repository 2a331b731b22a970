"""Promises of packed batches, lengths and the data type."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from codec_ssl.errors import DataError
from codec_ssl.tokens.store import TokenStore, TokenStoreWriter
from codec_ssl.train.collate import PackedCollate, pack_streams
from codec_ssl.train.lengths import write_lengths


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    lengths = {"a": 5, "b": 40, "c": 12, "d": 2}
    rng = np.random.default_rng(0)
    writer = TokenStoreWriter(
        tmp_path / "store",
        utt_ids=list(lengths),
        sizes=[16, 16],
        frame_rate=50.0,
        sample_rate=16000,
        maker={"kind": "codec", "name": "x", "fingerprint": "f"},
        shard_utterances=2,
    )
    for shard in writer.pending():
        ids = writer.shard_utt_ids(shard)
        writer.write_shard(shard, [(u, rng.integers(0, 16, (lengths[u], 2))) for u in ids])
    return writer.finalize()


def utterance(name: str, frames: int, labels: int | None = None):
    streams = {"codes": np.arange(frames)[:, None].repeat(2, 1)}
    if labels is not None:
        streams["labels"] = np.arange(labels)[:, None]
    return name, streams


def test_batch_is_the_utterances_end_to_end():
    utt_ids, batch = PackedCollate()([utterance("a", 3, 3), utterance("b", 2, 2)])
    assert utt_ids == ["a", "b"]
    assert batch["codes"][:, 0].tolist() == batch["labels"][:, 0].tolist() == [0, 1, 2, 0, 1]
    assert batch["codes"].dtype == batch["labels"].dtype == torch.int64
    assert batch["codes_lengths"].tolist() == [3, 2]


def test_labels_and_codes_meet_at_the_shorter():
    _, batch = PackedCollate()([utterance("a", 4, 3), utterance("b", 2, 3)])
    assert batch["codes_lengths"].tolist() == [3, 2]
    assert batch["codes"][:, 0].tolist() == batch["labels"][:, 0].tolist() == [0, 1, 2, 0, 1]


def test_a_gap_of_two_names_the_utterance_and_the_stage():
    with pytest.raises(DataError, match=r"utterance b: 5 frames .* 3 labels.*stage 'labels'"):
        PackedCollate()([utterance("a", 3, 3), utterance("b", 5, 3)])


def test_crops_are_aligned_move_with_the_epoch_and_depend_on_nothing_else():
    collate = PackedCollate(max_frames=10, seed=3)
    starts = set()
    for epoch in range(20):
        collate.epoch = epoch
        _, batch = collate([utterance("a", 200, 200), utterance("b", 4, 4)])
        assert batch["codes_lengths"].tolist() == [10, 4]
        assert torch.equal(batch["codes"][:, :1], batch["labels"])
        assert batch["codes"][:10, 0].diff().eq(1).all()
        # alone, after other draws, in another process: the same crop
        np.random.random(5)
        _, alone = pickle.loads(pickle.dumps(collate))([utterance("a", 200, 200)])
        assert torch.equal(alone["codes"], batch["codes"][:10])
        starts.add(int(batch["codes"][0, 0]))
    assert len(starts) > 10


def test_crops_reach_both_ends():
    collate = PackedCollate(max_frames=3)
    starts = set()
    for epoch in range(60):
        collate.epoch = epoch
        starts.add(int(collate([utterance("a", 5)])[1]["codes"][0, 0]))
    assert starts == {0, 1, 2}


def test_lengths_count_as_cropped_and_short_ones_are_left_out_and_logged(store, tmp_path, caplog):
    caplog.set_level("INFO")
    assert write_lengths(store, tmp_path / "n/train", min_frames=3, max_frames=20) == 3
    assert (tmp_path / "n/train").read_text() == "a 5\nb 20\nc 12\n"
    assert (
        "1 shorter than min_frames 3" in caplog.text
        and "1 longer than max_frames 20" in caplog.text
    )


def test_shape_file_chooses_a_subset(store, tmp_path):
    (tmp_path / "shape").write_text("c 12\na 5\n")
    write_lengths(store, tmp_path / "out", wanted=tmp_path / "shape")
    assert (tmp_path / "out").read_text() == "a 5\nc 12\n"
    (tmp_path / "shape").write_text("z 12\n")
    with pytest.raises(DataError, match="such as z"):
        write_lengths(store, tmp_path / "out", wanted=tmp_path / "shape")


def test_nothing_left_is_an_error(store, tmp_path):
    with pytest.raises(DataError, match="none of 4 utterances has 100 frames"):
        write_lengths(store, tmp_path / "out", min_frames=100)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_espnet_reads_a_store_in_workers_in_the_same_order(store, num_workers):
    import re

    from espnet2.iterators.sequence_iter_factory import SequenceIterFactory
    from espnet2.train.dataset import DATA_TYPES, ESPnetDataset

    from codec_ssl.train import data_type

    data_type.register()
    data_type.register()
    # ESPnet takes the first type that matches as a prefix.
    assert [key for key in DATA_TYPES if re.match(key, data_type.NAME)] == [data_type.NAME]
    dataset = ESPnetDataset([(str(store.path), "codes", "token_store")])

    def batches(workers: int):
        factory = SequenceIterFactory(
            dataset,
            [["a", "b"], ["c"], ["d"]],
            seed=1,
            shuffle=True,
            num_workers=workers,
            collate_fn=PackedCollate(max_frames=8),
        )
        return [batch for epoch in (1, 2) for batch in factory.build_iter(epoch)]

    found = batches(num_workers)
    for (ids, batch), (other_ids, other) in zip(found, batches(0), strict=True):
        assert ids == other_ids
        assert torch.equal(batch["codes"], other["codes"])
    by_id = {ids[0]: batch["codes"].numpy() for ids, batch in found}
    np.testing.assert_array_equal(by_id["d"], store["d"])


def test_streams_of_other_lengths_are_packed_each_by_itself():
    data = [
        ("a", {"features": np.ones((2, 3), np.float32), "text": np.array([5, 6, 7])}),
        ("b", {"features": np.zeros((1, 3), np.float32), "text": np.array([8])}),
    ]
    ids, batch = pack_streams(data)
    assert ids == ["a", "b"]
    assert batch["features"].tolist() == [[1, 1, 1], [1, 1, 1], [0, 0, 0]]
    assert batch["features_lengths"].tolist() == [2, 1]
    assert batch["text"].tolist() == [5, 6, 7, 8] and batch["text_lengths"].tolist() == [3, 1]
