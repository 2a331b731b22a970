"""Convolutions over padded sequences: padding is never heard, and nothing is left behind."""

import pytest
import torch
from torch import nn

from codec_ssl.nn.conv_mask import masked_convolutions

LENGTHS = torch.tensor([9, 5, 1])


def build():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(3, 4, 7, padding=3),
        nn.LeakyReLU(),
        nn.ConvTranspose1d(4, 4, 5, 2, padding=2, output_padding=1),
        nn.Conv1d(4, 4, 3, padding=4, dilation=4),
        nn.ConvTranspose1d(4, 2, 6, 3, padding=2, output_padding=1),
        nn.Conv1d(2, 1, 5, padding=2),
    )


@torch.no_grad()
def test_a_sequence_in_a_padded_batch_gets_what_it_gets_alone():
    net, x = build(), torch.randn(3, 3, 9)
    with masked_convolutions(net, LENGTHS, 9):
        together = net(x)
    assert together.shape == (3, 1, 54)
    unmasked = net(x)
    for row, count in enumerate(LENGTHS.tolist()):
        alone = net(x[row : row + 1, :, :count])[0]
        torch.testing.assert_close(together[row, :, : 6 * count], alone)
    assert (unmasked[1, :, :30] - together[1, :, :30]).abs().max() > 1e-3


def test_nothing_is_left_behind_even_after_an_error():
    net = build()
    with pytest.raises(RuntimeError), masked_convolutions(net, LENGTHS, 9):
        net(torch.zeros(3, 99, 9))
    assert not any(module._forward_pre_hooks for module in net.modules())
