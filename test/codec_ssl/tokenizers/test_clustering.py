"""Purities and PNMI equal plain counting and scikit-learn's mutual information."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec_ssl.tokenizers.clustering import cluster_quality, contingency


def brute_force(labels, clusters):
    pairs = Counter(zip(labels, clusters, strict=True))
    total = len(labels)
    phone = sum(max(n for (_, z), n in pairs.items() if z == k) for k in set(clusters)) / total
    cluster = sum(max(n for (y, _), n in pairs.items() if y == k) for k in set(labels)) / total
    by_label, by_cluster = Counter(labels), Counter(clusters)
    information = sum(
        n / total * np.log(n * total / (by_label[y] * by_cluster[z])) for (y, z), n in pairs.items()
    )
    entropy = -sum(n / total * np.log(n / total) for n in by_label.values())
    return phone, cluster, information / entropy if entropy else 0.0


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7)), min_size=1, max_size=60))
def test_quality_equals_brute_force(pairs):
    labels, clusters = zip(*pairs, strict=True)
    quality = cluster_quality(np.array(labels), np.array(clusters))
    found = (quality.phone_purity, quality.cluster_purity, quality.pnmi)
    np.testing.assert_allclose(found, brute_force(labels, clusters), atol=1e-12)
    assert quality.clusters_used == len(set(clusters))


def test_pnmi_equals_scikit_learns_information_over_label_entropy():
    metrics = pytest.importorskip("sklearn.metrics")
    random = np.random.default_rng(0)
    labels = random.integers(40, size=5000)
    clusters = np.where(random.random(5000) < 0.6, labels, random.integers(100, size=5000))
    expected = metrics.mutual_info_score(labels, clusters) / metrics.mutual_info_score(
        labels, labels
    )
    assert cluster_quality(labels, clusters).pnmi == pytest.approx(expected, rel=1e-10)


def test_known_cases():
    labels = np.array([0, 0, 1, 1])
    perfect = cluster_quality(labels, np.array([5, 5, 2, 2]))
    assert (perfect.phone_purity, perfect.cluster_purity, perfect.pnmi) == (1, 1, pytest.approx(1))
    useless = cluster_quality(labels, np.array([0, 1, 0, 1]))
    assert (useless.phone_purity, useless.pnmi) == (0.5, pytest.approx(0))
    # One cluster a frame: phone purity says nothing then, cluster purity tells.
    single = cluster_quality(labels, np.arange(4))
    assert (single.phone_purity, single.cluster_purity) == (1, 0.5)


def test_different_lengths_are_refused():
    with pytest.raises(ValueError, match="equal lengths"):
        contingency(np.zeros(3, int), np.zeros(4, int))
