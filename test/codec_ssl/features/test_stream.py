"""Streaming: every frame once, in a fixed order, in batches that waste little, in flat memory."""

import numpy as np
import pytest
import torch

from codec_ssl.errors import ConfigError
from codec_ssl.features.base import SpeechEncoder
from codec_ssl.features.stream import CodeSource, stream_features
from codec_ssl.tokens.store import TokenStoreWriter

MAKER = {"kind": "codec", "name": "toy", "fingerprint": "f"}


class Sums(SpeechEncoder):
    """Layer n is the codes' sum over codebooks, plus n; records what it was asked for."""

    name, input_kind, num_layers, width, frame_rate = "sums", "codes", 3, 1, 50.0
    fingerprint, device = "s", torch.device("cpu")

    def __init__(self):
        self.shapes, self.layers = [], []

    def encode(self, inputs, lens, layers):
        self.check_layers(layers)
        self.shapes.append(tuple(inputs.shape))
        self.layers.append(list(layers))
        return {n: inputs.sum(-1, keepdim=True).double() + n for n in layers}, lens


@pytest.fixture
def store(tmp_path):
    random = np.random.default_rng(0)
    lengths = [3, 40, 12, 12, 95, 7, 12]
    utt_ids = [f"utt{i}" for i in range(len(lengths))]
    codes = {u: random.integers(50, size=(n, 2)) for u, n in zip(utt_ids, lengths, strict=True)}
    writer = TokenStoreWriter(
        tmp_path / "store",
        utt_ids=utt_ids,
        sizes=[50, 50],
        frame_rate=50.0,
        sample_rate=16000,
        maker=MAKER,
        shard_utterances=3,
    )
    for shard in writer.pending():
        writer.write_shard(shard, [(u, codes[u]) for u in writer.shard_utt_ids(shard)])
    return writer.finalize()


def gather(store, encoder, layer=0, **options):
    """Features of each utterance, put together from the stream."""
    found = {utt: np.full(store.num_frames(utt), np.nan) for utt in store.utt_ids}
    order = []
    for batch in stream_features(encoder, CodeSource(store), [layer], **options):
        values = batch.features[layer]
        assert values.dtype == torch.float32
        assert values.shape == (batch.lengths.sum(), 1)
        begin = 0
        for utt, start, length in zip(batch.utt_ids, batch.starts, batch.lengths, strict=True):
            order.append((utt, int(start)))
            piece = found[utt][start : start + length]
            assert np.isnan(piece).all(), "a frame came twice"
            piece[:] = values[begin : begin + length, 0].numpy()
            begin += length
    return found, order


@pytest.mark.parametrize(
    "options", [{}, {"batch_frames": 1}, {"batch_frames": 50, "chunk_frames": 9}]
)
def test_every_frame_comes_once_with_its_own_features(store, options):
    found, _ = gather(store, Sums(), 2, **options)
    for utt, values in found.items():
        np.testing.assert_array_equal(values, store[utt].sum(1) + 2)


def test_order_depends_on_lengths_and_ids_and_not_on_the_batch_size(store):
    orders = [gather(store, Sums(), batch_frames=size)[1] for size in (1, 30, 10_000)]
    assert orders[0] == orders[1] == orders[2]
    assert [utt for utt, _ in orders[0]] == ["utt0", "utt5", "utt2", "utt3", "utt6", "utt1", "utt4"]


def test_batches_stay_within_their_bound_unless_one_piece_is_longer(store):
    encoder = Sums()
    gather(store, encoder, batch_frames=40)
    padded = [batch * frames for batch, frames, _ in encoder.shapes]
    assert all(
        size <= 40 or batch == 1 for size, (batch, *_) in zip(padded, encoder.shapes, strict=True)
    )
    assert len(padded) < len(store)


def test_long_utterances_are_cut_into_near_equal_pieces(store):
    encoder = Sums()
    _, order = gather(store, encoder, batch_frames=1, chunk_frames=30)
    assert max(frames for _, frames, _ in encoder.shapes) <= 30
    assert [start for utt, start in order if utt == "utt4"] == [0, 23, 47, 71]


def test_all_layers_come_from_one_pass(store):
    encoder = Sums()
    layers = [3, 0, 1]
    for batch in stream_features(encoder, CodeSource(store), layers, batch_frames=10_000):
        assert sorted(batch.features) == [0, 1, 3]
    assert encoder.layers == [layers]


def test_a_missing_layer_is_refused_before_anything_is_read(store):
    with pytest.raises(ConfigError, match=r"layers 0 to 3.*found layer 9"):
        next(stream_features(Sums(), CodeSource(store), [9]))


def test_only_the_utterances_asked_for_are_read(store):
    source = CodeSource(store, ["utt3", "utt0"])
    seen = [u for batch in stream_features(Sums(), source, [0]) for u in batch.utt_ids]
    assert seen == ["utt0", "utt3"]


def test_an_encoder_that_gives_another_number_of_frames_is_a_bug_that_shows(store):
    class Shorter(Sums):
        def encode(self, inputs, lens, layers):
            features, lens = super().encode(inputs, lens, layers)
            return features, lens - 1

    with pytest.raises(RuntimeError, match="sums gave"):
        list(stream_features(Shorter(), CodeSource(store), [0]))


def test_no_graph_is_kept(store):
    class Learning(Sums):
        def encode(self, inputs, lens, layers):
            weight = torch.nn.Parameter(torch.ones(1))
            return {n: inputs.sum(-1, keepdim=True) * weight for n in layers}, lens

    for batch in stream_features(Learning(), CodeSource(store), [0]):
        assert not batch.features[0].requires_grad
