"""Search by spoken queries against enumeration of warping paths and a plain reimplementation."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from codec_ssl.errors import DataError
from codec_ssl.evaluation.superb.query import frame_distances, known_matches, search, warp
from codec_ssl.features.base import SpeechEncoder

WIDTH = 6


class Layers(SpeechEncoder):
    """Codes are features: layer 1 as they are, layer 0 without all but their first dimension."""

    name, input_kind, num_layers, width = "layers", "codes", 1, WIDTH
    frame_rate, fingerprint, device = 50.0, "layers", torch.device("cpu")

    def encode(self, inputs, lens, layers):
        self.check_layers(layers)
        poor = inputs.clone()
        poor[..., 1:] = 1
        made = {0: poor, 1: inputs}
        return {layer: made[layer].float() for layer in layers}, lens


class Utterances:
    """A source of given features."""

    can_cut = True

    def __init__(self, features):
        self._features = features
        self.utt_ids = list(features)
        self.num_frames = np.array([len(each) for each in features.values()])

    def read(self, utt_ids, starts, lengths):
        pieces = zip(utt_ids, starts, lengths, strict=True)
        return [self._features[utt][start : start + size] for utt, start, size in pieces]


def corpus(seed=0):
    """Documents, some of which hold a stretched query."""
    random = np.random.default_rng(seed)
    queries = {f"q{n}": random.normal(size=(7 + n, WIDTH)) for n in range(4)}
    documents, matches = {}, set()
    for n in range(10):
        parts = [random.normal(size=(random.integers(10, 40), WIDTH))]
        if n < 8:
            held = queries[f"q{n % 4}"]
            slower = np.sort([*range(len(held)), *random.permutation(len(held))[:4]])
            parts += [held[slower], parts[0][:9]]
            matches.add((f"q{n % 4}", f"d{n}"))
        documents[f"d{n}"] = np.concatenate(parts)
    made = ({name: torch.from_numpy(x).float() for name, x in each.items()}
            for each in (queries, documents))  # fmt: skip
    return *map(Utterances, made), matches


def paths(num_query, num_doc):
    """Every way through: from any frame, by 0, 1 or 2 frames for each of the query's."""
    ways = [[start] for start in range(num_doc)]
    for _ in range(num_query - 1):
        ways = [[*way, way[-1] + n] for way in ways for n in (0, 1, 2) if way[-1] + n < num_doc]
    return ways


@pytest.mark.parametrize("num_doc", [1, 3, 6])
def test_warping_finds_the_cheapest_of_all_paths(num_doc):
    distances = torch.rand(3, 5, num_doc)
    lengths = [5, 3, 1]
    expected = [
        min(sum(table[m, n] for m, n in enumerate(way)) for way in paths(length, num_doc)) / length
        for table, length in zip(distances.numpy(), lengths, strict=True)
    ]
    assert warp(distances, torch.tensor(lengths)).numpy() == pytest.approx(expected)


def plain_scores(queries, documents):
    """The benchmark's steps one by one, a query and a document at a time."""
    every = torch.cat([*queries.values(), *documents.values()])
    mean, std = every.mean(0), every.std(0).clamp(1e-9)
    ready = [
        {name: ((x - mean) / std).numpy() for name, x in each.items()}
        for each in (queries, documents)
    ]
    table = np.zeros((len(queries), len(documents)))
    for row, query in enumerate(ready[0].values()):
        for column, document in enumerate(ready[1].values()):
            distances = np.exp(cdist(query, document, "cosine")) - 1
            low, high = distances.min(1, keepdims=True), distances.max(1, keepdims=True)
            distances = (distances - low) / np.clip(high - low, 1e-9, None)
            total = distances[0]
            for step in distances[1:]:
                behind = [
                    np.concatenate([np.full(n, np.inf), total])[: len(total)] for n in range(3)
                ]
                total = step + np.min(behind, axis=0)
            table[row, column] = -total.min() / len(query)
    table -= table.mean(1, keepdims=True)
    return table / table.std(1, keepdims=True)


def test_scores_are_those_of_the_benchmarks_steps():
    queries, documents, _ = corpus()
    found = search(Layers(), queries, documents, batch_frames=60)
    assert (found.query_ids, found.doc_ids) == (queries.utt_ids, documents.utt_ids)
    expected = plain_scores(queries._features, documents._features)
    assert found.scores[1] == pytest.approx(expected, abs=1e-3)
    assert np.abs(found.scores[0] - expected).max() > 0.1


def test_the_layer_that_tells_frames_apart_finds_the_queries():
    queries, documents, matches = corpus(1)
    found = search(Layers(), queries, documents)
    values = {layer: found.measure(layer, matches) for layer in found.scores}
    assert values[1].value > max(0.9, values[0].value)
    low, high = values[1].interval()
    assert low <= values[1].value <= high
    assert values[1].sizes == [4]


def test_queries_of_a_few_frames_are_found_nowhere():
    queries, documents, _ = corpus()
    short = {"q0": queries._features["q0"], "q9": queries._features["q1"][:4]}
    found = search(Layers(), Utterances(short), documents, layers=[1])
    assert not found.scores[1][1].any()
    assert found.scores[1][0].std() == pytest.approx(1)


def test_distances_of_each_query_frame_reach_from_0_to_1():
    queries = torch.nn.functional.normalize(torch.randn(2, 4, WIDTH), dim=-1)
    document = torch.nn.functional.normalize(torch.randn(9, WIDTH), dim=-1)
    distances = frame_distances(queries, document)
    assert distances.amin(2).tolist() == [[0] * 4] * 2
    assert distances.amax(2).numpy() == pytest.approx(np.ones((2, 4)))


def test_a_few_lost_documents_are_passed_over_and_more_are_refused():
    queries, documents, _ = corpus()
    pairs = {("q0", f"d{n}") for n in range(200)}
    there = Utterances({f"d{n}": torch.ones(3, WIDTH) for n in range(199)})
    assert known_matches(pairs, queries, there) == pairs - {("q0", "d199")}
    with pytest.raises(DataError, match="190 pairs that have not, such as 'q0' in 'd10'"):
        known_matches(pairs, queries, documents)
