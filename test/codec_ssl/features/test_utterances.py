"""Features of a data dir without codes: frames are the encoder's own."""

import numpy as np
import pytest
import soundfile
import torch
from toy_vocoder import write_store

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import subset
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.features.baselines import CodecEmbeddings, LogMel
from codec_ssl.features.cache import FeatureCache
from codec_ssl.features.cache_writer import write_cache
from codec_ssl.features.factory import make_source, open_utterances
from codec_ssl.features.stream import stream_features
from codec_ssl.features.utterances import WaveUtterances
from codec_ssl.tokenizers.kmeans import KMeans, KMeansOptions
from codec_ssl.tokenizers.labels import extract_labels, fit_tokenizer
from codec_ssl.tokens.store import TokenStore

SAMPLES = {"a": 16000, "b": 12345, "c": 320}


@pytest.fixture
def data_dir(tmp_path):
    """Three utterances at 16 kHz, and one of 8 kHz."""
    random, wav = np.random.default_rng(0), {}
    for utt, count in {**SAMPLES, "slow": 5000}.items():
        path = tmp_path / f"{utt}.wav"
        soundfile.write(path, 0.1 * random.standard_normal(count), 8000 if utt == "slow" else 16000)
        wav[utt] = str(path)
    return DataDir.write(tmp_path / "data", wav=wav, utt2spk=dict.fromkeys(wav, "s"))


def test_frames_are_counted_from_headers_at_the_encoders_rate(data_dir):
    utterances = open_utterances(LogMel(16000, 50.0), None, data_dir)
    assert utterances.utt_ids == ["a", "b", "c", "slow"]
    assert utterances.lengths.tolist() == [50, 39, 1, 32]  # 5000 at 8 kHz are 10000 at 16 kHz
    assert (utterances.num_samples("slow"), utterances.frame_rate) == (10000, 50.0)


def test_features_tokens_and_caches_have_these_frames(data_dir, tmp_path):
    encoder = LogMel(16000, 50.0)
    utterances = open_utterances(encoder, None, data_dir)
    source = make_source(encoder, utterances, data_dir=data_dir)
    (batch,) = stream_features(encoder, source, [0])
    tokenizer = KMeans(KMeansOptions(num_clusters=4))
    fit_tokenizer(tokenizer, encoder, utterances, 0, data_dir=data_dir)
    extract_labels(
        tokenizer, encoder, utterances, tmp_path / "labels", finalize=True, data_dir=data_dir
    )
    store = TokenStore(tmp_path / "labels")
    assert store.utt_ids == utterances.utt_ids
    assert store.lengths.tolist() == utterances.lengths.tolist()
    assert (store.meta.maker["name"], store.meta.maker["encoder"]) == ("kmeans", "logmel")
    lens = torch.as_tensor(batch.lengths)
    tokens = tokenizer.encode(batch.features[0], lens).split(batch.lengths.tolist())
    for utt, wanted in zip(batch.utt_ids, tokens, strict=True):
        assert np.array_equal(store[utt], wanted.numpy())
    write_cache(encoder, utterances, 0, tmp_path / "cache", dtype="float32", data_dir=data_dir)
    cache = FeatureCache(tmp_path / "cache")
    assert cache.lengths.tolist() == utterances.lengths.tolist()


def test_unusable_files_are_left_out_up_to_a_share(data_dir, tmp_path, caplog):
    (tmp_path / "b.wav").write_bytes(b"")
    encoder = LogMel(16000, 50.0)
    utterances = WaveUtterances(data_dir, encoder, max_bad_rate=0.3)
    assert utterances.utt_ids == ["a", "c", "slow"]
    assert "left out {'empty': 1}" in caplog.text
    with pytest.raises(DataError, match=r"1 of 4 utterances \(1 empty\), more than max_bad_rate"):
        open_utterances(encoder, None, data_dir)


def test_of_a_larger_store_and_a_larger_data_dir_only_what_both_have_is_taken(data_dir, tmp_path):
    frames = {"z": 7, "slow": 32, "b": 39, "y": 3}
    codes = {utt: np.full((count, 1), number) for number, (utt, count) in enumerate(frames.items())}
    store = write_store(tmp_path / "codes", codes, [4])
    coded = CodecEmbeddings(torch.eye(4)[None], 50.0)
    for encoder in (LogMel(16000, 50.0), coded):
        utterances = open_utterances(encoder, store, data_dir)
        assert utterances.utt_ids == [utt for utt in store.utt_ids if utt in ("b", "slow")]
        assert utterances.lengths.tolist() == [frames[utt] for utt in utterances.utt_ids]
        out = tmp_path / encoder.name
        write_cache(encoder, utterances, 0, out, dtype="float32", data_dir=data_dir)
        cache = FeatureCache(out)
        assert cache.utt_ids == utterances.utt_ids
        assert cache.lengths.tolist() == utterances.lengths.tolist()
    assert np.array_equal(cache["slow"], np.eye(4)[codes["slow"][:, 0]])
    others = subset(data_dir, ["a", "c"], tmp_path / "others")
    with pytest.raises(DataError, match=r"codes: expected utterances of .*others, found none"):
        open_utterances(coded, store, others)


def test_encoders_of_codes_need_codes(data_dir):
    encoder = CodecEmbeddings(torch.zeros(1, 2, 3), 50.0)
    with pytest.raises(ConfigError, match="takes codes: expected a token store"):
        open_utterances(encoder, None, data_dir)


def test_frames_of_another_rate_are_refused(data_dir):
    utterances = WaveUtterances(data_dir, LogMel(16000, 50.0))
    with pytest.raises(ConfigError, match="expected 100 frames a second, found 50"):
        make_source(LogMel(16000, 100.0), utterances, data_dir=data_dir)
