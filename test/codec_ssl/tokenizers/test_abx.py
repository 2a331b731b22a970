"""ABX errors against a program without tensors, tables or subsampling."""

import itertools
import statistics

import numpy as np
import pytest

from codec_ssl.data.alignment import Segment
from codec_ssl.tokenizers.abx import abx_error, abx_items

RATE = 50.0


def corpus(num_utts=10, num_phones=9, seed=0):
    """Alignments of utterances by two speakers, and tokens that blur some phones."""
    random = np.random.default_rng(seed)
    alignments, speakers, tokens, lengths = {}, {}, [], []
    for number in range(num_utts):
        segments, at = [], 0
        for phone in random.integers(0, 2, num_phones):
            frames = int(random.integers(1, 4))
            segments.append(Segment(at / RATE, (at + frames) / RATE, "ab"[phone]))
            tokens += (phone + 2 * (random.random(frames) < 0.3)).tolist()
            at += frames
        alignments[f"u{number}"] = segments
        speakers[f"u{number}"] = f"s{number % 2}"
        lengths.append(at)
    return alignments, speakers, np.array(tokens), np.array(lengths)


def dtw(a, b):
    """Distance along the best path, divided by its length, as fastabx does."""
    cost = np.not_equal.outer(a, b).astype(float)
    best = np.full((len(a), len(b)), np.inf)
    for i, j in itertools.product(range(len(a)), range(len(b))):
        before = [best[p, q] for p, q in ((i - 1, j), (i, j - 1), (i - 1, j - 1)) if min(p, q) >= 0]
        best[i, j] = cost[i, j] + (min(before) if before else 0.0)
    i, j, steps = len(a) - 1, len(b) - 1, 1
    while (i, j) != (0, 0):
        moves = [(p, q) for p, q in ((i - 1, j - 1), (i - 1, j), (i, j - 1)) if min(p, q) >= 0]
        i, j = min(moves, key=lambda move: best[move])
        steps += 1
    return best[-1, -1] / steps


def items_of(items):
    rows = zip(items.spans.tolist(), *items.labels.values(), strict=True)
    return [(tuple(span), phone, (before, after), spk) for span, phone, before, after, spk in rows]


def brute_force(tokens, items, across):
    """Mean over pairs of phones, then contexts and speakers, of the error over all triplets."""
    cells = {}
    for a, b, x in itertools.product(items_of(items), repeat=3):
        if a[2] != b[2] or a[2] != x[2] or a[1] == b[1] or a[1] != x[1] or a == x:
            continue
        if a[3] != b[3] or (a[3] == x[3]) == across:
            continue
        near, far = (dtw(tokens[slice(*x[0])], tokens[slice(*o[0])]) for o in (a, b))
        error = 0.5 if near == far else float(near > far)
        cells.setdefault((a[1], b[1], a[3], x[3], a[2]), []).append(error)
    levels = {}
    for (on, off, spk, other, _), errors in cells.items():
        levels.setdefault((on, off, spk, other), []).append(statistics.fmean(errors))
    pairs = {}
    for (on, off, *_), errors in levels.items():
        pairs.setdefault((on, off), []).append(statistics.fmean(errors))
    return statistics.fmean(statistics.fmean(errors) for errors in pairs.values())


@pytest.mark.parametrize("across", [False, True])
def test_it_is_the_error_over_all_triplets(across):
    alignments, speakers, tokens, lengths = corpus(num_utts=6)
    items = abx_items(alignments, speakers, list(alignments), lengths, RATE)
    found = abx_error(tokens, items, across)
    assert found == pytest.approx(brute_force(tokens, items, across), abs=0.02)
    assert 0.05 < found < 0.45


def test_items_are_triphones_that_follow_one_another():
    segments = [
        Segment(0.0, 0.1, "a"),
        Segment(0.1, 0.2, "b"),
        Segment(0.2, 0.3, "c"),
        Segment(0.35, 0.4, "d"),
        Segment(0.4, 0.5, "e"),
        Segment(0.5, 0.6, "f"),
    ]
    alignments = {"u": segments, "v": segments[:2]}
    items = abx_items(alignments, {"u": "s", "v": "s"}, ["v", "u"], np.array([10, 30]), RATE)
    assert items_of(items) == [((10, 25), "b", ("a", "c"), "s"), ((28, 40), "e", ("d", "f"), "s")]


def test_vectors_and_tokens_that_tell_the_phones_apart_make_few_errors():
    random = np.random.default_rng(0)
    spoken = [[*"cd" * 6] for _ in range(8)]
    for phones in spoken:  # a or b between c and d: neighbours never blur
        phones[1:-1:2] = random.choice(["a", "b"], 5)
    alignments = {
        f"u{n}": [
            Segment(2 * i / RATE, 2 * (i + 1) / RATE, phone) for i, phone in enumerate(phones)
        ]
        for n, phones in enumerate(spoken)
    }
    speakers = {f"u{n}": f"s{n % 2}" for n in range(8)}
    items = abx_items(alignments, speakers, list(alignments), np.full(8, 24), RATE)
    ids = np.repeat(["abcd".index(phone) for phones in spoken for phone in phones], 2)
    noise = np.random.default_rng(0).integers(0, 500, len(ids))
    vectors = np.eye(4)[ids]
    for across in (False, True):
        good = [abx_error(data, items, across) for data in (ids, vectors)]
        assert good == [0.0, 0.0] and 0.4 < abx_error(noise, items, across) < 0.6


def test_without_triplets_there_is_no_error_rate():
    alignments, speakers, tokens, lengths = corpus(num_utts=1, num_phones=2)
    items = abx_items(alignments, speakers, ["u0"], lengths, RATE)
    assert len(items) == 0 and abx_error(tokens, items, across=False) is None
