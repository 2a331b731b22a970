"""Embeddings of a store's tokens: they begin as what made the tokens, and learn."""

import pytest
import torch
import toy_corpus
import toy_waves

from codec_ssl.codecs.extract import CODEBOOK_NAME
from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.evaluation.superb.model import SuperbModel
from codec_ssl.evaluation.superb.problem import problem_class
from codec_ssl.features.base import origin_of
from codec_ssl.features.factory import make_encoder
from codec_ssl.features.ours import load_encoder
from codec_ssl.features.stack import LayerStack
from codec_ssl.tokenizers.kmeans import KMeans, KMeansOptions
from codec_ssl.tokenizers.labels import extract_labels
from codec_ssl.tokenizers.repcodec import RepCodec, RepCodecOptions
from codec_ssl.tokens.store import TokenStore

LAYER = 2
FRAMES = torch.tensor([20])
# Masks of the benchmark's width would hide all of so little.
NARROW = {"time_mask_width_range": (0, 4), "freq_mask_width_range": (0, 4)}
# A small head of each family, and what its vocabulary is learnt from.
HEADS = {
    "ks": ({}, {"a": ["up"], "b": ["down"]}),
    "pr": ({}, {"a": "AH B", "b": "B"}),
    "asr": (
        {"proj_size": 8, "hidden_size": [4, 4], "specaug": NARROW},
        {"a": "low c", "b": "high"},
    ),
    "sv": ({"output_size": 8, "aggregation_size": 8}, {"a": "ann", "b": "bob"}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An experiment's ``store`` of codes, its features, and token stores of two tokenizers."""
    root = tmp_path_factory.mktemp("tokens")
    toy_waves.make_exp(root, toy_waves.make_codec(root / "codec"))
    encoder, store = load_encoder(root / "exp"), TokenStore(root / "store")
    codes = torch.as_tensor(store["a"])[None]
    features = encoder.encode(codes, FRAMES, [LAYER])[0][LAYER][0]
    origin = origin_of(encoder, LAYER)
    options = RepCodecOptions(width=features.shape[1], num_clusters=8, num_quantizers=2)
    kmeans = KMeans(KMeansOptions(num_clusters=6), origin).fit([features])
    for name, tokenizer in {"km": kmeans, "repcodec": RepCodec(options, origin)}.items():
        tokenizer.save(root / name)
        extract_labels(tokenizer, encoder, store, root / f"of_{name}", finalize=True)
    return root, features, codes


def embedded(root, name):
    store = TokenStore(root / f"of_{name}")
    encoder = make_encoder("anything", store, "cpu", tokenizer=str(root / name))
    tokens = torch.as_tensor(store["a"])
    return encoder, tokens, encoder.encode(tokens[None], FRAMES, [0])[0][0][0]


def test_tokens_of_a_kmeans_begin_as_their_centroids(made):
    root, features, _ = made
    encoder, tokens, found = embedded(root, "km")
    kmeans = KMeans.load(root / "km")
    nearest = torch.cdist(features, kmeans.centroids).argmin(1)
    torch.testing.assert_close(found.detach(), kmeans.centroids[nearest])
    assert encoder.frame_rate == 50.0 and encoder.name == "embeddings of kmeans"
    found.sum().backward()
    counts = torch.bincount(tokens[:, 0], minlength=6).float()
    torch.testing.assert_close(encoder.learnt.table.grad, counts[:, None].expand(6, 32))


def test_tokens_of_a_repcodec_begin_as_the_sum_of_its_codebooks(made):
    root = made[0]
    _, tokens, found = embedded(root, "repcodec")
    books = RepCodec.load(root / "repcodec").weights()["quantizer.codebooks.vectors"]
    expected = books[0][tokens[:, 0]] + books[1][tokens[:, 1]]
    torch.testing.assert_close(found.detach(), expected)


def test_codes_begin_as_the_codecs_own_embeddings(made):
    root, _, codes = made
    store = TokenStore(root / "store")
    learnt, frozen = (make_encoder(name, store, "cpu") for name in ("codes", "codec"))
    expected = frozen.encode(codes, FRAMES, [0])[0][0]
    torch.testing.assert_close(learnt.encode(codes, FRAMES, [0])[0][0].detach(), expected)
    assert learnt.fingerprint != frozen.fingerprint and frozen.learnt is None


def test_tokens_of_another_maker_are_refused(made):
    root = made[0]
    with pytest.raises(CheckpointError, match=r"expected tokens of the kmeans \w+, found those of"):
        make_encoder("exp", TokenStore(root / "of_repcodec"), "cpu", tokenizer=str(root / "km"))
    with pytest.raises(ConfigError, match="tokens of exp: expected a token store"):
        make_encoder("exp", None, "cpu", tokenizer=str(root / "km"))


@pytest.mark.parametrize("task", HEADS)
def test_every_head_teaches_the_embeddings(made, task):
    conf, labels = HEADS[task]
    problem = problem_class(task)(problem_class(task).learn(labels), conf)
    store = TokenStore(made[0] / "of_km")
    encoder = LayerStack(make_encoder("exp", store, "cpu", tokenizer=str(made[0] / "km")))
    model = SuperbModel(problem, encoder).train()
    tokens = torch.as_tensor(store["a"])[None].expand(2, -1, -1)
    outputs = model(tokens, torch.tensor([20, 18]))
    targets = torch.tensor([[1], [0]])
    problem.loss(model.head, outputs, targets, torch.tensor([1, 1])).backward()
    assert model.state_dict()["embeddings.table"].shape == (6, 32)
    assert model.embeddings.table.grad.abs().sum() > 0


def test_a_store_without_a_codebook_is_named(tmp_path):
    codes = {"a": torch.zeros(4, 2, dtype=torch.long).numpy()}
    toy_corpus.write_store(tmp_path / "store", codes)
    (tmp_path / "store" / CODEBOOK_NAME).unlink()
    store = TokenStore(tmp_path / "store")
    with pytest.raises(ConfigError, match="cannot read the codebook"):
        make_encoder("codes", store, "cpu")
