"""k-means: streaming equals fitting on a dump, and what is saved is what was fitted."""

import numpy as np
import pytest
import torch
from scipy.cluster.vq import kmeans2
from sklearn.cluster import KMeans as Lloyd
from sklearn.cluster import MiniBatchKMeans

from codec_ssl.errors import CheckpointError, ConfigError, DataError, TrainingError
from codec_ssl.nn import quantize
from codec_ssl.tokenizers.base import SETTINGS, WEIGHTS, Origin
from codec_ssl.tokenizers.kmeans import KMeans, KMeansOptions


def blobs(num_frames=4000, num_clusters=40, width=16, noise=0.05, seed=0):
    random = np.random.default_rng(seed)
    centres = random.normal(size=(num_clusters, width))
    owner = random.integers(num_clusters, size=num_frames)
    frames = centres[owner] + noise * random.normal(size=(num_frames, width))
    return frames.astype(np.float32), centres


def inertia(frames, centroids):
    distances = ((frames[:, None] - centroids[None]) ** 2).sum(-1)
    return distances.min(1).mean()


def test_streaming_equals_dump_then_fit():
    frames, _ = blobs()
    options = KMeansOptions(20, max_frames=len(frames))
    streamed = KMeans(options).fit(torch.from_numpy(frames).split(333))
    dumped = KMeans(options).fit_sample(frames)
    assert torch.equal(streamed.centroids, dumped.centroids)


def test_fit_depends_on_the_seed_and_not_on_the_batches():
    frames = torch.from_numpy(blobs(9000)[0])
    fits = {
        (seed, size): KMeans(KMeansOptions(20, 2000, seed=seed)).fit(frames.split(size))
        for seed in (0, 1)
        for size in (100, 4097)
    }
    assert fits[0, 100].fingerprint == fits[0, 4097].fingerprint
    assert fits[0, 100].fingerprint != fits[1, 100].fingerprint
    assert fits[0, 100].report["num_frames_seen"] == 9000
    assert fits[0, 100].report["num_frames"] == 2000


def test_encode_is_the_nearest_centroid_across_chunk_borders(monkeypatch):
    frames, _ = blobs()
    tokenizer = KMeans(KMeansOptions(20)).fit([torch.from_numpy(frames)])
    monkeypatch.setattr(quantize, "_CHUNK_DISTANCES", 20 * 7)
    tokens = tokenizer.encode(torch.from_numpy(frames), torch.tensor([len(frames)]))
    distances = ((frames[:, None] - tokenizer.centroids.numpy()[None]) ** 2).sum(-1)
    np.testing.assert_array_equal(tokens[:, 0].numpy(), distances.argmin(1))
    assert tokens.shape == (len(frames), 1)
    assert tokens.dtype == torch.int64


def test_kmeans_plus_plus_finds_planted_clusters_and_beats_a_random_start():
    frames, centres = blobs(num_clusters=60)
    floor = inertia(frames, centres)
    found = {
        init: inertia(
            frames, KMeans(KMeansOptions(60, init=init)).fit_sample(frames).centroids.numpy()
        )
        for init in ("kmeans++", "random")
    }
    # A cluster that no start fell into costs many times the noise; k-means++ misses few.
    assert found["kmeans++"] < found["random"]
    assert found["kmeans++"] < 20 * floor


def test_inertia_is_as_low_as_that_of_scipys_kmeans_plus_plus():
    frames, _ = blobs(num_clusters=200, noise=0.7)
    peer, _ = kmeans2(frames.astype(np.float64), 50, iter=30, minit="++", rng=0)
    ours = KMeans(KMeansOptions(50)).fit_sample(frames)
    assert ours.report["inertia_per_frame"] < 1.03 * inertia(frames, peer)
    assert ours.report["inertia_per_frame"] == pytest.approx(
        inertia(frames, ours.centroids.numpy()), rel=1e-3
    )


def test_inertia_is_within_a_percent_of_full_batch_lloyd():
    # Clouds of very different sizes, where a poor start costs the most.
    random = np.random.default_rng(0)
    owner = random.zipf(1.3, 8000) % 200
    frames = random.normal(size=(200, 24))[owner] + 0.7 * random.normal(size=(8000, 24))
    lloyd = Lloyd(100, n_init=3, random_state=0).fit(frames)
    ours = KMeans(KMeansOptions(100)).fit_sample(frames.astype(np.float32))
    assert ours.report["inertia_per_frame"] < 1.01 * lloyd.inertia_ / len(frames)


def test_the_restart_of_lowest_inertia_is_kept():
    frames, _ = blobs(num_clusters=200, noise=0.7)
    alone = [KMeans(KMeansOptions(50, seed=seed)).fit_sample(frames) for seed in (4, 5, 6)]
    together = KMeans(KMeansOptions(50, seed=4, num_restarts=3)).fit_sample(frames)
    best = min(alone, key=lambda fit: fit.report["inertia_per_frame"])
    assert torch.equal(together.centroids, best.centroids)


def test_the_baseline_is_scikit_learns_with_huberts_settings():
    frames, _ = blobs(num_clusters=60)
    tokenizer = KMeans(KMeansOptions(20, seed=2, backend="sklearn")).fit([torch.from_numpy(frames)])
    peer = MiniBatchKMeans(
        20,
        batch_size=10_000,
        max_iter=100,
        tol=0.0,
        max_no_improvement=100,
        n_init=20,
        reassignment_ratio=0.0,
        random_state=2,
    ).fit(frames)
    np.testing.assert_allclose(tokenizer.centroids.numpy(), peer.cluster_centers_, atol=1e-5)
    assert tokenizer.settings()["backend"] == "sklearn"
    with pytest.raises(ConfigError, match="backend"):
        KMeansOptions(backend="cuml")


def test_saved_and_loaded_tokenizers_are_equal(tmp_path):
    frames = torch.from_numpy(blobs()[0])
    origin = Origin("hubert", "abc", 9, 50.0)
    tokenizer = KMeans(KMeansOptions(20, seed=3), origin).fit([frames])
    tokenizer.save(tmp_path / "km")
    loaded = KMeans.load(tmp_path / "km")
    assert loaded.fingerprint == tokenizer.fingerprint
    assert loaded.options == tokenizer.options
    assert loaded.origin == origin
    assert loaded.report == tokenizer.report
    assert loaded.sizes == [20]
    assert torch.equal(loaded.encode(frames), tokenizer.encode(frames))


def test_centered_clusters_do_not_hear_what_an_utterance_is_shifted_by(tmp_path):
    frames, lens = torch.from_numpy(blobs()[0]), torch.tensor([1000, 1, 2999])
    shift = 5 * torch.randn(3, 16).repeat_interleave(lens, 0)
    options = KMeansOptions(20, center=True)
    tokenizer = KMeans(options)
    tokenizer.fit([tokenizer.prepare(frames, lens)]).save(tmp_path)
    tokens = tokenizer.encode(frames, lens)
    assert (tokenizer.encode(frames + shift, lens) == tokens).float().mean() > 0.999
    plain = KMeans(KMeansOptions(20)).fit([frames])
    assert (plain.encode(frames + shift) == plain.encode(frames)).float().mean() < 0.5

    whole = [each - each.mean(0) for each in frames.split(lens.tolist())]
    distances = torch.cdist(torch.cat(whole), tokenizer.centroids)
    assert (tokens[:, 0] == distances.argmin(1)).float().mean() > 0.999
    mended = tokenizer.reconstruct(frames + shift, lens) - shift
    torch.testing.assert_close(mended, tokenizer.reconstruct(frames, lens), atol=1e-4, rtol=0)
    assert torch.equal(KMeans.load(tmp_path).encode(frames, lens), tokens)
    with pytest.raises(DataError, match="expected lengths"):
        tokenizer.encode(frames)


def test_the_same_centroids_of_centered_frames_are_another_tokenizer():
    one, other = (KMeans(KMeansOptions(20, center=value)) for value in (False, True))
    for each in (one, other):
        each.fit_sample(blobs()[0])
    assert torch.equal(one.centroids, other.centroids)
    assert one.fingerprint != other.fingerprint


def test_fingerprint_tells_layers_and_encoders_apart():
    tokenizer = KMeans(KMeansOptions(20), Origin("a", "x", 9, 50.0)).fit_sample(blobs()[0])
    before = tokenizer.fingerprint
    tokenizer.origin = Origin("a", "x", 8, 50.0)
    assert tokenizer.fingerprint != before


@pytest.mark.parametrize("damage", ["no_settings", "no_weights", "cut_weights", "other_weights"])
def test_a_half_saved_or_mixed_tokenizer_is_refused(tmp_path, damage):
    KMeans(KMeansOptions(20)).fit_sample(blobs()[0]).save(tmp_path)
    if damage == "no_settings":
        (tmp_path / SETTINGS).unlink()
    elif damage == "no_weights":
        (tmp_path / WEIGHTS).unlink()
    elif damage == "cut_weights":
        (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:-9])
    else:
        KMeans(KMeansOptions(20, seed=1)).fit_sample(blobs()[0]).save(tmp_path / "other")
        (tmp_path / "other" / WEIGHTS).replace(tmp_path / WEIGHTS)
    with pytest.raises(CheckpointError, match=r"rerun stage 'labels'"):
        KMeans.load(tmp_path)


def test_bad_features_stop_the_fit_with_a_stage_to_rerun():
    frames = torch.from_numpy(blobs()[0])
    with pytest.raises(DataError, match=r"expected at least as many frames, found 10"):
        KMeans(KMeansOptions(20)).fit([frames[:10]])
    with pytest.raises(DataError, match=r"found 0"):
        KMeans(KMeansOptions(20)).fit([])
    frames[77, 3] = float("nan")
    with pytest.raises(DataError, match=r"NaN.*'pretrain'"):
        KMeans(KMeansOptions(20)).fit([frames])
    with pytest.raises(TrainingError, match="collapsed"):
        KMeans(KMeansOptions(20)).fit([torch.ones(500, 4)])
    with pytest.raises(TrainingError, match="not fitted"):
        KMeans(KMeansOptions(20)).encode(frames)


def test_features_of_another_width_are_refused():
    tokenizer = KMeans(KMeansOptions(20)).fit_sample(blobs()[0])
    with pytest.raises(DataError, match="width 16"):
        tokenizer.encode(torch.zeros(4, 8))


def test_wrong_options_are_refused():
    with pytest.raises(ConfigError, match="init"):
        KMeansOptions(init="forgy")
    with pytest.raises(ConfigError, match="num_clusters: expected at least 2, found 1"):
        KMeansOptions(num_clusters=1)
