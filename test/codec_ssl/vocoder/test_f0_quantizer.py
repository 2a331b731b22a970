"""The F0 quantizer: how many codes of how many frames, and which frames each code is of."""

import pytest
import torch

from codec_ssl.errors import ConfigError
from codec_ssl.vocoder.f0_quantizer import F0Quantizer


@pytest.fixture(scope="module")
def quantizer():
    torch.manual_seed(0)
    made = F0Quantizer(num_bins=6, width=8, dim=4, num_blocks=1)
    # Entries are vectors of an untrained encoder, so that codes differ.
    with torch.no_grad():
        made.quantizer.codebooks.vectors[0] = made._vectors(contour(96)[None])[0]
    return made.eval()


def contour(num_frames, seed=0):
    random = torch.Generator().manual_seed(seed)
    voiced = (torch.rand(num_frames, generator=random) < 0.7).float()
    return torch.stack([torch.randn(num_frames, generator=random) * voiced, voiced], 1)


@pytest.mark.parametrize("num_frames", [1, 15, 16, 17, 160, 161])
def test_every_sixteen_frames_have_a_code_and_the_last_may_be_of_fewer(quantizer, num_frames):
    codes = quantizer.encode(contour(num_frames))
    assert codes.shape == (-(-num_frames // 16),) and codes.dtype == torch.int64
    assert codes.min() >= 0 and codes.max() < 6
    decoded = quantizer.decode(codes)
    assert decoded.shape == (16 * len(codes), 2)
    assert decoded[:, 1].min() >= 0 and decoded[:, 1].max() <= 1
    assert quantizer.num_codes(torch.tensor(num_frames)) == len(codes)


def test_a_code_is_of_its_own_frames_and_near_ones(quantizer):
    """A frame's gradient reaches its own code's vector most, and none that is far away."""
    x = contour(320)[None].requires_grad_()
    vectors = quantizer._vectors(x)
    for place in (3, 10, 16):
        (gradient,) = torch.autograd.grad(vectors[0, place].square().sum(), x, retain_graph=True)
        reach = gradient[0].abs().sum(1)
        touched = torch.nonzero(reach)[:, 0]
        assert touched.min() >= 16 * place - 80 and touched.max() < 16 * (place + 1) + 80
        own = reach[16 * place : 16 * (place + 1)].sum()
        assert own == max(reach[16 * n : 16 * (n + 1)].sum() for n in range(20))


def test_a_batch_has_the_codes_of_its_utterances_only(quantizer):
    rows = [contour(n, n) for n in (160, 50, 97)]
    lengths = torch.tensor([len(row) for row in rows])
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    with torch.no_grad():
        found = quantizer(padded, lengths)
    assert found.pitch.shape == found.voicing.shape == (3, 160)
    assert len(found.ids) == 10 + 4 + 7 and len(found.ids.unique()) > 1
    assert torch.equal(found.ids[:10, 0], quantizer.encode(rows[0]))
    # In the padded ones all but the last codes; there an utterance alone ends at once.
    assert torch.equal(found.ids[10:12, 0], quantizer.encode(rows[1])[:2])
    decoded = quantizer.decode(found.ids[:10, 0])
    torch.testing.assert_close(found.pitch[0], decoded[:160, 0])
    torch.testing.assert_close(found.voicing[0].sigmoid(), decoded[:160, 1])


def test_the_codebook_follows_only_in_training(quantizer):
    before = quantizer.quantizer.codebooks.vectors.clone()
    with torch.no_grad():
        quantizer(contour(64)[None], torch.tensor([64]))
        assert torch.equal(before, quantizer.quantizer.codebooks.vectors)
        quantizer.train()(contour(64)[None], torch.tensor([64]))
    assert not torch.equal(before, quantizer.quantizer.codebooks.vectors)
    quantizer.eval().quantizer.codebooks.vectors.copy_(before)


@pytest.mark.parametrize("wrong", [{"num_bins": 1}, {"num_downs": 0}, {"decay": 1.0}])
def test_wrong_options_are_refused(wrong):
    with pytest.raises(ConfigError, match="quantizer_conf: expected"):
        F0Quantizer(**wrong)
