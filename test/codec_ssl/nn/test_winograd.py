"""The fast convolution against PyTorch's."""

import pytest
import torch
import torch.nn.functional as F

from codec_ssl.nn.winograd import conv3


def direct(x, weight):
    return F.conv1d(x.t().unsqueeze(0), weight, padding=1).squeeze(0).t()


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5, 6, 7, 8, 9, 50])
@pytest.mark.parametrize(("channels", "outputs"), [(1, 1), (3, 5), (16, 16)])
def test_it_is_the_convolution_with_its_gradients(frames, channels, outputs):
    torch.manual_seed(frames)
    x = torch.randn(frames, channels, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(outputs, channels, 3, dtype=torch.float64, requires_grad=True)
    grad = torch.randn(frames, outputs, dtype=torch.float64)
    found = conv3(x, weight)
    torch.testing.assert_close(found, direct(x, weight), rtol=0, atol=1e-12)
    expected = torch.autograd.grad(direct(x, weight), (x, weight), grad)
    for got, wanted in zip(torch.autograd.grad(found, (x, weight), grad), expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-11)


def test_in_float32_it_is_as_exact_as_its_docstring_says():
    torch.manual_seed(0)
    x, weight = torch.randn(2000, 768), torch.randn(768, 768, 3) / (3 * 768) ** 0.5
    error = conv3(x, weight) - direct(x.double(), weight.double())
    assert error.square().mean().sqrt() < 1e-6
    assert error.abs().max() < 1.2e-5


def test_only_what_needs_a_gradient_gets_one():
    x = torch.randn(9, 4)
    weight = torch.randn(4, 4, 3, requires_grad=True)
    conv3(x, weight).sum().backward()
    assert x.grad is None and weight.grad is not None
