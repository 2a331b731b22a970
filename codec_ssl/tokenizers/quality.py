"""How good tokens are, before any system is trained on them (RepCodec, arXiv 2309.00169, 5).

What tokens tell of phones, what they keep of the features that they were made of, and what they
cost. All but the reconstruction needs nothing but the token store and a data dir.

Letters: N frames of all utterances, B utterances, D width, Q streams.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from codec_ssl.data.alignment import frame_labels
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError
from codec_ssl.features.stream import FeatureBatch
from codec_ssl.tokenizers.abx import abx_error, abx_items
from codec_ssl.tokenizers.base import Tokenizer
from codec_ssl.tokenizers.clustering import cluster_quality
from codec_ssl.tokenizers.ngrams import joint_ids, ngram_pnmi
from codec_ssl.tokens.stats import store_stats
from codec_ssl.tokens.store import TokenStore

UNITS = {
    "bitrate": "kbps",
    "tokens_per_second": "count",
    "runs_per_second": "count",
    "mean_run_length": "frames",
    "entropy": "bits",
}


@dataclass(frozen=True)
class QualityOptions:
    """What to measure.

    Attributes:
        max_ngram: Largest n of PNMI_n.
        abx_frames: Frames of the utterances that are drawn for ABX; 0 leaves ABX out.
        seed: Of drawing and shuffling.
        device: Where ABX computes distances.
    """

    max_ngram: int = 4
    abx_frames: int = 200_000
    seed: int = 0
    device: str = "cpu"


def token_costs(store: TokenStore) -> dict[str, float]:
    """What tokens cost and how evenly they are used; streams of a frame together.

    Returns:
        ``bitrate`` as packed; ``tokens_per_second``; ``mean_run_length``, frames until any stream
        changes, and ``runs_per_second``, what is left if runs count once; ``codebook_usage`` and
        ``perplexity``, means over streams; ``entropy`` of a frame in bits, streams added up.
    """
    stats, rate = store_stats(store), store.meta.frame_rate
    books = stats.codebooks
    mean_run = store.meta.num_frames / _num_runs(store)
    return {
        "bitrate": stats.bitrate,
        "tokens_per_second": rate * len(books),
        "runs_per_second": rate / mean_run,
        "mean_run_length": mean_run,
        "codebook_usage": float(np.mean([book.usage for book in books])),
        "perplexity": float(np.mean([book.perplexity for book in books])),
        "entropy": sum(book.entropy for book in books),
    }


def _num_runs(store: TokenStore) -> int:
    """Stretches of equal tokens within utterances."""
    runs = 0
    for utt in store.utt_ids:
        tokens = store[utt]
        runs += 1 + int((tokens[1:] != tokens[:-1]).any(1).sum())
    return runs


def phone_scores(
    store: TokenStore, data_dir: DataDir, options: QualityOptions
) -> dict[str, float | None]:
    """What tokens tell of phones: purities, PNMI_n with its chance level, ABX errors.

    Raises:
        DataError: If no utterance of the store has a phone alignment.
    """
    alignments = data_dir.phones
    utt_ids = [utt for utt in store.utt_ids if alignments.get(utt)]
    if not utt_ids:
        raise DataError(
            f"{data_dir.path}: expected phones.ctm with utterances of {store.path}, found none",
            stage="data",
        )
    tokens, lengths = store.read(utt_ids)
    ids, lengths = joint_ids(np.asarray(tokens)), np.asarray(lengths)
    rate = store.meta.frame_rate
    labels = [
        label
        for utt, length in zip(utt_ids, lengths.tolist(), strict=True)
        for label in frame_labels(alignments[utt], length, rate)
    ]
    names = {label: number for number, label in enumerate(sorted(set(labels) - {""}))}
    phones = np.array([names.get(label, -1) for label in labels])
    spoken = phones >= 0
    dense = np.unique(ids[spoken], return_inverse=True)[1]
    quality = cluster_quality(phones[spoken], dense)
    scores: dict[str, float | None] = {
        "phone_purity": quality.phone_purity,
        "cluster_purity": quality.cluster_purity,
    }
    for n in range(1, options.max_ngram + 1):
        found = ngram_pnmi(phones, ids, lengths, n, options.seed)
        scores |= {f"pnmi_{n}": found.pnmi, f"pnmi_{n}_chance": found.chance}
    if options.abx_frames:
        scores |= _abx(ids, utt_ids, lengths, data_dir, rate, options)
    return scores


def _abx(
    ids: np.ndarray,
    utt_ids: list[str],
    lengths: np.ndarray,
    data_dir: DataDir,
    frame_rate: float,
    options: QualityOptions,
) -> dict[str, float | None]:
    """ABX within and across speakers, of drawn utterances."""
    order = np.random.default_rng(options.seed).permutation(len(utt_ids))
    drawn = np.sort(order[: 1 + int((np.cumsum(lengths[order]) <= options.abx_frames).sum())])
    chosen = np.repeat(np.isin(np.arange(len(utt_ids)), drawn), lengths)
    names = [utt_ids[place] for place in drawn]
    items = abx_items(data_dir.phones, data_dir.utt2spk, names, lengths[drawn], frame_rate)
    return {
        f"abx_{kind}": abx_error(ids[chosen], items, across, options.device, options.seed)
        for kind, across in (("within", False), ("across", True))
    }


@torch.no_grad()
def reconstruction_losses(
    batches: Iterable[FeatureBatch], layer: int, tokenizers: Mapping[str, Tokenizer]
) -> dict[str, float]:
    """Squared error of what tokenizers give back, divided by the power of the features.

    The features are made once for all tokenizers.

    Args:
        batches: From ``stream_features``.
        layer: Layer of them that the tokenizers take.
        tokenizers: By name.

    Raises:
        DataError: If the features' power is zero.
    """
    power, errors = 0.0, dict.fromkeys(tokenizers, 0.0)
    for batch in batches:
        features, lens = batch.features[layer], torch.as_tensor(batch.lengths)
        power += _power(features)
        for name, tokenizer in tokenizers.items():
            errors[name] += _power(tokenizer.reconstruct(features, lens) - features)
    if power == 0.0:
        raise DataError("features to reconstruct: expected some power, found zeros", "features")
    return {name: error / power for name, error in errors.items()}


def _power(features: Tensor) -> float:
    return float(features.square().sum(dtype=torch.float64))
