import numpy as np
import pytest
import torch

from codec_ssl.nn.masking import GapMasking, SpanMasking


def reference_mask(length, rng, prob=0.8, span=10, min_masks=2):
    """The published algorithm, one utterance at a time."""
    count = max(min_masks, int(prob * length / span + rng.random()))
    places = length - span if length - span > count else count + 1
    mask = np.zeros(length, bool)
    for start in rng.choice(places, count, replace=False):
        mask[start : start + span] = True
    return mask


def run_lengths(mask):
    edges = np.flatnonzero(np.diff(np.concatenate(([0], mask.astype(int), [0]))))
    return edges[1::2] - edges[::2]


def test_long_utterances_have_about_56_5_percent_masked():
    mask = SpanMasking()(torch.full((40,), 2500), torch.Generator().manual_seed(0))
    assert mask.float().mean().item() == pytest.approx(0.565, abs=0.006)


@pytest.mark.parametrize("length", [3, 12, 25, 150, 780])
def test_span_statistics_equal_the_published_algorithm(length):
    trials = 60_000 // length
    rng = np.random.default_rng(0)
    wanted = np.stack([reference_mask(length, rng) for _ in range(trials)])
    lengths = torch.full((trials,), length)
    found = SpanMasking()(lengths, torch.Generator().manual_seed(1)).view(trials, -1).numpy()
    spread = 5 * np.sqrt((wanted.sum(1).var() + found.sum(1).var()) / trials) + 1e-9
    assert abs(wanted.sum(1).mean() - found.sum(1).mean()) < spread
    if length > 20:
        # Edges and runs, not only totals: rates of each place, and the histogram of run lengths.
        assert np.abs(wanted.mean(0) - found.mean(0)).max() < 6 * np.sqrt(0.25 * 2 / trials)
        runs = [np.concatenate([run_lengths(m) for m in masks]) for masks in (wanted, found)]
        hist = [np.histogram(np.minimum(r, 60), np.arange(1, 62))[0] / len(r) for r in runs]
        assert np.abs(hist[0] - hist[1]).max() < 0.04


def test_a_mask_never_crosses_into_the_next_utterance():
    lengths = torch.tensor([12, 1000])
    generator = torch.Generator().manual_seed(0)
    masking = SpanMasking(prob=0.01, min_masks=0)
    ends = [masking(torch.tensor([n]), generator) for n in lengths.tolist()]
    assert [m.numel() for m in ends] == lengths.tolist()
    for _ in range(50):
        mask = SpanMasking()(lengths, generator)
        first = mask[:12].numpy()
        starts_late = first[-1] and not first.any(where=np.arange(12) < 11)
        assert not starts_late, "the last frame of an utterance is never a span start"


def test_the_seed_decides_the_mask_and_nothing_else():
    lengths = torch.randint(1, 300, (30,))
    draw = [SpanMasking()(lengths, torch.Generator().manual_seed(s)) for s in (3, 3, 4)]
    assert torch.equal(draw[0], draw[1]) and not torch.equal(draw[0], draw[2])


def test_same_count_leaves_as_many_masked_frames_in_every_utterance():
    lengths = torch.tensor([90, 100, 400])
    generator = torch.Generator().manual_seed(0)
    mask = SpanMasking(min_masks=1, same_count=True)(lengths, generator)
    counts = [part.sum().item() for part in mask.split(lengths.tolist())]
    assert len(set(counts)) == 1 and counts[0] > 30


@pytest.mark.parametrize("length", [1, 2, 5, 9, 10, 11])
def test_utterances_shorter_than_a_span_are_handled(length):
    generator = torch.Generator().manual_seed(0)
    masks = torch.stack([SpanMasking()(torch.tensor([length]), generator) for _ in range(50)])
    assert masks.any()


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError):
        SpanMasking(prob=0.0)


def drawn_gaps(length, rng, proportion=0.5, gap=15):
    """EnCodecMAE's masking, one gap after another; excess taken from the first gap's run."""
    mask, starts, wanted = np.zeros(length, bool), [], int(proportion * length)
    while mask.sum() < wanted:
        starts.append(rng.integers(0, max(0, length - gap) + 1))
        mask[starts[-1] : starts[-1] + gap] = True
    excess = mask.sum() - wanted
    if excess:
        begin = starts[0]
        while begin > 0 and mask[begin - 1]:
            begin -= 1
        mask[begin : begin + excess] = False
    return mask


@pytest.mark.parametrize("proportion", [0.5, 0.3, 0.75])
def test_gaps_mask_exactly_the_share_and_at_most_one_run_is_shorter_than_a_gap(proportion):
    lengths = torch.tensor([300, 299, 31, 30, 16, 15, 14, 3, 2, 1] * 40)
    masking = GapMasking(proportion)
    mask = masking(lengths, torch.Generator().manual_seed(0))
    for part, length in zip(mask.split(lengths.tolist()), lengths.tolist(), strict=True):
        assert part.sum() == int(proportion * length)
        assert (run_lengths(part.numpy()) < 15).sum() <= 1


@pytest.mark.parametrize("length", [20, 60, 300])
def test_gaps_are_distributed_as_if_drawn_one_after_another(length):
    trials = 4000
    rng = np.random.default_rng(0)
    wanted = np.stack([drawn_gaps(length, rng) for _ in range(trials)])
    lengths = torch.full((trials,), length)
    found = GapMasking()(lengths, torch.Generator().manual_seed(1)).view(trials, -1).numpy()
    assert np.abs(wanted.mean(0) - found.mean(0)).max() < 5 * np.sqrt(0.25 * 2 / trials)
    runs = [np.concatenate([run_lengths(m) for m in masks]) for masks in (wanted, found)]
    hist = [np.histogram(np.minimum(r, 60), np.arange(1, 62))[0] / len(r) for r in runs]
    assert np.abs(hist[0] - hist[1]).max() < 0.03


def test_gaps_refuse_what_cannot_be():
    for options in ({"proportion": 1.0}, {"proportion": -0.1}, {"gap": 0}):
        with pytest.raises(ValueError, match="cannot work"):
            GapMasking(**options)
