"""HuBERT's k-means: scikit-learn's MiniBatchKMeans with its settings, the baseline of RepCodec.

Letters: M frames, D width, K clusters.
"""

import numpy as np
from sklearn.cluster import MiniBatchKMeans

# Those of HuBERT's script, which the paper (arXiv 2309.00169, B.1) left as they are.
SETTINGS = {
    "init": "k-means++",
    "batch_size": 10000,
    "max_iter": 100,
    "tol": 0.0,
    "max_no_improvement": 100,
    "n_init": 20,
    "reassignment_ratio": 0.0,
}


def minibatch_centroids(sample: np.ndarray, num_clusters: int, seed: int) -> np.ndarray:
    """Centroids (K, D) float32 of a sample (M, D)."""
    engine = MiniBatchKMeans(num_clusters, random_state=seed, compute_labels=False, **SETTINGS)
    return engine.fit(sample).cluster_centers_.astype(np.float32)
