"""The feature cache: what was streamed, read at random places, and written whole or not at all."""

import logging
import pickle
import shutil
import sys

import numpy as np
import pytest
import torch
import toy_corpus

from codec_ssl.bin import cache_features
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.features import cache_writer
from codec_ssl.features.base import origin_of
from codec_ssl.features.baselines import CodecEmbeddings
from codec_ssl.features.cache import FeatureCache, read_meta, shard_path
from codec_ssl.features.cache_writer import plan_cache, write_cache
from codec_ssl.tokens.store import TokenStore

SHARD = 4000


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    return TokenStore(toy_corpus.make_split(folder, "train", 20, seed=0)[1])


@pytest.fixture(scope="module")
def encoder():
    return CodecEmbeddings(toy_corpus.codebook(), toy_corpus.FRAME_RATE)


def features_of(encoder, store, utt):
    codes = torch.as_tensor(store[utt])[None]
    return encoder.encode(codes, torch.tensor([codes.shape[1]]), [0])[0][0][0].numpy()


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float16", 2e-3)])
def test_every_frame_is_there_and_crops_are_parts_of_it(tmp_path, store, encoder, dtype, tolerance):
    write_cache(encoder, store, 0, tmp_path, dtype=dtype, shard_bytes=SHARD, batch_frames=100)
    cache = FeatureCache(tmp_path)
    assert len(cache) == len(store) and len(cache.meta.shard_ends) > 3
    assert cache.origin == origin_of(encoder, 0) and cache.width == encoder.width
    np.testing.assert_array_equal(cache.lengths, store.lengths)
    for position, utt in enumerate(store.utt_ids):
        expected = features_of(encoder, store, utt)
        np.testing.assert_allclose(cache[utt], expected, atol=tolerance * np.abs(expected).max())
        assert cache[utt].dtype == dtype and cache.utt_id(position) == utt
        np.testing.assert_array_equal(cache.crop(position, 3, 9), cache[utt][3:12])
    again = pickle.loads(pickle.dumps(cache))
    np.testing.assert_array_equal(again[store.utt_ids[-1]], cache[store.utt_ids[-1]])


def test_a_cache_does_not_depend_on_jobs_and_goes_on_after_a_kill(
    tmp_path, monkeypatch, store, encoder
):
    write_cache(encoder, store, 0, tmp_path / "whole", shard_bytes=SHARD)
    for job in (1, 2, 3):
        write_cache(encoder, store, 0, tmp_path / "jobs", shard_bytes=SHARD, job=job, num_jobs=3)
    write_cache(encoder, store, 0, tmp_path / "cut", shard_bytes=SHARD)
    for number in (0, 2):
        shard_path(tmp_path / "cut", number).unlink()
    third = shard_path(tmp_path / "cut", 3)
    third.write_bytes(third.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"2 missing, the first shard-00000\.npy.*'features'"):
        FeatureCache(tmp_path / "cut")
    written = []
    fill = cache_writer._fill
    monkeypatch.setattr(cache_writer, "_fill", lambda *args: written.append(1) or fill(*args))
    write_cache(encoder, store, 0, tmp_path / "cut", shard_bytes=SHARD)
    assert len(written) == 3
    expected = contents(tmp_path / "whole")
    assert contents(tmp_path / "jobs") == expected and contents(tmp_path / "cut") == expected


def test_the_size_is_said_before_a_shard_is_written(tmp_path, monkeypatch, store, encoder, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(cache_writer, "stream_features", None)
    with pytest.raises(TypeError):
        write_cache(encoder, store, 0, tmp_path)
    frames = int(store.lengths.sum())
    assert f"{frames} frames of width 64 in float16: {frames * 128 / 1e9:.2f} GB" in caplog.text


def test_too_little_room_is_seen_before_anything_is_made(tmp_path, monkeypatch, store, encoder):
    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(cache_writer.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match=r"GB of free disk, found 0\.0 GB: train from"):
        write_cache(encoder, store, 0, tmp_path)


def test_a_plan_counts_what_all_jobs_have_to_write_and_writes_no_feature(
    tmp_path, monkeypatch, store, encoder, caplog
):
    caplog.set_level(logging.INFO)
    plan_cache(encoder, store, 0, tmp_path, shard_bytes=SHARD)
    total = len(read_meta(tmp_path).shard_ends)
    assert total > 3 and f"{total} of {total} shards to write" in caplog.text
    assert not list(tmp_path.glob("shard-*"))
    size = read_meta(tmp_path).num_bytes
    usage = shutil.disk_usage(tmp_path)._replace(free=size // 2)
    monkeypatch.setattr(cache_writer.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(DataError, match="of free disk"):
        plan_cache(encoder, store, 0, tmp_path, shard_bytes=SHARD)
    # Each of three jobs alone has room for its own shards, and would not see it.
    write_cache(encoder, store, 0, tmp_path, shard_bytes=SHARD, job=1, num_jobs=3)
    write_cache(encoder, store, 0, tmp_path, shard_bytes=SHARD, job=2, num_jobs=3)
    plan_cache(encoder, store, 0, tmp_path, shard_bytes=SHARD)
    with pytest.raises(ConfigError, match="dtype of features"):
        plan_cache(encoder, store, 0, tmp_path, dtype="int8")


def test_other_features_are_not_mixed_in(tmp_path, store, encoder):
    write_cache(encoder, store, 0, tmp_path)
    with pytest.raises(DataError, match=r"holds other features \(dtype differ\)"):
        write_cache(encoder, store, 0, tmp_path, dtype="float32")
    other = CodecEmbeddings(2 * toy_corpus.codebook(), toy_corpus.FRAME_RATE)
    with pytest.raises(DataError, match=r"holds other features \(origin differ\)"):
        write_cache(other, store, 0, tmp_path)


def test_features_too_large_for_half_precision_are_named(tmp_path, store):
    loud = CodecEmbeddings(1e5 * toy_corpus.codebook(), toy_corpus.FRAME_RATE)
    with pytest.raises(DataError, match=r"utterance \w+-train-\d+: .*not finite in float16"):
        write_cache(loud, store, 0, tmp_path)
    write_cache(loud, store, 0, tmp_path / "single", dtype="float32")
    assert len(FeatureCache(tmp_path / "single")) == len(store)


def test_wrong_options_and_folders_are_refused(tmp_path, store, encoder):
    with pytest.raises(ConfigError, match="dtype of features"):
        write_cache(encoder, store, 0, tmp_path, dtype="int8")
    with pytest.raises(ConfigError, match="found layer 4"):
        write_cache(encoder, store, 4, tmp_path)
    with pytest.raises(DataError, match=r"expected a feature cache.*'features'"):
        FeatureCache(tmp_path)


def test_the_command_line_writes_a_cache(tmp_path, monkeypatch, store):
    options = ["--exp", "codec", "--layer", "0", "--store", str(store.path), "--job", "1"]
    monkeypatch.setattr(sys, "argv", ["command", *options, "--out", str(tmp_path / "out")])
    cache_features.main()
    assert FeatureCache(tmp_path / "out").meta.dtype == "float16"


def test_the_command_line_only_plans_if_asked_and_takes_an_encoder_or_a_training(
    tmp_path, call, store
):
    common = ("--store", store.path, "--out", tmp_path / "out")
    call(cache_features, *common, "--exp", "codec", "--layer", 0, "--plan_only", "true")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "meta.json",
        "index.safetensors",
    }
    config = tmp_path / "train.yaml"
    config.write_text("- input\n")
    wrong = {
        "either --encoder or --train_config": (),
        "either --encoder or --train_config, found both": ("--exp", "mel", "--train_config", "x"),
        "--codec go together": ("--train_config", "x"),
        "go together": ("--exp", "codec", "--codec", "x"),
        "have no layers": ("--train_config", "x", "--codec", "x", "--layer", 1),
        "expected a training's config": ("--train_config", config, "--codec", "x"),
        "expected --layer": ("--exp", "codec"),
    }
    for message, options in wrong.items():
        with pytest.raises(ConfigError, match=message):
            call(cache_features, *common, *options)
