"""The transducer's loss against a sum over all its paths."""

import itertools
import math

import pytest
import torch

from codec_ssl.asr.transducer import TransducerLoss

BLANK = 0


def by_enumeration(logits, target):
    """Minus the log of the summed probability of all paths: ``(T, U + 1, V)``, ``(U,)``."""
    frames, log_probs = len(logits), logits.log_softmax(2)
    total = []
    # A path takes T blanks and U tokens; the last is a blank.
    for places in itertools.combinations(range(frames + len(target) - 1), len(target)):
        t = u = 0
        score = 0.0
        for step in range(frames + len(target)):
            if step in places:
                score += float(log_probs[t, u, target[u]])
                u += 1
            else:
                score += float(log_probs[t, u, BLANK])
                t += 1
        total.append(score)
    largest = max(total)
    return -(largest + math.log(sum(math.exp(each - largest) for each in total)))


def test_the_loss_is_that_of_all_paths_whatever_the_padding():
    torch.manual_seed(0)
    cases = [(4, [1, 2]), (2, [3]), (3, [2, 2]), (2, [1, 2])]
    logits = torch.randn(4, 5, 3, 4)
    targets = torch.zeros(4, 2, dtype=torch.int32)
    for number, (_, target) in enumerate(cases):
        targets[number, : len(target)] = torch.tensor(target)
    frames = torch.tensor([count for count, _ in cases])
    lengths = torch.tensor([len(target) for _, target in cases])
    expected = [
        by_enumeration(logits[n, :count, : len(target) + 1], target)
        for n, (count, target) in enumerate(cases)
    ]
    found = TransducerLoss(BLANK)(logits, targets, frames, lengths)
    assert float(found) == pytest.approx(sum(expected) / 4, rel=1e-5)


def test_gradients_are_finite_also_where_tokens_are_more_than_frames():
    logits = torch.randn(1, 2, 5, 6, requires_grad=True)
    loss = TransducerLoss(BLANK)(
        logits, torch.tensor([[1, 2, 3, 4]]), torch.tensor([2]), torch.tensor([4])
    )
    loss.backward()
    assert loss.isfinite() and logits.grad.isfinite().all()
