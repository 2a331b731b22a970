"""What a model keeps about its speech, and what results call it."""

import pytest
import toy_asr

from codec_ssl.asr.speech import check_frames, check_speech, describe, record_speech
from codec_ssl.errors import CheckpointError, DataError
from codec_ssl.features.cache import FeatureCache


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("speech")
    _, store = toy_asr.make_set(folder, "train", 5, 0)
    toy_asr.write_features(folder, "train", store)
    return folder


@pytest.fixture(scope="module")
def store(root):
    from codec_ssl.tokens.store import TokenStore

    return TokenStore(root / "store/train")


@pytest.fixture(scope="module")
def cache(root):
    return FeatureCache(root / "features/train")


@pytest.mark.parametrize(
    ("maker", "wanted"),
    [
        ({"name": "repcodec16x8"}, ("toy_base_l9", "repcodec", "16x8")),
        ({"name": "repcodec_960h"}, ("toy_base_l9", "repcodec_960h", "16x8")),
        ({"name": "vq", "layer": 0}, ("toy_base", "vq", "16x8")),
        ({"name": "vq", "encoder": None}, (None, "vq", "16x8")),
        (
            {"kind": "codec", "name": "dac_16k", "encoder": None, "layer": None},
            ("dac_16k", "dac_16k", "16x8"),
        ),
    ],
)
def test_units_are_called_by_encoder_layer_tokenizer_and_sizes(tmp_path, maker, wanted):
    _, made = toy_asr.make_set(tmp_path, "x", 5, 0, maker={**toy_asr.MAKER, **maker})
    assert tuple(describe(made).values()) == wanted


def test_features_are_called_continuous(cache):
    assert describe(cache) == {"features": "codec", "tokenizer": "continuous", "sizes": None}


def test_the_same_kind_of_speech_passes_and_another_set_of_it_too(tmp_path, store, cache):
    _, other = toy_asr.make_set(tmp_path, "other", 5, 1)
    toy_asr.write_features(tmp_path, "other", other)
    for here, there in ((store, other), (cache, FeatureCache(tmp_path / "features/other"))):
        check_speech(here, record_speech(here), "exp", same_data=True)
        check_speech(there, record_speech(here), "exp")
        with pytest.raises(CheckpointError, match=r"store with fingerprint|content: expected"):
            check_speech(there, record_speech(here), "exp", same_data=True)


def test_other_speech_is_refused(tmp_path, store, cache):
    with pytest.raises(CheckpointError, match="expected codes, with which exp was trained, found"):
        check_speech(cache, record_speech(store), "exp")
    maker = {**toy_asr.MAKER, "fingerprint": "another one"}
    _, other = toy_asr.make_set(tmp_path, "maker", 5, 0, maker=maker)
    with pytest.raises(
        CheckpointError, match=r"fingerprint of maker.*'toy tokenizer', found 'another one'"
    ):
        check_speech(other, record_speech(store), "exp")
    sized = toy_asr.write_store(tmp_path / "sizes", dict(store.items()), sizes=(16, 9))
    with pytest.raises(CheckpointError, match=r"codebook sizes.*\[16, 8\], found \[16, 9\]"):
        check_speech(sized, record_speech(store), "exp")
    recorded = record_speech(cache)
    recorded["features"]["origin"] = {**recorded["features"]["origin"], "layer": 3}
    with pytest.raises(CheckpointError, match=r"origin: expected .*'layer': 3.*stage 'features'"):
        check_speech(cache, recorded, "exp")


def test_features_without_a_frame_are_refused(tmp_path, store, cache, monkeypatch):
    check_frames(cache)
    monkeypatch.setattr(cache, "lengths", cache.lengths * 0)
    with pytest.raises(DataError, match="expected frames, found none in s0-train-000"):
        check_frames(cache)
