"""Crops: every utterance its turn, real frames only, and the same after a resume."""

from collections import Counter

import numpy as np
import pytest
import torch
import toy_corpus

from codec_ssl.errors import ConfigError
from codec_ssl.features.baselines import CodecEmbeddings
from codec_ssl.features.cache import FeatureCache
from codec_ssl.features.cache_writer import write_cache
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train.crop_stream import (
    StreamedCrops,
    StreamedSet,
    StreamedUtterances,
    StreamOptions,
)
from codec_ssl.train.crops import CropOptions, cached_training, cached_validation

CROP, BATCH, STEPS = 24, 6, 5
OPTIONS = CropOptions(CROP, BATCH, STEPS, seed=3)
FEW = StreamOptions(crops_per_visit=2, shuffle_crops=10)


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """Features as a cache and as a stream; utterances of 24 to 64 frames and one of 5."""
    folder = tmp_path_factory.mktemp("crops")
    toy_corpus.make_split(folder, "train", 15, seed=0)
    whole = TokenStore(folder / "store" / "train")
    codes = {utt: whole[utt] for utt in whole.utt_ids} | {"short": whole[whole.utt_ids[0]][:5]}
    store = toy_corpus.write_store(folder / "store" / "mixed", codes)
    encoder = CodecEmbeddings(toy_corpus.codebook(), toy_corpus.FRAME_RATE)
    write_cache(encoder, store, 0, folder / "cache", dtype="float32", shard_bytes=9000)
    return FeatureCache(folder / "cache"), StreamedSet(encoder, store, 0, batch_frames=150)


def training(features, kind, options=OPTIONS, **more):
    cache, stream = features
    if kind == "cache":
        return cached_training(cache, options, **more)
    return StreamedCrops(stream, options, FEW)


def pieces(batch):
    utt_ids, tensors = batch
    assert tensors["features"].shape == (tensors["features_lengths"].sum(), toy_corpus.DIM)
    split = tensors["features"].split(tensors["features_lengths"].tolist())
    return list(zip(utt_ids, split, strict=True))


def same(left, right):
    return all(
        a[0] == b[0] and torch.equal(a[1]["features"], b[1]["features"])
        for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("kind", ["cache", "stream"])
def test_crops_are_parts_of_their_utterance_and_short_ones_come_whole(features, kind):
    cache, _ = features
    seen = set()
    for epoch in range(1, 6):
        for batch in training(features, kind).build_iter(epoch):
            for utt, frames in pieces(batch):
                whole = torch.from_numpy(cache[utt].copy())
                windows = whole.unfold(0, len(frames), 1).transpose(1, 2)
                gaps = (windows - frames).abs().amax((1, 2))
                assert gaps.min() < 1e-5
                assert len(frames) == min(CROP, len(whole))
                seen.add(utt)
    assert seen == {cache.utt_id(n) for n in range(len(cache))}


def test_a_pass_over_the_cache_visits_every_utterance_once(features):
    cache, _ = features
    steps = 2 * len(cache) // BATCH
    batches = cached_training(cache, CropOptions(CROP, BATCH, steps, seed=0)).build_iter(1)
    visited = [utt for utt_ids, _ in batches for utt in utt_ids]
    halves = [Counter(visited[: len(cache)]), Counter(visited[len(cache) : 2 * len(cache)])]
    assert all(set(half.values()) == {1} for half in halves)
    assert visited[: len(cache)] != visited[len(cache) : 2 * len(cache)]


@pytest.mark.parametrize("kind", ["cache", "stream"])
def test_epochs_differ_and_each_can_be_made_again(features, kind):
    first = [list(training(features, kind).build_iter(epoch)) for epoch in (1, 2)]
    again = [list(training(features, kind).build_iter(epoch)) for epoch in (1, 2)]
    assert [len(epoch) for epoch in first] == [STEPS, STEPS]
    assert same(first[0], again[0]) and same(first[1], again[1])
    assert not same(first[0], first[1])


def test_workers_change_nothing(features):
    alone = list(training(features, "cache").build_iter(2))
    assert same(alone, list(training(features, "cache", num_workers=2).build_iter(2)))


@pytest.mark.parametrize("kind", ["cache", "stream"])
def test_processes_share_a_batch(features, kind):
    ranks = [CropOptions(CROP, BATCH, STEPS, 3, rank, 4) for rank in range(4)]
    epochs = [list(training(features, kind, options).build_iter(1)) for options in ranks]
    assert [len(epoch[0][0]) for epoch in epochs] == [2, 2, 1, 1]
    if kind == "cache":
        alone = list(training(features, kind).build_iter(1))
        for step, (utt_ids, _) in enumerate(alone):
            assert Counter(utt_ids) == Counter(u for epoch in epochs for u in epoch[step][0])


def test_validation_takes_every_utterance_whole_once(features):
    cache, stream = features
    for factory in (cached_validation(cache, OPTIONS), StreamedUtterances(stream)):
        found = [item for batch in factory.build_iter(1) for item in pieces(batch)]
        assert Counter(utt for utt, _ in found) == Counter(stream.utt_ids)
        for utt, frames in found:
            np.testing.assert_allclose(frames.numpy(), cache[utt], atol=1e-5)
    shares = [CropOptions(CROP, BATCH, STEPS, 3, rank, 3) for rank in range(3)]
    ranks = [list(cached_validation(cache, share).build_iter(1)) for share in shares]
    assert len({len(batches) for batches in ranks}) == 1
    assert Counter(u for batches in ranks for b in batches for u in b[0]) == Counter(stream.utt_ids)
    assert all(batch[0] for batches in ranks for batch in batches)


def test_the_buffer_mixes_utterances_and_stays_bounded(features, monkeypatch):
    from codec_ssl.train import crop_stream

    sizes = []
    draw = crop_stream._draw
    monkeypatch.setattr(crop_stream, "_draw", lambda b, r: sizes.append(len(b)) or draw(b, r))
    for batch in training(features, "stream").build_iter(1):
        assert len(set(batch[0])) >= 3
    # The buffer, and what one block of the encoder adds: 150 frames and an utterance.
    assert max(sizes) <= 10 + (150 + 64) // CROP + 2


def test_impossible_batches_are_refused(features):
    with pytest.raises(ConfigError, match="expected a crop for each of 8 processes, found 4"):
        CropOptions(CROP, 4, STEPS, 0, num_ranks=8)
    with pytest.raises(ConfigError, match="16 utterances cannot be shared by 40 processes"):
        cached_validation(features[0], CropOptions(CROP, 64, STEPS, 0, num_ranks=40))
    with pytest.raises(ConfigError, match="crop_frames: expected at least 1"):
        CropOptions(0, 4, STEPS, 0)
    with pytest.raises(ConfigError, match="shuffle_crops: expected at least 1"):
        StreamOptions(shuffle_crops=0)
