"""LSTMs that pad, against PyTorch's own on packed sequences."""

import time

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from codec_ssl.nn.lstm import PaddedLSTM, pad_lstms

LENGTHS = torch.tensor([5, 9, 1, 7])


def packed(frames):
    return pack_padded_sequence(frames, LENGTHS, batch_first=True, enforce_sorted=False)


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_outputs_and_gradients_equal_those_of_packed_sequences(layers, bidirectional):
    torch.manual_seed(0)
    plain = nn.LSTM(6, 4, layers, batch_first=True, bidirectional=bidirectional).double()
    ours = PaddedLSTM(6, 4, layers, batch_first=True, bidirectional=bidirectional).double()
    ours.load_state_dict(plain.state_dict())
    frames, weigh = torch.randn(4, 9, 6).double(), torch.randn(4, 9, 4 * (1 + bidirectional))
    found = []
    for lstm in (plain, ours):
        inputs = frames.clone().requires_grad_()
        out = pad_packed_sequence(lstm(packed(inputs))[0], batch_first=True)[0]
        (out * weigh).sum().backward()
        found.append([out, inputs.grad, *(weight.grad for weight in lstm.parameters())])
    for expected, value in zip(*found, strict=True):
        torch.testing.assert_close(value, expected)


def test_dropout_between_layers_is_that_of_training_alone():
    torch.manual_seed(0)
    lstm = PaddedLSTM(6, 4, 2, batch_first=True, dropout=0.5)
    inputs = packed(torch.randn(4, 9, 6))
    assert not torch.equal(lstm(inputs)[0].data, lstm(inputs)[0].data)
    lstm.eval()
    assert torch.equal(lstm(inputs)[0].data, lstm(inputs)[0].data)


def test_a_module_s_lstms_keep_their_weights():
    module = nn.Sequential(nn.Linear(3, 6), nn.LSTM(6, 4, batch_first=True))
    before = {name: weight.clone() for name, weight in module.state_dict().items()}
    pad_lstms(module)
    assert type(module[1]) is PaddedLSTM
    assert list(module.state_dict()) == list(before)
    assert all(torch.equal(module.state_dict()[name], before[name]) for name in before)


def test_what_is_not_packed_goes_the_usual_way():
    torch.manual_seed(0)
    plain = nn.LSTM(6, 4, batch_first=True)
    ours = PaddedLSTM(6, 4, batch_first=True)
    ours.load_state_dict(plain.state_dict())
    frames = torch.randn(2, 5, 6)
    for expected, value in zip(plain(frames)[1], ours(frames)[1], strict=True):
        assert torch.equal(value, expected)


def test_a_training_step_is_faster_than_with_packed_sequences():
    def seconds(lstm):
        start = time.process_time()
        lstm(pack_padded_sequence(frames, lengths, True, False))[0].data.sum().backward()
        return time.process_time() - start

    lengths, frames = torch.randint(100, 200, (16,)), torch.randn(16, 200, 128)
    lengths[0] = 200
    plain, ours = (kind(128, 128, batch_first=True) for kind in (nn.LSTM, PaddedLSTM))
    ratio = min(seconds(plain) for _ in range(2)) / min(seconds(ours) for _ in range(2))
    assert ratio > 1.5
