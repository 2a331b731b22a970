"""The search against searches that are slow and obvious: no cache, no batch, no tensors."""

import itertools
import math

import pytest
import torch

from codec_ssl.asr.beam_search import SearchOptions, beam_search
from codec_ssl.asr.growing import GrowingHypotheses
from codec_ssl.asr.text import END
from codec_ssl.errors import ConfigError

VOCAB = 11


class Whole:
    """Log-probabilities of one utterance, from the whole sequence each time."""

    def __init__(self, model, speech):
        self.model, self.speech, self.known = model, speech, {}

    def next(self, pieces):
        if pieces not in self.known:
            one = GrowingHypotheses(self.model, self.speech, torch.tensor([len(self.speech)]))
            log_probs = one.first()[0]
            for piece in pieces:
                zero = torch.zeros(1, 1, dtype=torch.int64)
                log_probs = one.advance(zero + piece, zero)[0, 0]
            self.known[pieces] = log_probs.tolist()
        return self.known[pieces]

    def score(self, pieces, penalty=0.0):
        steps = [*enumerate(pieces), (len(pieces), END)]
        total = sum(self.next(pieces[:n])[piece] for n, piece in steps)
        return total / (len(pieces) + 1) ** penalty


def brute_force(whole, least, most, penalty):
    """All texts within the limits, best first."""
    others = [piece for piece in range(VOCAB) if piece != END]
    texts = [text for n in range(least, most + 1) for text in itertools.product(others, repeat=n)]
    return sorted(((whole.score(t, penalty), t) for t in texts), reverse=True)


def plain_beam(whole, beam, most):
    """Beam search with lists: as the module says it, without its early stop."""
    growing, ended = [(0.0, ())], []
    for length in range(most + 1):
        options = [
            (score + logp, (*text, piece))
            for score, text in growing
            for piece, logp in enumerate(whole.next(text))
            if piece == END or length < most
        ]
        options.sort(reverse=True)
        ended += [(s, t[:-1]) for s, t in options[:beam] if t[-1] == END]
        growing = [(s, t) for s, t in options if t[-1] != END][:beam]
    return sorted(ended, reverse=True)[:beam]


@pytest.fixture
def spread_model(tiny_model):
    """A model that is as unsure as a trained one: flat logits make a search trivial."""

    def build(**conf):
        model = tiny_model(**conf).double().eval()
        with torch.no_grad():
            model.head.weight *= 2.5
            model.head.weight[END] *= 2.0  # at times likely, at times not
        return model

    return build


def search(model, speech, frames, **options):
    options = {"max_ratio": 0.0, "max_extra": 6} | options
    with torch.no_grad():
        grown = GrowingHypotheses(model, speech, torch.tensor(frames))
        return beam_search(grown, frames, SearchOptions(**options))


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("least", [0, 1])
def test_a_beam_that_holds_everything_finds_what_brute_force_finds(
    spread_model, tiny_batch, penalty, least
):
    model = spread_model()
    speech, frames, _, _ = tiny_batch(frames=(5, 1, 4))
    found = search(
        model,
        speech,
        frames.tolist(),
        beam=VOCAB**2,
        nbest=10,
        max_ratio=0.2,
        max_extra=1,
        min_ratio=least / 5,
        length_penalty=penalty,
    )
    for n, (codes, hypotheses) in enumerate(zip(speech.split(frames.tolist()), found, strict=True)):
        low, high = int(least / 5 * frames[n]), int(0.2 * frames[n]) + 1
        wanted = brute_force(Whole(model, codes), low, high, penalty)[:10]
        assert [tuple(h.pieces) for h in hypotheses] == [text for _, text in wanted]
        assert [h.score for h in hypotheses] == pytest.approx([s for s, _ in wanted], abs=1e-5)
        assert [h.cut for h in hypotheses] == [len(text) == high for _, text in wanted]


@pytest.mark.parametrize("beam", [1, 2, 5])
@pytest.mark.parametrize("inputs", [{}, {"sizes": (7, 5)}, {"features": 4}])
def test_batched_search_with_cache_equals_the_search_with_lists(
    spread_model, tiny_batch, beam, inputs
):
    model = spread_model(**inputs)
    frames = [4, 7, 1, 3, 3, 2, 5, 6]
    speech = tiny_batch(**inputs, frames=frames, pieces=[1] * 8)[0]
    speech = speech.double() if "features" in inputs else speech
    found = search(model, speech, frames, beam=beam, nbest=beam)
    lengths = set()
    for codes, hypotheses in zip(speech.split(frames), found, strict=True):
        wanted = plain_beam(Whole(model, codes), beam, most=6)
        assert [tuple(h.pieces) for h in hypotheses] == [text for _, text in wanted]
        assert [h.score for h in hypotheses] == pytest.approx([s for s, _ in wanted], abs=1e-5)
        lengths |= {len(h.pieces) for h in hypotheses}
    assert len(lengths) > 1, "utterances should end at different steps"


def test_greedy_search_takes_the_best_piece_at_each_step(spread_model, tiny_batch):
    model = spread_model()
    speech, frames, _, _ = tiny_batch(frames=(4, 3, 6))
    found = search(model, speech, frames.tolist(), beam=1)
    for codes, (best,) in zip(speech.split(frames.tolist()), found, strict=True):
        whole, text = Whole(model, codes), ()
        while len(text) < 6 and (piece := max(range(VOCAB), key=whole.next(text).__getitem__)) != 1:
            text = (*text, piece)
        assert tuple(best.pieces) == text


def test_an_utterance_gets_the_same_hypotheses_alone_and_in_a_batch(spread_model, tiny_batch):
    model = spread_model(sizes=(7, 5))
    frames = [4, 9, 6, 6, 1]
    speech = tiny_batch(sizes=(7, 5), frames=frames, pieces=[1] * 5)[0]
    options = {"beam": 3, "nbest": 2, "max_ratio": 0.7, "max_extra": 1}
    together = search(model, speech, frames, **options)
    alone = [search(model, s, [len(s)], **options)[0] for s in speech.split(frames)]
    for a, b in zip(together, alone, strict=True):
        assert [h.pieces for h in a] == [h.pieces for h in b]
        assert [h.score for h in a] == pytest.approx([h.score for h in b], abs=1e-5)


def test_length_limits_are_relative_to_the_input(spread_model, tiny_batch):
    model = spread_model()
    with torch.no_grad():
        model.head.weight[END] = 0.0
        model.pieces.weight.zero_()  # the end is never likely
    speech = tiny_batch(frames=(10, 4), pieces=(1, 1))[0]
    (long,), (short,) = search(model, speech, [10, 4], max_ratio=0.5, max_extra=1, min_ratio=0.5)
    assert len(long.pieces) in (5, 6) and len(short.pieces) in (2, 3)
    (empty,), _ = search(model, speech, [10, 4], max_ratio=0.0, max_extra=0)
    assert empty.pieces == [] and empty.cut and math.isfinite(empty.score)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam": 2, "nbest": 3}, "nbest <= beam, found 3 and 2"),
        ({"beam": 0, "nbest": 0}, "1 <= nbest"),
        ({"min_ratio": 0.6}, "min_ratio <= max_ratio"),
        ({"length_penalty": -1.0}, "length_penalty from 0"),
    ],
)
def test_impossible_searches_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        SearchOptions(**options)
