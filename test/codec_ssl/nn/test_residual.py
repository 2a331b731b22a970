"""ResiDual, shared feed-forwards and the options that EnCodecMAE's stacks have."""

import pytest
import torch
import torch.nn.functional as F

from codec_ssl.nn.attention import widen_heads
from codec_ssl.nn.packed import PackedLayout
from codec_ssl.nn.positions import ScaledPositions, SinusoidalPositions
from codec_ssl.nn.transformer import TransformerEncoder

LENGTHS = [11, 1, 30]
SMALL = {
    "dim": 32,
    "num_layers": 3,
    "num_heads": 4,
    "ffn_dim": 48,
    "dropout": 0.0,
    "attention_dropout": 0.0,
    "layerdrop": 0.0,
    "positions": "none",
    "norm": "residual",
    "activation": "relu",
    "attention_bias": False,
    "init": "xavier",
}


def stack(**conf):
    torch.manual_seed(0)
    return TransformerEncoder(**(SMALL | conf))


def attend_plainly(layer, x):
    """Self-attention of one utterance (T, D), written out."""
    heads, weight = layer.attention.num_heads, layer.attention.in_proj.weight
    q, k, v = ((x @ part.t()).view(len(x), heads, -1).transpose(0, 1) for part in weight.chunk(3))
    scores = q @ k.transpose(1, 2) / q.size(-1) ** 0.5
    out = scores.softmax(-1) @ v
    return out.transpose(0, 1).flatten(1) @ layer.attention.out_proj.weight.t()


def norm(module, x):
    return F.layer_norm(x, x.shape[-1:], module.weight, module.bias)


def residual_plainly(encoder, x):
    """Both streams of ResiDual (arXiv 2304.14802), written out for one utterance (T, D)."""
    normed, plain, hidden = x, x, []
    for layer in encoder.layers:
        attended = attend_plainly(layer, normed)
        normed, plain = norm(layer.attention_norm, normed + attended), plain + attended
        ffn = layer.feed_forward
        added = F.linear(
            F.relu(F.linear(normed, ffn.linear1.weight, ffn.linear1.bias)),
            ffn.linear2.weight,
            ffn.linear2.bias,
        )
        normed, plain = norm(layer.final_norm, normed + added), plain + added
        hidden.append(normed)
    return normed + norm(encoder.layer_norm, plain), hidden


@pytest.mark.parametrize("conf", [{}, {"share_ffn": True}, {"head_dim": 5}])
def test_residual_equals_its_two_streams_written_out(conf):
    encoder = stack(**conf).eval()
    with torch.no_grad():
        for layer in encoder.layers:
            layer.final_norm.weight.uniform_(0.5, 1.5)
    layout = PackedLayout.from_lengths(LENGTHS)
    x = torch.randn(layout.num_frames, 32)
    out = encoder(x, layout, layers=[0, 1, 2, 3])
    for part, got, *hidden in zip(
        x.split(LENGTHS),
        out.last.split(LENGTHS),
        *(out.hidden[number].split(LENGTHS) for number in (1, 2, 3)),
        strict=True,
    ):
        wanted, streams = residual_plainly(encoder, part)
        torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)
        for one, other in zip(hidden, streams, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(out.hidden[0], x)


def test_layers_below_the_top_need_no_second_stream():
    encoder = stack().eval()
    layout = PackedLayout.from_lengths(LENGTHS)
    x = torch.randn(layout.num_frames, 32)
    whole = encoder(x, layout, layers=[2])
    torch.testing.assert_close(encoder(x, layout, stop_after=2).last, whole.hidden[2])


def test_a_shared_feed_forward_is_one_module_that_all_layers_train():
    shared, own = stack(share_ffn=True), stack()
    assert len({id(layer.feed_forward) for layer in shared.layers}) == 1
    ffn = sum(p.numel() for p in shared.layers[0].feed_forward.parameters())
    counts = [sum(p.numel() for p in each.parameters()) for each in (shared, own)]
    assert counts[1] - counts[0] == 2 * ffn
    again = stack(share_ffn=True)
    again.load_state_dict(shared.state_dict())
    assert len({id(layer.feed_forward) for layer in again.layers}) == 1


def test_xavier_draws_queries_keys_and_values_as_matrices_of_their_own():
    encoder = stack(dim=64)
    bound = (6 / (64 + 64)) ** 0.5
    for layer in encoder.layers:
        for part in layer.attention.in_proj.weight.chunk(3):
            assert 0.98 * bound < part.abs().max() <= bound
        assert (layer.feed_forward.linear1.bias == 0).all()
        assert layer.attention.in_proj.bias is None


def test_heads_that_do_not_divide_the_width_say_so_or_have_one_of_their_own():
    with pytest.raises(ValueError, match="head_dim may say"):
        stack(num_heads=5)
    assert stack(num_heads=5, head_dim=7).layers[0].attention.out_proj.in_features == 35


def test_unknown_choices_are_refused():
    for conf in ({"norm": "both"}, {"activation": "tanh"}, {"init": "zeros"}):
        with pytest.raises(ValueError, match="must be one of"):
            stack(**conf)


@pytest.mark.parametrize("width", [85, 64])
def test_widened_heads_attend_as_the_narrow_ones(width):
    q, k, v = torch.randn(3, 10, 2, width)
    wide = widen_heads(q, k, v)
    assert all(x.size(-1) % 8 == 0 for x in wide)
    plain, widened = (
        F.scaled_dot_product_attention(*(x.transpose(0, 1) for x in each))
        for each in ((q, k, v), wide)
    )
    torch.testing.assert_close(widened[..., :width], plain, atol=1e-5, rtol=1e-4)


def test_positions_have_a_gain_that_is_learnt():
    layout = PackedLayout.from_lengths(LENGTHS)
    x = torch.randn(layout.num_frames, 32)
    scaled = ScaledPositions(32)
    torch.testing.assert_close(scaled(x, layout), SinusoidalPositions(32)(x, layout))
    scaled(x, layout).square().sum().backward()
    assert scaled.gain.grad.abs() > 0


def test_layouts_keep_and_cut_frames():
    layout = PackedLayout.from_lengths([5, 3])
    kept = layout.kept(torch.tensor([1, 0, 1, 0, 0, 0, 0, 1], dtype=torch.bool))
    assert kept.lengths == (2, 1) and kept.position.tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match="at least one frame"):
        layout.kept(torch.tensor([1] * 5 + [0] * 3, dtype=torch.bool))
    assert PackedLayout.from_lengths([7, 3, 2]).cut(3).lengths == (2, 2, 3, 3, 2)
