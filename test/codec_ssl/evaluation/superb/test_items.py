"""Labelled utterances as batches: what is read, padded and left out."""

import numpy as np
import pytest
import soundfile
import torch
from toy_superb import COMMANDS, make_ks, write_data_dir

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.evaluation.superb.classification import KeywordSpotting
from codec_ssl.evaluation.superb.items import (
    Item,
    LabelledSet,
    WaveStream,
    WholeItems,
    open_encoder,
    open_stream,
)
from codec_ssl.features.baselines import LogMel
from codec_ssl.features.stack import LayerStack
from codec_ssl.nn.featurizer import WeightedLayers
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train.side_by_side import StoredStream


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ks")
    make_ks(folder, {"train": 10})
    return folder


@pytest.fixture
def data(root):
    stream = StoredStream(TokenStore(root / "codes/ks/train"))
    return LabelledSet(KeywordSpotting, DataDir(root / "data/ks/train"), stream, 50.0)


def test_a_batch_is_padded_codes_with_classes(root, data):
    problem = KeywordSpotting(KeywordSpotting.learn(data.labels))
    utts, batch = data.batch(problem, [Item(3, 2, 8), Item(0, 0, int(data.lengths[0]))])
    assert utts == [data.utt_ids[3], data.utt_ids[0]]
    codes = TokenStore(root / "codes/ks/train")
    assert torch.equal(batch["inputs"][0, :8], torch.as_tensor(codes[utts[0]][2:10]))
    assert torch.equal(batch["inputs"][1], torch.as_tensor(codes[utts[1]]))
    assert batch["input_lengths"].tolist() == [8, data.lengths[0]]
    labels = DataDir(root / "data/ks/train").labels("command")
    assert batch["targets"].tolist() == [[COMMANDS.index(labels[utt])] for utt in utts]


@pytest.mark.parametrize("num_ranks", [1, 2])
def test_every_utterance_comes_once_the_longest_first(data, num_ranks):
    problem = KeywordSpotting(KeywordSpotting.learn(data.labels))
    seen = []
    for rank in range(num_ranks):
        items = WholeItems(data, problem, 3, rank, num_ranks)
        lengths = [items[n][1]["input_lengths"] for n in range(len(items))]
        assert all(len(each) for each in lengths)
        assert torch.cat(lengths).tolist() == sorted(torch.cat(lengths).tolist(), reverse=True)
        seen += [utt for n in range(len(items)) for utt in items[n][0]]
    assert sorted(seen) == data.utt_ids


def test_a_set_whose_inputs_are_missing_is_refused(root, tmp_path):
    make_ks(tmp_path, {"train": 8})
    stream = StoredStream(TokenStore(tmp_path / "codes/ks/train"))
    with pytest.raises(DataError, match=r"expected inputs of the 10 labelled .*, found 8"):
        LabelledSet(KeywordSpotting, DataDir(root / "data/ks/train"), stream, 50.0)


def test_waves_are_read_whole_or_where_the_crop_is(tmp_path):
    random = np.random.default_rng(0)
    wav = random.uniform(-0.5, 0.5, 16000).astype(np.float32)
    soundfile.write(tmp_path / "u.wav", wav, 16000, subtype="FLOAT")
    write_data_dir(tmp_path / "d", {"command": {"u": "up"}})
    (tmp_path / "d/wav.scp").write_text(f"u {tmp_path}/u.wav\n")
    stream = WaveStream(DataDir(tmp_path / "d"), LogMel(16000, 50.0))
    assert stream.lengths() == {"u": 50}
    assert np.array_equal(stream.crop("u", 0, 50), wav)
    assert np.array_equal(stream.crop("u", 10, 5), wav[3200:4800])


def test_encoders_get_what_they_take(root):
    store = TokenStore(root / "codes/ks/train")
    encoder = open_encoder({"name": "codec"}, store, "cpu")
    assert isinstance(encoder, LayerStack)
    data_dir = DataDir(root / "data/ks/train")
    assert isinstance(open_stream(encoder, data_dir, store, None), StoredStream)
    with pytest.raises(DataError, match="takes codes: expected a store, found none"):
        open_stream(encoder, data_dir, None, None)
    with pytest.raises(ConfigError, match="encoder_conf: expected a name"):
        open_encoder({"name": "codec", "layer": 3}, store, "cpu")


class LayersStream:
    """Layers (T, 3 * 4) in half precision."""

    path = "layers"

    def __init__(self, lengths):
        random = np.random.default_rng(0)
        self._found = {
            utt: random.normal(size=(length, 12)).astype(np.float16)
            for utt, length in lengths.items()
        }

    def lengths(self):
        return {utt: len(found) for utt, found in self._found.items()}

    def crop(self, utt_id, start, length):
        return self._found[utt_id][start : start + length]


def test_a_head_that_pools_gives_the_same_for_the_means_alone(data, root):
    assert KeywordSpotting.pools
    problem = KeywordSpotting(KeywordSpotting.learn(data.labels))
    torch.manual_seed(0)
    head, sum_ = problem.build_head(4, 50.0), WeightedLayers(3, 4)
    torch.nn.init.normal_(sum_.weights)
    stream = LayersStream(dict(zip(data.utt_ids, data.lengths.tolist(), strict=True)))
    folder = DataDir(root / "data/ks/train")
    items, outputs = [Item(0, 0, int(data.lengths[0])), Item(4, 2, 5)], []
    for pooled in (False, True):
        _, batch = LabelledSet(KeywordSpotting, folder, stream, 50.0, pooled).batch(problem, items)
        assert batch["input_lengths"].tolist() == ([1, 1] if pooled else [data.lengths[0], 5])
        outputs.append(head(sum_(batch["inputs"].float()), batch["input_lengths"]))
    torch.testing.assert_close(*outputs, atol=1e-5, rtol=1e-4)
