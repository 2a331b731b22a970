"""Durations of units: learnt in the logarithmic domain, whole frames, whatever the batch."""

import pytest
import torch

from codec_ssl.vocoder.duration import DurationPredictor

LENGTHS = torch.tensor([6, 3, 1])


def build():
    torch.manual_seed(0)
    return DurationPredictor(5, channels=8).eval()


@torch.no_grad()
def test_the_loss_is_the_mean_over_all_units_of_squared_log_differences():
    model, x = build(), torch.randn(3, 6, 5)
    durations = torch.randint(1, 9, (3, 6))
    errors = []
    for row, count in enumerate(LENGTHS.tolist()):
        told = torch.log1p(durations[row, :count].float())
        errors.append((model(x[row : row + 1, :count], LENGTHS[row : row + 1])[0] - told) ** 2)
    loss = model.loss(x, LENGTHS, durations)
    assert loss.item() == pytest.approx(torch.cat(errors).mean().item(), rel=1e-5)


@torch.no_grad()
def test_frames_are_rounded_at_least_one_and_nothing_behind_the_end():
    model, x = build(), torch.randn(3, 6, 5)
    model.net.linear.bias.fill_(1.5)
    frames = model.frames(x, LENGTHS)
    inside = torch.arange(6) < LENGTHS[:, None]
    expected = (model(x, LENGTHS).exp() - 1).round().clamp(min=1).long()
    assert torch.equal(frames[inside], expected[inside]) and not frames[~inside].any()
    assert frames.max() > 1
    model.net.linear.bias.fill_(-9.0)
    assert (model.frames(x, LENGTHS)[inside] == 1).all()


def test_it_learns_how_long_each_unit_lasts():
    torch.manual_seed(0)
    model = DurationPredictor(8, channels=16, dropout=0.0)
    x, lasts = torch.randn(8, 8), torch.tensor([1, 2, 3, 5, 8, 13, 21, 2])
    units = torch.randint(8, (20, 7))
    lengths = torch.randint(1, 8, (20,))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(250):
        optimizer.zero_grad()
        model.loss(x[units], lengths, lasts[units]).backward()
        optimizer.step()
    frames = model.eval().frames(x[units], lengths)
    inside = torch.arange(7) < lengths[:, None]
    assert ((frames - lasts[units]).abs() <= 1)[inside].float().mean() > 0.95
