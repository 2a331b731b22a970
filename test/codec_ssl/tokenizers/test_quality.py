"""Quality of tokens against counting by hand, scikit-learn and a plain loop."""

from itertools import groupby

import numpy as np
import pytest
import torch
import toy_corpus
from sklearn.metrics import mutual_info_score

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError
from codec_ssl.features.baselines import CodecEmbeddings
from codec_ssl.features.factory import make_source
from codec_ssl.features.stream import stream_features
from codec_ssl.tokenizers.kmeans import KMeans, KMeansOptions
from codec_ssl.tokenizers.quality import (
    QualityOptions,
    phone_scores,
    reconstruction_losses,
    token_costs,
)
from codec_ssl.tokens.store import TokenStore


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    data_dir, store = toy_corpus.make_split(tmp_path_factory.mktemp("quality"), "test", 9, 0)
    return DataDir(data_dir), TokenStore(store)


def test_costs_are_those_counted_by_hand(corpus):
    _, store = corpus
    frames = [tuple(frame) for codes in store.values() for frame in codes.tolist()]
    runs = sum(len(list(groupby(map(tuple, codes.tolist())))) for codes in store.values())
    shares = [
        np.unique([f[q] for f in frames], return_counts=True)[1] / len(frames) for q in (0, 1)
    ]
    entropies = [-(share * np.log2(share)).sum() for share in shares]
    costs = token_costs(store)
    assert costs["bitrate"] == pytest.approx(2 * 5 * 50 / 1000)
    assert costs["tokens_per_second"] == 100
    assert costs["mean_run_length"] == pytest.approx(len(frames) / runs)
    assert costs["runs_per_second"] == pytest.approx(50 * runs / len(frames))
    assert costs["entropy"] == pytest.approx(sum(entropies))
    assert costs["perplexity"] == pytest.approx(np.mean([2**each for each in entropies]))
    assert costs["codebook_usage"] == pytest.approx(np.mean([len(s) / 32 for s in shares]))


def test_phone_scores_are_those_of_all_labelled_frames(corpus):
    data_dir, store = corpus
    phones, tokens = [], []
    for utt, codes in store.items():
        for centre, code in enumerate(codes.tolist()):
            time = (centre + 0.5) / 50
            [label] = [s.label for s in data_dir.phones[utt] if s.start <= time < s.end]
            phones.append(label)
            tokens.append(32 * code[0] + code[1])
    scores = phone_scores(store, data_dir, QualityOptions(max_ngram=2, abx_frames=0))
    entropy = -sum(p * np.log(p) for p in np.unique(phones, return_counts=True)[1] / len(phones))
    assert scores["pnmi_1"] == pytest.approx(mutual_info_score(phones, tokens) / entropy)
    best = sum(
        max(np.unique(np.array(phones)[np.array(tokens) == t], return_counts=True)[1])
        for t in set(tokens)
    )
    assert scores["phone_purity"] == pytest.approx(best / len(phones))
    assert scores["pnmi_1_chance"] < scores["pnmi_1"] <= scores["pnmi_2"] < 1 + 1e-9
    assert "pnmi_3" not in scores and "abx_within" not in scores


def test_tokens_that_are_the_phones_are_perfect_and_random_ones_are_not(tmp_path):
    folder, store = toy_corpus.make_split(tmp_path, "many", 60, 1)
    data_dir, source = DataDir(folder), TokenStore(store)
    random, truth, noise = np.random.default_rng(0), {}, {}
    for utt, codes in source.items():
        frames = [round(50 * (s.end - s.start)) for s in data_dir.phones[utt]]
        labels = np.repeat([int(s.label[1:]) for s in data_dir.phones[utt]], frames)
        truth[utt] = np.stack([labels, np.zeros_like(labels)], 1)
        noise[utt] = random.integers(32, size=codes.shape)
    scores = {
        name: phone_scores(
            toy_corpus.write_store(tmp_path / name, tokens), data_dir, QualityOptions(max_ngram=1)
        )
        for name, tokens in (("truth", truth), ("noise", noise))
    }
    for metric in ("phone_purity", "cluster_purity", "pnmi_1"):
        assert scores["truth"][metric] == pytest.approx(1)
        assert scores["noise"][metric] < 0.9
    for metric in ("abx_within", "abx_across"):
        assert scores["truth"][metric] == 0
        assert 0.3 < scores["noise"][metric] < 0.7
    # What unrelated tokens reach by their number alone is told beside it.
    assert scores["noise"]["pnmi_1"] == pytest.approx(scores["noise"]["pnmi_1_chance"], abs=0.02)


def test_without_alignments_it_says_what_is_missing(corpus, tmp_path):
    data_dir, store = corpus
    bare = DataDir.write(tmp_path, wav=data_dir.wav_scp, utt2spk=data_dir.utt2spk)
    with pytest.raises(DataError, match=r"expected phones\.ctm with utterances of"):
        phone_scores(store, bare, QualityOptions())


def test_reconstruction_loss_is_the_squared_error_by_the_power_of_the_features(corpus):
    _, store = corpus
    encoder = CodecEmbeddings(toy_corpus.codebook(), toy_corpus.FRAME_RATE)
    book = toy_corpus.codebook()
    codes = torch.cat([torch.from_numpy(codes) for codes in store.values()]).long()
    features = book[0][codes[:, 0]] + book[1][codes[:, 1]]
    tokenizers = {k: KMeans(KMeansOptions(k)).fit_sample(features.numpy()) for k in (4, 20)}
    batches = stream_features(encoder, make_source(encoder, store), [0], batch_frames=70)
    losses = reconstruction_losses(batches, 0, {str(k): t for k, t in tokenizers.items()})
    for k, tokenizer in tokenizers.items():
        distances = torch.cdist(features.double(), tokenizer.centroids.double()).min(1).values
        expected = float(distances.square().sum() / features.double().square().sum())
        assert losses[str(k)] == pytest.approx(expected, rel=1e-4)
    assert losses["20"] < losses["4"] < 1
