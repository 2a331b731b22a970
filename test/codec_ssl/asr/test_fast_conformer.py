"""The encoder behind strided convolutions: its subsampling, and what padding may not do."""

import pytest
import torch

from codec_ssl.asr.fast_conformer import DepthwiseSubsampling, FastConformerEncoder
from codec_ssl.errors import ConfigError


@pytest.mark.parametrize("factor", [1, 2, 4, 8])
def test_an_utterance_is_subsampled_the_same_alone_and_in_a_batch(factor):
    torch.manual_seed(0)
    module = DepthwiseSubsampling(12, 6, factor, channels=5)
    lengths = torch.tensor([33, 20, 1])
    x = torch.randn(3, 33, 12)
    together, counts = module(x, lengths)
    for number, length in enumerate(lengths.tolist()):
        alone, count = module(x[number : number + 1, :length], lengths[number : number + 1])
        assert int(count) == int(counts[number]) == alone.size(1)
        torch.testing.assert_close(together[number, : int(count)], alone[0])


def test_a_step_is_a_plain_convolution_with_stride_two():
    torch.manual_seed(0)
    module = DepthwiseSubsampling(6, 4, 2, channels=3)
    x = torch.randn(1, 9, 6)
    weight, bias = module.convolutions[0].weight, module.convolutions[0].bias
    padded = torch.nn.functional.pad(x[0], (1, 1, 1, 1))
    expected = torch.zeros(5, 3, 3)
    for t in range(5):
        for f in range(3):
            patch = padded[2 * t : 2 * t + 3, 2 * f : 2 * f + 3]
            expected[t, :, f] = ((weight[:, 0] * patch).sum((1, 2)) + bias).relu()
    found, _ = module(x, torch.tensor([9]))
    torch.testing.assert_close(found[0], module.out(expected.flatten(1)))


def test_later_convolutions_are_depthwise_so_that_channels_cost_little():
    module = DepthwiseSubsampling(80, 512, 8, channels=256)
    first, *others = module.convolutions
    assert sum(p.numel() for p in first.parameters()) == 256 * 9 + 256
    for step in others:
        assert sum(p.numel() for p in step.parameters()) == 256 * 10 + 256 * 257
    assert module.out.in_features == 256 * 10


def test_the_large_encoder_has_about_as_many_parameters_as_the_published_one():
    with torch.device("meta"):
        encoder = FastConformerEncoder(80, 512, attention_heads=8, linear_units=2048, num_blocks=17)
    count = sum(parameter.numel() for parameter in encoder.parameters())
    # FastConformer Large has about 115 M in all, of which the transducer's parts are a few.
    assert 100e6 < count < 120e6


def test_another_factor_is_refused():
    with pytest.raises(ConfigError, match="subsampling is one of"):
        DepthwiseSubsampling(8, 8, 3)
