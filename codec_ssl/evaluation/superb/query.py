"""QbE: which documents hold a spoken query (QUESST 2014); nothing is trained.

As in the benchmark (arXiv 2105.01051, section 3, and s3prl's settings): features of each layer
are normalised by their mean and deviation over all queries and documents of a set; the distance of
two frames is ``exp(1 - cosine) - 1``, each query frame's scaled to 0 to 1 over a document; dynamic
time warping finds the query anywhere in the document; and each query's scores are normalised over
all documents. The layer that is best on the valid queries is scored on the test queries.

Letters: Q queries, M frames of the longest of them, N frames of a document, D width, K documents.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.evaluation.superb.measure import Measure
from codec_ssl.evaluation.superb.metrics.mtwv import term_weighted_values
from codec_ssl.evaluation.superb.problem import Problem
from codec_ssl.features.base import SpeechEncoder
from codec_ssl.features.stream import BATCH_FRAMES, FeatureBatch, Source, stream_features
from codec_ssl.features.utterances import MAX_BAD_RATE

# Queries of fewer frames are found nowhere.
LEAST_FRAMES = 5
_TINY = 1e-9
_WHOLE = 1 << 31

_logger = logging.getLogger(__name__)


class QueryByExample(Problem):
    """What the other commands know of the task; ``superb_query`` does it."""

    name, title = "qbe", "query by example"
    metric, higher_is_better = "mtwv", True

    @classmethod
    def read(cls, data_dir: DataDir) -> dict[str, Any]:
        """Refuse: no label of an utterance is learnt.

        Raises:
            ConfigError: Always.
        """
        raise ConfigError(f"{data_dir.path}: {cls.name} trains nothing: superb_query scores it")


@dataclass(frozen=True)
class Found:
    """How well documents match queries.

    Attributes:
        query_ids: Queries (Q).
        doc_ids: Documents (K).
        scores: Of each layer, (Q, K) float32; higher: rather contains it.
    """

    query_ids: list[str]
    doc_ids: list[str]
    scores: dict[int, np.ndarray]

    def measure(self, layer: int, matches: set[tuple[str, str]]) -> Measure:
        """Maximum term-weighted value of a layer; queries that no document holds don't count.

        Args:
            layer: The layer.
            matches: Pairs of a query and a document that holds it, see ``known_matches``.

        Raises:
            DataError: There is no match.
        """
        rows = {name: n for n, name in enumerate(self.query_ids)}
        columns = {name: n for n, name in enumerate(self.doc_ids)}
        truth = np.zeros((len(rows), len(columns)), dtype=bool)
        for query, doc in matches:
            truth[rows[query], columns[doc]] = True
        found = term_weighted_values(self.scores[layer], truth)
        return Measure(found.best, [len(found.values)])


def known_matches(
    matches: Collection[tuple[str, str]], queries: Source, documents: Source
) -> set[tuple[str, str]]:
    """Pairs of which both have features; to be called before hours of search.

    Args:
        matches: Pairs of a query and a document that holds it.
        queries: Inputs of the queries.
        documents: Inputs of the documents.

    Raises:
        DataError: More than 1 % of the pairs are lost: scores would be of another set.
    """
    known = set(queries.utt_ids), set(documents.utt_ids)
    found = {(query, doc) for query, doc in matches if query in known[0] and doc in known[1]}
    lost = sorted(set(matches) - found)
    if len(lost) > MAX_BAD_RATE * len(matches):
        raise DataError(
            f"matches: expected queries and documents that have features, found {len(lost)} pairs"
            f" that have not, such as {lost[0][0]!r} in {lost[0][1]!r}",
            stage="codes",
        )
    if lost:
        _logger.warning("left out %d pairs of unusable audio, such as %s", len(lost), lost[0])
    return found


def search(
    encoder: SpeechEncoder,
    queries: Source,
    documents: Source,
    layers: Sequence[int] | None = None,
    *,
    batch_frames: int = BATCH_FRAMES,
) -> Found:
    """Look for all queries in all documents.

    Everything is encoded twice, first for means and deviations, so that no more than the queries
    is kept in memory.

    Args:
        encoder: The frozen model.
        queries: Its inputs.
        documents: Its inputs.
        layers: Layers to compare by; all where None.
        batch_frames: Most padded frames that are encoded at once.
    """
    chosen = list(range(encoder.num_layers + 1) if layers is None else layers)

    def stream(source: Source) -> Iterator[FeatureBatch]:
        return stream_features(
            encoder, source, chosen, batch_frames=batch_frames, chunk_frames=_WHOLE
        )

    normal = _Normalization(chosen)
    for source in (queries, documents):
        for batch in stream(source):
            normal.add(batch)
    patterns: dict[int, dict[str, Tensor]] = {layer: {} for layer in chosen}
    for utt, features in _utterances(stream(queries), normal):
        for layer, values in features.items():
            patterns[layer][utt] = values
    query_ids, doc_ids = list(queries.utt_ids), list(documents.utt_ids)
    columns = {name: n for n, name in enumerate(doc_ids)}
    costs = {layer: np.zeros((len(query_ids), len(doc_ids)), dtype=np.float32) for layer in chosen}
    ready = {layer: _Patterns([patterns[layer][utt] for utt in query_ids]) for layer in chosen}
    for utt, features in _utterances(stream(documents), normal):
        for layer, values in features.items():
            costs[layer][:, columns[utt]] = ready[layer].costs(values)
    short = np.array([len(patterns[chosen[0]][utt]) < LEAST_FRAMES for utt in query_ids])
    return Found(query_ids, doc_ids, {n: _scores(each, short) for n, each in costs.items()})


class _Patterns:
    """Queries, ready to be compared with documents.

    Args:
        queries: Features (frames, D) of each.
        at_once: Queries that are compared together.
    """

    def __init__(self, queries: Sequence[Tensor], at_once: int = 64) -> None:
        order = sorted(range(len(queries)), key=lambda n: len(queries[n]))
        self._count = len(queries)
        self._groups = []
        for begin in range(0, len(order), at_once):
            rows = order[begin : begin + at_once]
            lengths = torch.tensor([len(queries[row]) for row in rows])
            units = [torch.nn.functional.normalize(queries[row], dim=1) for row in rows]
            padded = torch.nn.utils.rnn.pad_sequence(units, batch_first=True)
            self._groups.append((rows, padded, lengths))

    def costs(self, document: Tensor) -> np.ndarray:
        """Cost of each query (Q,) in a document (N, D)."""
        units = torch.nn.functional.normalize(document, dim=1)
        found = np.zeros(self._count, dtype=np.float32)
        for rows, padded, lengths in self._groups:
            found[rows] = warp(frame_distances(padded, units), lengths).cpu().numpy()
        return found


def frame_distances(queries: Tensor, document: Tensor) -> Tensor:
    """Distances, those of each query frame scaled to 0 to 1.

    Args:
        queries: Frames of length 1 (Q, M, D).
        document: Frames of length 1 (N, D).

    Returns:
        (Q, M, N).
    """
    distances = torch.expm1(1 - queries @ document.T)
    least, most = distances.amin(2, keepdim=True), distances.amax(2, keepdim=True)
    return (distances - least) / (most - least).clamp_min(_TINY)


def warp(distances: Tensor, lengths: Tensor) -> Tensor:
    """Least mean distance of warping each whole query to any stretch of the document.

    From one query frame to the next the document goes on by 0, 1 or 2 frames (the step pattern
    ``asymmetric`` of R's and Python's ``dtw``, with open begin and end).

    Args:
        distances: (Q, M, N).
        lengths: Frames of each query (Q,), at least 1.

    Returns:
        (Q,).
    """
    lengths = lengths.to(distances.device)
    cost = distances[:, 0]
    for frame in range(1, distances.shape[1]):
        before = torch.nn.functional.pad(cost, (2, 0), value=torch.inf)
        best = torch.minimum(torch.minimum(before[:, 2:], before[:, 1:-1]), before[:, :-2])
        inside = (frame < lengths)[:, None]
        cost = torch.where(inside, best + distances[:, frame], cost)
    return cost.amin(1) / lengths


class _Normalization:
    """Mean and deviation of each layer's features, gathered batch by batch."""

    def __init__(self, layers: Sequence[int]) -> None:
        self._count = 0
        self._sums: dict[int, Tensor] = dict.fromkeys(layers, torch.zeros(()))
        self._squares: dict[int, Tensor] = dict.fromkeys(layers, torch.zeros(()))

    def add(self, batch: FeatureBatch) -> None:
        self._count += int(batch.lengths.sum())
        for layer, values in batch.features.items():
            exact = values.double()
            self._sums[layer] = self._sums[layer].to(values.device) + exact.sum(0)
            self._squares[layer] = self._squares[layer].to(values.device) + exact.square().sum(0)

    def __call__(self, layer: int, values: Tensor) -> Tensor:
        mean = self._sums[layer] / self._count
        spread = self._squares[layer] - self._count * mean.square()
        deviation = (spread.clamp_min(0) / max(self._count - 1, 1)).sqrt().clamp_min(_TINY)
        return ((values - mean) / deviation).float()


def _utterances(
    batches: Iterator[FeatureBatch], normal: _Normalization
) -> Iterator[tuple[str, Mapping[int, Tensor]]]:
    """Normalised features of each utterance by layer."""
    for batch in batches:
        whole = {layer: normal(layer, values) for layer, values in batch.features.items()}
        ends = np.cumsum(batch.lengths)
        for utt, end, length in zip(batch.utt_ids, ends, batch.lengths, strict=True):
            yield utt, {layer: values[end - length : end] for layer, values in whole.items()}


def _scores(costs: np.ndarray, short: np.ndarray) -> np.ndarray:
    """Costs (Q, K), turned and normalised over documents; those of short queries are all 0."""
    scores = -costs.astype(np.float64)
    scores = scores - scores.mean(1, keepdims=True)
    scores /= np.maximum(scores.std(1, keepdims=True), _TINY)
    scores[short] = 0
    return scores.astype(np.float32)
