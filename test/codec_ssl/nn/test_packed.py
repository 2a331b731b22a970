import pytest
import torch

from codec_ssl.nn.packed import PackedLayout


def test_pad_undoes_pack_whatever_the_padding_holds():
    lengths = [3, 1, 5]
    layout = PackedLayout.from_lengths(torch.tensor(lengths))
    padded = torch.randn(3, 7, 2)
    packed = layout.pack(padded)
    loop = torch.cat([row[:n] for row, n in zip(padded, lengths, strict=True)])
    assert torch.equal(packed, loop)
    back = layout.pad(packed)
    assert back.shape == (3, 5, 2)
    for row, original, n in zip(back, padded, lengths, strict=True):
        assert torch.equal(row[:n], original[:n]) and not row[n:].any()


def test_mean_is_taken_over_each_utterance():
    layout = PackedLayout.from_lengths([4, 2])
    x = torch.randn(6, 3)
    assert torch.allclose(layout.mean(x), torch.stack((x[:4].mean(0), x[4:].mean(0))))


def test_an_empty_utterance_is_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        PackedLayout.from_lengths([3, 0])
