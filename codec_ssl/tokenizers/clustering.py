"""How well clusters match labels: phone purity, cluster purity and PNMI, as HuBERT defines them.

Letters: N frames, Y label classes, Z clusters.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ClusterQuality:
    """Agreement of clusters z with labels y over the same frames.

    Attributes:
        phone_purity: sum over z of max over y of p(y, z): frame accuracy when each cluster is
            read as its most frequent label.
        cluster_purity: sum over y of max over z of p(y, z).
        pnmi: I(y; z) / H(y): share of the labels' uncertainty that the cluster takes away.
        clusters_used: Clusters that occur.
    """

    phone_purity: float
    cluster_purity: float
    pnmi: float
    clusters_used: int


def contingency(labels: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """Counts (Y, Z) int64 of label and cluster pairs; both inputs (N,) of integers from 0.

    Raises:
        ValueError: If the lengths differ or nothing is there.
    """
    if labels.shape != clusters.shape or labels.ndim != 1 or not len(labels):
        raise ValueError(f"expected two equal lengths, found {labels.shape}, {clusters.shape}")
    shape = (int(labels.max()) + 1, int(clusters.max()) + 1)
    cells = np.ravel_multi_index((labels, clusters), shape)
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)


def cluster_quality(labels: np.ndarray, clusters: np.ndarray) -> ClusterQuality:
    """Purities and PNMI of integer labels and clusters, each (N,).

    PNMI is 0 where all labels are equal: there is no uncertainty to take away.
    """
    joint = contingency(labels, clusters)
    total = joint.sum()
    return ClusterQuality(
        phone_purity=float(joint.max(0).sum() / total),
        cluster_purity=float(joint.max(1).sum() / total),
        pnmi=_pnmi(joint / total),
        clusters_used=int((joint.sum(0) > 0).sum()),
    )


def _pnmi(joint: np.ndarray) -> float:
    """I(y; z) / H(y) of a joint distribution (Y, Z)."""
    label_entropy = _entropy(joint.sum(1))
    if label_entropy == 0:
        return 0.0
    information = label_entropy + _entropy(joint.sum(0)) - _entropy(joint.ravel())
    return max(0.0, information / label_entropy)


def _entropy(probabilities: np.ndarray) -> float:
    """Entropy in nats."""
    positive = probabilities[probabilities > 0]
    return float(-(positive * np.log(positive)).sum())
