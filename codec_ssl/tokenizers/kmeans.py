"""k-means on streamed features: a bounded, seeded uniform sample goes into faiss.

Codec2Vec clusters layer 9 into 500 with faiss (its section on iterative clustering); how many
frames and iterations it doesn't say, so HuBERT's habit of a tenth of the corpus stands.

Letters: N frames, D width, K clusters, M frames of the sample.
"""

import hashlib
import logging
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

import faiss
import numpy as np
import torch
from sklearn.cluster import kmeans_plusplus
from torch import Tensor

from codec_ssl.errors import ConfigError, DataError, TrainingError
from codec_ssl.nn.packed import PackedLayout
from codec_ssl.nn.quantize import nearest
from codec_ssl.tokenizers.base import Origin, Tokenizer
from codec_ssl.tokenizers.minibatch import minibatch_centroids
from codec_ssl.tokenizers.reservoir import Reservoir

INITS = ("kmeans++", "random")
# Frames a cluster that the starting points are chosen from.
_START_FRAMES = 20

BACKENDS = ("faiss", "sklearn")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class KMeansOptions:
    """How to fit.

    Attributes:
        num_clusters: K.
        max_frames: M, the most frames held and clustered; more are sampled uniformly.
        num_iterations: Lloyd iterations.
        num_restarts: Fits from different starts, of which the lowest inertia is kept.
        init: Starting points: ``kmeans++``, each the best of several tries, or ``random``.
        seed: Seed of the sample and of the starts.
        backend: ``faiss``, or ``sklearn`` for HuBERT's mini-batches, which have settings of their
            own for all but K, M and the seed.
        center: Take each utterance's mean frame off its frames first, so that clusters tell what
            changes within an utterance, not its voice and its microphone. No paper's; DinoSR's
            online clusters see such features.
    """

    num_clusters: int = 500
    max_frames: int = 1_000_000
    num_iterations: int = 30
    num_restarts: int = 1
    init: str = "kmeans++"
    seed: int = 0
    backend: str = "faiss"
    center: bool = False

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise ConfigError(f"k-means backend: expected one of {BACKENDS}, found {self.backend}")
        if self.init not in INITS:
            raise ConfigError(f"k-means init: expected one of {INITS}, found {self.init}")
        least = {"num_clusters": 2, "max_frames": 1, "num_iterations": 1, "num_restarts": 1}
        for name, lowest in least.items():
            if (found := getattr(self, name)) < lowest:
                raise ConfigError(f"k-means {name}: expected at least {lowest}, found {found}")


class KMeans(Tokenizer):
    """Nearest of K centroids, by squared Euclidean distance.

    Args:
        options: How to fit.
        origin: The features that it is fitted on.
    """

    kind = "kmeans"

    def __init__(self, options: KMeansOptions, origin: Origin | None = None) -> None:
        self.options, self.origin = options, origin
        self.report: dict[str, Any] = {}
        self.sizes = [options.num_clusters]
        self._centroids: Tensor | None = None

    @property
    def centroids(self) -> Tensor:
        """Centroids (K, D) float32.

        Raises:
            TrainingError: Before ``fit``.
        """
        if self._centroids is None:
            raise TrainingError("this k-means was not fitted yet", stage="labels")
        return self._centroids

    @property
    def fingerprint(self) -> str:
        """See ``Tokenizer.fingerprint``; the same centroids of centered frames are others."""
        plain = super().fingerprint
        if not self.options.center:
            return plain
        return hashlib.sha256(f"{plain} centered".encode()).hexdigest()

    def prepare(self, features: Tensor, lens: Tensor | None) -> Tensor:
        """Packed features (N, D) of B utterances as they are clustered."""
        return features - self._means(features, lens) if self.options.center else features

    def _means(self, features: Tensor, lens: Tensor | None) -> Tensor:
        """The mean frame of its utterance at every frame: (N, D)."""
        if lens is None:
            raise DataError("k-means of centered frames: expected lengths, found none")
        return PackedLayout.from_lengths(lens, features.device).means(features.float())

    def fit(self, stream: Iterable[Tensor]) -> Self:
        """Sample the stream of (n, D) features, see ``prepare``, then cluster the sample.

        Raises:
            DataError: If a value isn't finite, or frames are fewer than clusters.
            TrainingError: If the clusters are degenerate.
        """
        begin = time.perf_counter()
        reservoir: Reservoir | None = None
        for features in stream:
            if not torch.isfinite(features).all():
                raise DataError("features to cluster hold NaN or infinite values", stage="pretrain")
            if reservoir is None:
                reservoir = self._make_reservoir(features.shape[1])
            reservoir.add(features.cpu().numpy())
        seen = 0 if reservoir is None else reservoir.num_seen
        if reservoir is None or min(seen, self.options.max_frames) < self.options.num_clusters:
            raise DataError(
                f"k-means with {self.options.num_clusters} clusters: expected at least as many"
                f" frames, found {min(seen, self.options.max_frames)}",
                stage="tokens",
            )
        logger.info(
            "sampled %d of %d frames in %.1f s",
            len(reservoir.sample()),
            seen,
            time.perf_counter() - begin,
        )
        self.fit_sample(reservoir.sample())
        self.report["num_frames_seen"] = seen
        logger.info("k-means in %.1f s: %s", time.perf_counter() - begin, self.report)
        _check_balance(self.report, self.options.num_clusters)
        return self

    def _make_reservoir(self, width: int) -> Reservoir:
        return Reservoir(self.options.max_frames, width, self.options.seed)

    def fit_sample(self, sample: np.ndarray) -> Self:
        """Cluster a sample (M, D) float32 that is already in memory, however it is balanced."""
        sample = np.ascontiguousarray(sample, dtype=np.float32)
        fit = self._lloyd if self.options.backend == "faiss" else self._minibatch
        self._centroids = torch.from_numpy(fit(sample))
        index = faiss.IndexFlatL2(sample.shape[1])
        index.add(self._centroids.numpy())
        distances, owners = index.search(sample, 1)
        counts = np.bincount(owners[:, 0], minlength=self.options.num_clusters)
        self.report = _report(counts, float(distances.mean(dtype=np.float64)))
        return self

    def _minibatch(self, sample: np.ndarray) -> np.ndarray:
        return minibatch_centroids(sample, self.options.num_clusters, self.options.seed)

    def _lloyd(self, sample: np.ndarray) -> np.ndarray:
        seeds = range(self.options.seed, self.options.seed + self.options.num_restarts)
        fits = [self._lloyd_once(sample, seed) for seed in seeds]
        return min(fits, key=lambda fit: fit.obj[-1]).centroids.copy()

    def _lloyd_once(self, sample: np.ndarray, seed: int) -> faiss.Kmeans:
        num_clusters = self.options.num_clusters
        engine = faiss.Kmeans(
            sample.shape[1],
            num_clusters,
            niter=self.options.num_iterations,
            seed=seed,
            # The reservoir is the one place where frames are sampled.
            max_points_per_centroid=len(sample),
            min_points_per_centroid=1,
        )
        start = None
        if self.options.init == "kmeans++":
            # scikit-learn's tries several points and takes the best; faiss's takes the first.
            count = min(len(sample), _START_FRAMES * num_clusters)
            some = np.random.default_rng(seed).choice(len(sample), count, replace=False)
            start, _ = kmeans_plusplus(sample[some], num_clusters, random_state=seed)
        engine.train(sample, init_centroids=start)
        return engine

    def encode(self, features: Tensor, lens: Tensor | None = None) -> Tensor:
        """Nearest centroid of each frame.

        Args:
            features: (N, D), on any device.
            lens: Of the utterances (B,), where frames are centered; else every frame stands alone.

        Returns:
            Tokens (N, 1) int64 on the same device.
        """
        centroids = self.centroids.to(features.device)
        self.check_width(features, centroids.shape[1])
        return nearest(self.prepare(features, lens), centroids)[:, None]

    def decode(self, tokens: Tensor, lens: Tensor | None = None) -> Tensor:
        """Centroids (N, D) of tokens (N, 1); of centered frames, without the utterances' means."""
        return self.centroids.to(tokens.device)[tokens[:, 0]]

    def reconstruct(self, features: Tensor, lens: Tensor) -> Tensor:
        """See ``Tokenizer.reconstruct``; means that were taken off are given back."""
        plain = super().reconstruct(features, lens)
        return plain + self._means(features, lens) if self.options.center else plain

    def weights(self) -> dict[str, Tensor]:
        """The centroids (K, D)."""
        return {"centroids": self.centroids}

    def settings(self) -> dict[str, Any]:
        """The options."""
        return asdict(self.options)

    @classmethod
    def restore(cls, weights: dict[str, Tensor], settings: dict[str, Any]) -> Self:
        """See ``Tokenizer.restore``."""
        tokenizer = cls(KMeansOptions(**settings))
        tokenizer._centroids = weights["centroids"]
        return tokenizer


def _report(counts: np.ndarray, inertia: float) -> dict[str, Any]:
    """Figures of a fit.

    ``imbalance`` is K * sum n^2 / N^2: 1 when all clusters are equally large, K when one has all.
    """
    total = int(counts.sum())
    return {
        "num_frames": total,
        "inertia_per_frame": inertia,
        "imbalance": float(len(counts) * np.square(counts / total).sum()),
        "num_empty": int((counts == 0).sum()),
    }


def _check_balance(report: dict[str, Any], num_clusters: int) -> None:
    """Refuse clusters that carry next to nothing; warn about lopsided ones.

    Raises:
        TrainingError: If half of the clusters are empty, or one cluster has nearly all frames.
    """
    empty, imbalance = report["num_empty"], report["imbalance"]
    if empty > num_clusters / 2 or imbalance > 0.9 * num_clusters:
        raise TrainingError(
            f"k-means collapsed: {empty} of {num_clusters} clusters are empty, imbalance"
            f" {imbalance:.1f} (1 is even, {num_clusters} is one cluster): the features are"
            " constant or nearly so",
            stage="pretrain",
        )
    if empty or imbalance > 5:
        logger.warning("k-means: %d empty clusters, imbalance %.1f", empty, imbalance)
