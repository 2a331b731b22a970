"""Causal attention, packed, and its cache for hypotheses that grow."""

import pytest
import torch

from codec_ssl.nn.attention import attend
from codec_ssl.nn.beam_cache import BeamCache
from codec_ssl.nn.dropout import keep_mask
from codec_ssl.nn.packed import PackedLayout
from codec_ssl.nn.transformer import TransformerEncoder

LENGTHS = [9, 4, 1, 13]


def decoder(**conf):
    torch.manual_seed(0)
    options = {"dim": 16, "num_layers": 3, "num_heads": 4, "ffn_dim": 24, "norm": "pre"}
    options |= {"positions": "sinusoidal", "layerdrop": 0.0, "causal": True}
    return TransformerEncoder(**(options | conf))


def by_hand(q, k, v, keep=None):
    """Causal attention of one utterance (T, H, E), weights written out."""
    q, k, v = (x.transpose(0, 1) for x in (q, k, v))
    scores = q @ k.transpose(1, 2) / q.size(2) ** 0.5
    scores = scores.masked_fill(torch.ones_like(scores[0]).triu(1).bool(), -torch.inf)
    weights = scores.softmax(-1)
    return ((weights if keep is None else weights * keep) @ v).transpose(0, 1)


@pytest.mark.parametrize("backend", ["auto", "loop", "padded"])
def test_causal_attention_equals_the_formula_in_every_utterance(backend):
    qkv = [torch.randn(sum(LENGTHS), 2, 4, dtype=torch.double) for _ in range(3)]
    parts = zip(*(x.split(LENGTHS) for x in qkv), strict=True)
    wanted = torch.cat([by_hand(*part) for part in parts])
    found = attend(*qkv, PackedLayout.from_lengths(LENGTHS), 0.0, backend, causal=True)
    torch.testing.assert_close(found, wanted)


def test_causal_attention_with_dropout_equals_the_formula_with_gradients():
    qkv = [torch.randn(13, 2, 4, dtype=torch.double, requires_grad=True) for _ in range(3)]
    torch.manual_seed(5)
    keep = torch.stack([keep_mask((13, 13), 0.3) for _ in range(2)]) / 0.7
    wanted = by_hand(*qkv, keep)
    torch.manual_seed(5)
    found = attend(*qkv, PackedLayout.from_lengths([13]), p=0.3, causal=True)
    torch.testing.assert_close(found, wanted)
    grad = torch.randn_like(wanted)
    theirs = torch.autograd.grad(wanted, qkv, grad)
    torch.testing.assert_close(torch.autograd.grad(found, qkv, grad), theirs)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_later_frame_never_changes_an_earlier_output(norm):
    model = decoder(norm=norm).eval()
    layout = PackedLayout.from_lengths([10, 6])
    x = torch.randn(16, 16)
    before = model(x, layout).last
    x[7] = torch.randn(16)
    after = model(x, layout).last
    assert torch.equal(before[:7], after[:7]) and torch.equal(before[10:], after[10:])
    assert not torch.isclose(before[7:10], after[7:10]).all(1).any()


def test_a_cached_step_equals_the_whole_sequence_without_cache():
    """Hypotheses grow, change places, and some utterances leave; the numbers stay those of a
    model that reads every sequence anew."""
    model, beam = decoder().double().eval(), 3
    prefixes = [torch.randn(n, 16, dtype=torch.double) for n in LENGTHS]
    layout = PackedLayout.from_lengths(LENGTHS)
    caches = [BeamCache(layout) for _ in model.layers]
    model(torch.cat(prefixes), layout, caches=caches)
    rows = [[prefix] * beam for prefix in prefixes]
    generator = torch.Generator().manual_seed(1)
    for step in range(4):
        if step == 2:
            for cache in caches:
                cache.keep(torch.tensor([0, 3]))
            rows = [rows[0], rows[3]]
        new = torch.randn(len(rows), beam, 16, dtype=torch.double)
        parents = torch.randint(beam, (len(rows), beam), generator=generator)
        for cache in caches:
            cache.reorder((parents + torch.arange(len(rows)).unsqueeze(1) * beam).flatten())
        rows = [
            [torch.cat((row[parent], x[None])) for parent, x in zip(of, xs, strict=True)]
            for row, of, xs in zip(rows, parents.tolist(), new, strict=True)
        ]
        sequences = [row for utterance in rows for row in utterance]
        lengths = [len(sequence) for sequence in sequences]
        position = torch.tensor(lengths) - 1
        found = model(new.flatten(0, 1), PackedLayout.of_next(position), caches=caches).last
        whole = model(torch.cat(sequences), PackedLayout.from_lengths(lengths)).last
        torch.testing.assert_close(found, whole[torch.tensor(lengths).cumsum(0) - 1])


def test_positions_that_look_ahead_are_refused():
    with pytest.raises(ValueError, match="positions of a causal model"):
        decoder(positions="conv")
    layout, x = PackedLayout.from_lengths([3]), torch.randn(3, 2, 4)
    with pytest.raises(ValueError, match="needs a GPU"):
        attend(x, x, x, layout, 0.0, "nested", causal=True)
