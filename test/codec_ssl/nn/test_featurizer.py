"""The weighted sum of layers is s3prl's."""

from types import SimpleNamespace

import pytest
import torch
from s3prl.nn.upstream import Featurizer

from codec_ssl.nn.featurizer import WeightedLayers


@pytest.mark.parametrize("normalize", [False, True])
def test_it_is_s3prls_featurizer_on_the_same_weights(normalize):
    layers, width, lengths = 4, 6, torch.tensor([5, 3])
    upstream = SimpleNamespace(
        hidden_sizes=[width] * layers, downsample_rates=[320] * layers, num_layers=layers
    )
    theirs, ours = (
        Featurizer(upstream, normalize=normalize),
        WeightedLayers(layers, width, normalize),
    )
    weights = torch.randn(layers)
    theirs.weights.data, ours.weights.data = weights.clone(), weights.clone()
    states = [torch.randn(2, 5, width) for _ in range(layers)]
    expected, _ = theirs(states, [lengths] * layers)
    torch.testing.assert_close(ours(torch.cat(states, dim=-1)), expected)


def test_layers_begin_equal_and_a_single_one_is_taken_as_it_is():
    assert WeightedLayers(5, 2).shares().tolist() == pytest.approx([0.2] * 5)
    single, frames = WeightedLayers(1, 3), torch.randn(2, 4, 3)
    assert torch.equal(single(frames), frames)
    assert not list(single.parameters()) and single.shares().tolist() == [1.0]
