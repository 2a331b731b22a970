"""Codes are chosen greedily, or drawn reproducibly."""

import pytest
import torch

from codec_ssl.errors import ConfigError
from codec_ssl.tts.sampling import Sampling, choose

SCORES = [torch.randn(400, 16, generator=torch.Generator().manual_seed(q)) for q in range(3)]


def test_greedy_takes_the_best_of_each_stream():
    found = choose(SCORES, Sampling(), "u")
    assert found.shape == (400, 3) and found.dtype == torch.int64
    assert all(torch.equal(found[:, q], SCORES[q].argmax(1)) for q in range(3))
    cold = choose(SCORES, Sampling("sample", temperature=1e-4), "u")
    first = choose(SCORES, Sampling("sample", top_k=1), "u")
    assert torch.equal(cold, found) and torch.equal(first, found)


def test_draws_depend_on_seed_and_utterance_only():
    sampling = Sampling("sample", seed=3)
    found = choose(SCORES, sampling, "u1")
    torch.manual_seed(7)
    assert torch.equal(found, choose(SCORES, sampling, "u1"))
    assert not torch.equal(found, choose(SCORES, sampling, "u2"))
    assert not torch.equal(found, choose(SCORES, Sampling("sample", seed=4), "u1"))


def test_draws_follow_the_scores_and_keep_to_the_best_k():
    scores = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05])).expand(20_000, 4)
    drawn = choose([scores], Sampling("sample"), "u")[:, 0]
    torch.testing.assert_close(
        drawn.bincount(minlength=4) / 20_000,
        torch.tensor([0.5, 0.3, 0.15, 0.05]),
        atol=0.015,
        rtol=0,
    )
    best = choose([scores], Sampling("sample", top_k=2, temperature=0.5), "u")[:, 0]
    # Squared and among two: 25 to 9.
    torch.testing.assert_close(
        best.bincount(minlength=4) / 20_000,
        torch.tensor([25 / 34, 9 / 34, 0, 0]),
        atol=0.015,
        rtol=0,
    )


@pytest.mark.parametrize("options", [{"method": "beam"}, {"temperature": 0.0}, {"top_k": -1}])
def test_wrong_options_are_refused(options):
    with pytest.raises(ConfigError, match="sampling"):
        Sampling(**options)
