"""Finite scalar quantization against an enumeration of its grid, written down by hand."""

import itertools
import math

import numpy as np
import pytest
import torch

from codec_ssl.nn.fsq import FiniteScalarQuantizer

LEVELS = [[8, 5, 5, 5], [2], [3, 4], [7, 2, 6]]


def enumerated(levels: list[int]) -> list[tuple[int, ...]]:
    """Digits of all codes in the order of the codes: the first digit changes fastest."""
    return [digits[::-1] for digits in itertools.product(*map(range, levels[::-1]))]


def plain_value(x: float, count: int) -> float:
    """One dimension by the formula, in double precision and without tensors."""
    scale = (count - 1) / 2 * (1 - 1e-3)
    offset = 0.5 if count % 2 == 0 else 0.0
    return scale * math.tanh(x + math.tan(offset / scale)) - offset


@pytest.mark.parametrize("levels", LEVELS)
def test_codes_and_points_are_those_of_the_enumeration(levels):
    quantizer = FiniteScalarQuantizer(1, levels)
    digits = enumerated(levels)
    assert quantizer.codebook_size == len(digits) == math.prod(levels)
    halves = [count // 2 for count in levels]
    points = [[(d - h) / h for d, h in zip(row, halves, strict=True)] for row in digits]
    torch.testing.assert_close(quantizer.grid(), torch.tensor(points))
    assert len({tuple(row) for row in points}) == len(points)
    every = torch.arange(len(digits))[None, None]
    torch.testing.assert_close(quantizer.decode(every)[0].t(), torch.tensor(points))


@pytest.mark.parametrize("levels", LEVELS)
def test_every_code_is_reached_and_coding_its_point_gives_it_back(levels):
    quantizer = FiniteScalarQuantizer(2, levels)
    # A latent in the middle of each cell, found with the formula's inverse.
    rows = []
    for digits in enumerated(levels):
        row = []
        for digit, count in zip(digits, levels, strict=True):
            scale = (count - 1) / 2 * (1 - 1e-3)
            offset = 0.5 if count % 2 == 0 else 0.0
            wanted = (digit - count // 2 + offset) / scale
            row.append(math.atanh(max(-0.999, min(0.999, wanted))) - math.tan(offset / scale))
        rows.append(row)
    one = torch.tensor(rows).t()
    # The second group gets the codes in the opposite order.
    latent = torch.cat([one, one.flip(1)])[None]
    codes = quantizer.encode(latent)
    every = torch.arange(quantizer.codebook_size)
    assert torch.equal(codes[:, 0], torch.stack([every, every.flip(0)]))
    quantized, same, _ = quantizer(latent)
    assert torch.equal(same, codes)
    torch.testing.assert_close(quantized, quantizer.decode(codes))


def test_a_dimension_takes_as_many_values_as_it_has_levels():
    quantizer = FiniteScalarQuantizer(1, [8, 5, 2, 7])
    latent = torch.linspace(-9, 9, 5001).expand(1, 4, -1)
    quantized, *_ = quantizer(latent)
    values = [dimension.unique() for dimension in quantized[0]]
    assert [len(each) for each in values] == [8, 5, 2, 7]
    torch.testing.assert_close(values[0], torch.arange(-4, 4) / 4)
    torch.testing.assert_close(values[1], torch.arange(-2, 3) / 2)
    torch.testing.assert_close(values[2], torch.tensor([-1.0, 0.0]))


@pytest.mark.parametrize("count", [2, 5, 8])
def test_values_are_the_formulas_rounded(count):
    quantizer = FiniteScalarQuantizer(1, [count])
    xs = torch.randn(400, generator=torch.Generator().manual_seed(0)) * 2
    expected = [round(plain_value(float(x), count)) / (count // 2) for x in xs]
    assert quantizer(xs[None, None])[0].flatten().tolist() == pytest.approx(expected)


@pytest.mark.parametrize("count", [2, 5, 8])
def test_the_gradient_is_that_of_the_values_before_rounding(count):
    quantizer = FiniteScalarQuantizer(1, [count])
    xs = torch.linspace(-2, 2, 41).requires_grad_()
    quantizer(xs[None, None])[0].sum().backward()
    step = 1e-6
    slopes = [
        (plain_value(x + step, count) - plain_value(x - step, count)) / (2 * step) / (count // 2)
        for x in xs.tolist()
    ]
    torch.testing.assert_close(xs.grad, torch.tensor(slopes), rtol=1e-4, atol=1e-6)


def test_vectors_of_the_groups_add_up_to_the_quantized_latent():
    quantizer = FiniteScalarQuantizer(3, [4, 3])
    codes = torch.randint(12, (3, 2, 50), generator=torch.Generator().manual_seed(0))
    vectors = quantizer.vectors()
    assert vectors.shape == (3, 12, 6)
    total = sum(vectors[group][codes[group]] for group in range(3)).transpose(1, 2)
    assert torch.equal(total, quantizer.decode(codes))
    # Fewer groups leave the dimensions of the others at 0.
    assert torch.equal(quantizer.decode(codes[:2])[:, :4], total[:, :4])
    assert not quantizer.decode(codes[:2])[:, 4:].any()


def test_standardizing_makes_a_quiet_latent_use_its_levels_and_is_fixed_after_training():
    quiet = 1e-2 * torch.randn(4, 16, 200, generator=torch.Generator().manual_seed(0)) + 5e-2
    plain = FiniteScalarQuantizer(4, [8, 5, 5, 5])
    standard = FiniteScalarQuantizer(4, [8, 5, 5, 5], standardize=True)
    assert len(plain(quiet)[1].unique()) < 10 and plain.steps is None
    assert standard.steps == 0
    by_hand = (quiet - quiet.mean((0, 2))[:, None]) / quiet.std((0, 2), correction=0)[:, None]
    codes = standard(quiet)[1]
    assert (codes == plain(by_hand)[1]).float().mean() > 0.999
    assert len(codes.unique()) > 800 and standard.steps == 1
    standard.eval()
    # The averages are the first batch's own, but for the variance's degree of freedom.
    assert (standard(quiet)[1] == codes).float().mean() > 0.99
    assert torch.equal(standard(quiet[:, :, :7])[1], standard(quiet)[1][:, :, :7])
    mean = standard.norm.running_mean.clone()
    standard.train()(quiet + 1e-2)
    torch.testing.assert_close(standard.norm.running_mean, mean + 1e-3)
    standard.eval()
    again = FiniteScalarQuantizer(4, [8, 5, 5, 5], standardize=True).eval()
    again.load_state_dict(standard.state_dict())
    assert torch.equal(again.encode(quiet), standard.encode(quiet))


def test_redundancy_is_the_sum_of_squared_correlations():
    random = torch.Generator().manual_seed(0)
    latent = torch.randn(3, 6, 400, generator=random) @ torch.randn(400, 400, generator=random)
    latent[:, 3] = 5 * latent[:, 1] - 2
    standard = FiniteScalarQuantizer(2, [4, 4, 4], standardize=True)
    correlations = np.corrcoef(latent.transpose(0, 1).flatten(1).numpy())
    expected = ((correlations**2).sum() - 6) / 6
    assert float(standard(latent)[2]) == pytest.approx(expected, rel=1e-3)
    assert expected > 2 / 6
    assert float(standard.eval()(latent)[2]) == 0
    assert float(FiniteScalarQuantizer(2, [4, 4, 4])(latent)[2]) == 0


def test_a_dimension_that_does_not_vary_is_not_blown_up():
    quantized, *_ = FiniteScalarQuantizer(1, [8, 5], standardize=True)(torch.full((1, 2, 10), 0.3))
    assert torch.isfinite(quantized).all()


@pytest.mark.parametrize(("groups", "levels"), [(0, [8, 5]), (8, []), (8, [8, 1])])
def test_impossible_grids_are_refused(groups, levels):
    with pytest.raises(ValueError, match="levels from 2 on"):
        FiniteScalarQuantizer(groups, levels)
