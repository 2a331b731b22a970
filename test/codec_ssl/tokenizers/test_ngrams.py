"""PNMI of n-grams against dictionaries and exact fractions, and in closed form."""

import math
from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from codec_ssl.tokenizers.ngrams import joint_ids, ngram_pnmi


def brute_force(phones, tokens, lengths, n):
    """Equation 6 with dictionaries; also the number of n-grams, and of those seen but once."""
    pairs, first = Counter(), 0
    for length in lengths:
        for start in range(first, first + length - n + 1):
            spoken = tuple(phones[start : start + n])
            if -1 not in spoken:
                pairs[spoken, tuple(tokens[start : start + n])] += 1
        first += length
    total = sum(pairs.values())
    spoken, made = Counter(), Counter()
    for (s, z), count in pairs.items():
        spoken[s] += count
        made[z] += count
    information = sum(
        count / total * math.log(count * total / (spoken[s] * made[z]))
        for (s, z), count in pairs.items()
    )
    entropy = -sum(count / total * math.log(count / total) for count in spoken.values())
    return information / entropy, total, sum(c == 1 for c in made.values()) / total


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@pytest.mark.parametrize("silence", [0.0, 0.2])
def test_it_is_equation_6(n, silence):
    random = np.random.default_rng(n)
    lengths = random.integers(1, 40, 30)
    size = lengths.sum()
    phones = random.integers(0, 5, size)
    tokens = np.where(random.random(size) < 0.6, 3 * phones, random.integers(0, 70000, size))
    phones[random.random(size) < silence] = -1
    found = ngram_pnmi(phones, tokens, lengths, n)
    wanted, total, once = brute_force(phones.tolist(), tokens.tolist(), lengths.tolist(), n)
    assert found.pnmi == pytest.approx(wanted, abs=1e-12)
    assert (found.num_ngrams, found.seen_once) == (total, pytest.approx(once))


def test_of_single_frames_it_is_what_scikit_learn_says():
    random = np.random.default_rng(0)
    phones = random.integers(0, 9, 4000)
    tokens = (phones * 5 + random.integers(0, 12, 4000)) % 40
    found = ngram_pnmi(phones, tokens, np.array([4000]), 1)
    information = mutual_info_score(phones, tokens)
    assert found.pnmi == pytest.approx(information / mutual_info_score(phones, phones), abs=1e-12)


@pytest.mark.parametrize("n", [1, 3])
def test_tokens_that_are_the_phones_know_everything_and_constant_ones_nothing(n):
    phones = np.random.default_rng(0).integers(0, 4, 3000)
    lengths = np.array([1000, 2000])
    assert ngram_pnmi(phones, phones + 7, lengths, n).pnmi == pytest.approx(1.0)
    assert ngram_pnmi(phones, np.zeros_like(phones), lengths, n).pnmi == pytest.approx(0, abs=1e-12)
    assert ngram_pnmi(np.zeros_like(phones), phones, lengths, n).pnmi == 0.0


def test_chance_tells_the_bias_of_unrelated_tokens():
    random = np.random.default_rng(0)
    phones, tokens = random.integers(0, 10, 5000), random.integers(0, 50, 5000)
    lengths = np.array([5000])
    for n, at_most in ((1, 0.1), (2, 0.8), (3, 1.0)):
        found = ngram_pnmi(phones, tokens, lengths, n)
        assert found.chance == pytest.approx(found.pnmi, abs=0.02)
        assert found.pnmi < at_most
    assert ngram_pnmi(phones, phones, lengths, 2).chance < 0.5


def test_streams_are_told_apart_together():
    tokens = np.array([[1, 5], [1, 6], [2, 5], [1, 5]])
    ids = joint_ids(tokens)
    assert ids[0] == ids[3] and len(set(ids.tolist())) == 3


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="found 3, 2 and 3"):
        ngram_pnmi(np.zeros(3, int), np.zeros(2, int), np.array([3]), 1)
    with pytest.raises(ValueError, match="no 3 consecutive frames"):
        ngram_pnmi(np.zeros(4, int), np.zeros(4, int), np.array([2, 2]), 3)
