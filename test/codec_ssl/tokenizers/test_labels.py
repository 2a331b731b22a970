"""Labels: streamed equals dumped, equal for any number of jobs, and only of the right model."""

import hashlib
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import toy_corpus

from codec_ssl.bin import extract_labels as extract_labels_command
from codec_ssl.bin import fit_kmeans
from codec_ssl.errors import CheckpointError, ConfigError, TokenError
from codec_ssl.features.base import origin_of
from codec_ssl.features.factory import make_encoder
from codec_ssl.features.ours import load_encoder
from codec_ssl.features.stream import CodeSource, stream_features
from codec_ssl.tokenizers.kmeans import KMeans, KMeansOptions
from codec_ssl.tokenizers.labels import extract_labels, fit_tokenizer
from codec_ssl.tokens.store import TokenStore, TokenStoreWriter

LAYER = 2
OPTIONS = KMeansOptions(12, max_frames=5000, num_iterations=10)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels")
    for seed, (name, size) in enumerate({"train": 40, "valid": 9}.items()):
        toy_corpus.make_split(folder, name, size, seed)
    toy_corpus.make_exp(folder / "exp", folder / "store" / "train")
    return folder


@pytest.fixture(scope="module")
def store(root):
    return TokenStore(root / "store" / "train")


@pytest.fixture(scope="module")
def encoder(root):
    return load_encoder(root / "exp")


@pytest.fixture(scope="module")
def kmeans(root, store, encoder):
    tokenizer = KMeans(OPTIONS)
    fit_tokenizer(tokenizer, encoder, store, LAYER)
    return tokenizer


def digest(folder):
    files = sorted(path for path in folder.iterdir())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_streaming_equals_dump_then_fit(store, encoder, kmeans):
    stream = stream_features(encoder, CodeSource(store), [LAYER])
    dump = torch.cat([batch.features[LAYER] for batch in stream]).numpy()
    dumped = KMeans(OPTIONS, origin_of(encoder, LAYER)).fit_sample(dump)
    assert len(dump) == store.meta.num_frames
    assert dumped.fingerprint == kmeans.fingerprint


def test_labels_are_the_clusters_of_each_utterance_by_itself(tmp_path, root, encoder, kmeans):
    valid = TokenStore(root / "store" / "valid")
    extract_labels(kmeans, encoder, valid, tmp_path / "out", finalize=True, batch_frames=90)
    labels = TokenStore(tmp_path / "out")
    assert labels.utt_ids == valid.utt_ids
    agree = []
    for utt in valid.utt_ids:
        codes = torch.as_tensor(valid[utt])[None]
        features, _ = encoder.encode(codes, torch.tensor([codes.shape[1]]), [LAYER])
        gaps = features[LAYER][0][:, None] - kmeans.centroids[None]
        agree.append(labels[utt][:, 0] == gaps.square().sum(-1).argmin(1).numpy())
    # Rounding differs between batches, so a frame halfway between two clusters may flip.
    assert np.concatenate(agree).mean() > 0.999
    assert labels.meta.maker["kind"] == "kmeans"
    assert labels.meta.maker["fingerprint"] == kmeans.fingerprint
    assert labels.meta.maker["layer"] == LAYER
    assert labels.meta.maker["encoder_fingerprint"] == encoder.fingerprint
    assert labels.meta.sizes == [12]


def test_labels_of_centered_frames_are_the_clusters_of_each_utterance_less_its_mean(
    tmp_path, store, encoder
):
    tokenizer = KMeans(replace(OPTIONS, center=True))
    fit_tokenizer(tokenizer, encoder, store, LAYER, batch_frames=90)
    extract_labels(tokenizer, encoder, store, tmp_path / "out", finalize=True, batch_frames=200)
    labels, agree, deviations = TokenStore(tmp_path / "out"), [], []
    for utt in store.utt_ids:
        codes = torch.as_tensor(store[utt])[None]
        features, _ = encoder.encode(codes, torch.tensor([codes.shape[1]]), [LAYER])
        deviations.append(features[LAYER][0] - features[LAYER][0].mean(0))
        nearest = torch.cdist(deviations[-1], tokenizer.centroids).argmin(1)
        agree.append(labels[utt][:, 0] == nearest.numpy())
    assert np.concatenate(agree).mean() > 0.999
    whole = KMeans(tokenizer.options).fit_sample(torch.cat(deviations).numpy())
    assert whole.report["inertia_per_frame"] == pytest.approx(
        tokenizer.report["inertia_per_frame"], rel=0.05
    )


def test_label_store_does_not_depend_on_the_number_of_jobs(tmp_path, store, encoder, kmeans):
    for num_jobs in (1, 3, 11):
        out = tmp_path / str(num_jobs)
        for job in range(1, num_jobs + 1):
            extract_labels(kmeans, encoder, store, out, job=job, num_jobs=num_jobs)
        extract_labels(kmeans, encoder, store, out, finalize=True)
    assert digest(tmp_path / "1") == digest(tmp_path / "3") == digest(tmp_path / "11")


def test_a_killed_job_goes_on_and_ends_with_the_same_bytes(
    tmp_path, monkeypatch, store, encoder, kmeans
):
    extract_labels(kmeans, encoder, store, tmp_path / "whole", finalize=True)
    write, written = TokenStoreWriter.write_shard, []

    def die(self, shard, *args):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(shard)
        write(self, shard, *args)

    monkeypatch.setattr(TokenStoreWriter, "write_shard", die)
    with pytest.raises(KeyboardInterrupt):
        extract_labels(kmeans, encoder, store, tmp_path / "killed")
    monkeypatch.setattr(TokenStoreWriter, "write_shard", write)
    extract_labels(kmeans, encoder, store, tmp_path / "killed", finalize=True)
    assert digest(tmp_path / "killed") == digest(tmp_path / "whole")


def test_a_second_run_does_nothing(tmp_path, monkeypatch, store, encoder, kmeans):
    extract_labels(kmeans, encoder, store, tmp_path, finalize=True)
    before = digest(tmp_path)
    monkeypatch.setattr(TokenStoreWriter, "write_shard", None)
    extract_labels(kmeans, encoder, store, tmp_path, finalize=True)
    assert digest(tmp_path) == before


def test_centroids_of_another_model_are_refused(tmp_path, root, store, kmeans):
    other = load_encoder(root / "exp", untrained_seed=3)
    with pytest.raises(CheckpointError, match=r"which the kmeans was fitted on.*'labels'"):
        extract_labels(kmeans, other, store, tmp_path)


def test_labels_of_another_kmeans_are_not_mixed_in(tmp_path, store, encoder, kmeans):
    extract_labels(kmeans, encoder, store, tmp_path)
    other = KMeans(KMeansOptions(12, seed=1, num_iterations=2))
    fit_tokenizer(other, encoder, store, LAYER)
    with pytest.raises(TokenError, match="another plan"):
        extract_labels(other, encoder, store, tmp_path)


def test_a_portion_looks_at_that_share_of_the_utterances(store, encoder):
    tokenizer = KMeans(OPTIONS)
    fit_tokenizer(tokenizer, encoder, store, 0, portion=0.25, seed=1)
    share = tokenizer.report["num_frames_seen"] / store.meta.num_frames
    assert 0.15 < share < 0.35


def test_waveform_encoders_need_a_data_dir(tmp_path, store):
    with pytest.raises(ConfigError, match="expected a data dir"):
        fit_tokenizer(KMeans(OPTIONS), make_encoder("logmel", store, "cpu"), store, 0)


def test_an_encoder_that_is_neither_baseline_nor_folder_is_refused(store):
    with pytest.raises(ConfigError, match=r"found 'melspec'.*'pretrain'"):
        make_encoder("melspec", store, "cpu")


def test_command_lines_fit_label_and_refuse_a_wrong_layer(tmp_path, monkeypatch, root):
    def run(module, *arguments):
        monkeypatch.setattr(sys, "argv", ["command", *map(str, arguments)])
        module.main()

    train, valid = root / "store" / "train", root / "store" / "valid"
    common = ["--exp", root / "exp", "--layer"]
    km = tmp_path / "km"
    run(fit_kmeans, *common, LAYER, "--store", train, "--out", km, "--num_clusters", 12)
    out = ["--kmeans", km, "--store", valid, "--out", tmp_path / "labels", "--finalize", "true"]
    run(extract_labels_command, *common, LAYER, *out)
    assert TokenStore(tmp_path / "labels").meta.num_utterances == 9
    with pytest.raises(ConfigError, match=r"was fitted on layer 2, found --layer 1.*'labels'"):
        run(extract_labels_command, *common, 1, *out)


def test_k_means_may_look_at_so_many_utterances_and_frames(root, store):
    seen = {}
    for limit in (None, 7):
        tokenizer = KMeans(KMeansOptions(4, max_frames=50, num_iterations=3))
        encoder = make_encoder(str(root / "exp"), store, "cpu")
        fit_tokenizer(tokenizer, encoder, store, LAYER, max_utterances=limit)
        seen[limit] = tokenizer.report
    assert seen[None]["num_frames_seen"] == int(store.lengths.sum())
    assert 0 < seen[7]["num_frames_seen"] < seen[None]["num_frames_seen"] / 3
    assert seen[7]["num_frames"] == 50
