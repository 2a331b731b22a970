#!/usr/bin/env python3
"""k-means of this project against MiniBatchKMeans with HuBERT's settings, in one run.

Both cluster the same features; inertia is that of all of them. Full-batch Lloyd (scikit-learn's
KMeans, from the same number of starts) says what can be had at all. Then the memory of a fit over
a stream: as many frames as the reservoir holds, and 100 times as many, each in a process of its
own.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from sklearn.cluster import KMeans as Lloyd

from codec_ssl.features.cache import FeatureCache
from codec_ssl.nn.quantize import nearest
from codec_ssl.tokenizers.kmeans import KMeans, KMeansOptions

BLOCK = 4000


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, help="features from cache_features, else synthetic")
    parser.add_argument("--frames", type=int, default=100_000, help="of the synthetic ones")
    parser.add_argument("--width", type=int, default=192, help="of the synthetic ones")
    parser.add_argument("--num_clusters", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=1, help="fits of each")
    parser.add_argument("--lloyd", action="store_true", help="also full-batch Lloyd (slow)")
    parser.add_argument("--reservoir", type=int, default=20_000, help="frames, for the memory")
    parser.add_argument("--stream", type=int, help=argparse.SUPPRESS)
    return parser


def main() -> None:
    """Run all measurements and print them."""
    args = get_parser().parse_args()
    if args.stream:
        print(_peak(args))
        return
    features = _features(args)
    print(f"{len(features)} frames of width {features.shape[1]}, {args.num_clusters} clusters")
    print(f"{torch.get_num_threads()} threads, numpy {np.__version__}, torch {torch.__version__}")
    for seed in range(args.seeds):
        _compare(features, args, seed)
    _memory(args)


def _features(args: argparse.Namespace) -> np.ndarray:
    """All frames of a cache, or clouds around 2000 centres, some far larger than others."""
    if args.cache:
        cache = FeatureCache(args.cache)
        return np.concatenate([cache[cache.utt_id(place)] for place in range(len(cache))]).astype(
            np.float32
        )
    random = np.random.default_rng(0)
    centres = random.standard_normal((2000, args.width), dtype=np.float32)
    owners = random.zipf(1.3, args.frames) % len(centres)
    return centres[owners] + 0.7 * random.standard_normal((args.frames, args.width), np.float32)


def _compare(features: np.ndarray, args: argparse.Namespace, seed: int) -> None:
    found = {}
    for name, options in (
        ("ours (faiss)", {}),
        ("MiniBatchKMeans", {"backend": "sklearn"}),
    ):
        fit = KMeans(KMeansOptions(args.num_clusters, len(features), seed=seed, **options))
        start = time.perf_counter()
        fit.fit_sample(features)
        found[name] = time.perf_counter() - start, _inertia(features, fit.centroids)
    if args.lloyd:
        start = time.perf_counter()
        lloyd = Lloyd(args.num_clusters, n_init=1, random_state=seed).fit(features)
        centroids = torch.from_numpy(lloyd.cluster_centers_.astype(np.float32))
        found["full-batch Lloyd"] = time.perf_counter() - start, _inertia(features, centroids)
    seconds, inertia = found["ours (faiss)"]
    for name, (spent, reached) in found.items():
        print(
            f"seed {seed}: {name:18s} {spent:8.2f} s ({spent / seconds:5.1f} times ours),"
            f" inertia a frame {reached:.4f} ({reached / inertia - 1:+.2%})"
        )


def _inertia(features: np.ndarray, centroids: torch.Tensor) -> float:
    """Mean squared distance to the nearest centroid, of all frames."""
    total = 0.0
    for first in range(0, len(features), BLOCK):
        block = torch.from_numpy(features[first : first + BLOCK])
        error = block - centroids[nearest(block, centroids)]
        total += float(error.square().sum(dtype=torch.float64))
    return total / len(features)


def _memory(args: argparse.Namespace) -> None:
    """Peak memory of fits over streams, each in its own process."""
    command = [sys.executable, __file__, "--num_clusters", "100", "--width", str(args.width)]
    for times in (1, 100):
        stream = ["--reservoir", str(args.reservoir), "--stream", str(times * args.reservoir)]
        done = subprocess.run([*command, *stream], check=True, capture_output=True, text=True)
        print(f"reservoir of {args.reservoir}, stream of {times} times that: {done.stdout.strip()}")


def _peak(args: argparse.Namespace) -> str:
    def stream() -> Iterator[torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        for _ in range(0, args.stream, BLOCK):
            yield torch.randn(BLOCK, args.width, generator=generator)

    start = time.perf_counter()
    KMeans(KMeansOptions(args.num_clusters, args.reservoir, num_iterations=5)).fit(stream())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return f"{peak:.0f} MB at the peak, {time.perf_counter() - start:.1f} s"


if __name__ == "__main__":
    main()
