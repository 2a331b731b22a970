import pytest
import torch
import torch.nn.functional as F

from codec_ssl.nn.attention import attend
from codec_ssl.nn.dropout import Dropout, keep_mask
from codec_ssl.nn.packed import PackedLayout
from codec_ssl.nn.positions import ConvPositions, SinusoidalPositions, fft_conv
from codec_ssl.nn.transformer import TransformerEncoder

LENGTHS = [37, 5, 1, 90]


def small_encoder(**conf):
    torch.manual_seed(0)
    options = {"dim": 64, "num_layers": 3, "num_heads": 4, "ffn_dim": 96, "conv_pos_groups": 4}
    return TransformerEncoder(**(options | conf))


VARIANTS = [
    {},
    {"norm": "pre"},
    {"positions": "sinusoidal"},
    {"positions": "none"},
    {"conv_pos_depth": 5, "conv_pos_kernel": 95},
]


@pytest.mark.parametrize("conf", VARIANTS)
def test_an_utterance_gets_the_same_output_alone_packed_and_padded(conf):
    encoder = small_encoder(**conf).eval()
    layout = PackedLayout.from_lengths(LENGTHS)
    x = torch.randn(layout.num_frames, 64)
    outputs = {}
    for backend in ("loop", "padded", "nested"):
        for layer in encoder.layers:
            layer.attention.backend = backend
        outputs[backend] = encoder(x, layout).last
    alone = [
        encoder(part, PackedLayout.from_lengths([len(part)])).last for part in x.split(LENGTHS)
    ]
    for name, output in outputs.items():
        assert torch.allclose(output, torch.cat(alone), atol=2e-5), name


def hubert(depth=3):
    transformers = pytest.importorskip("transformers")
    config = transformers.HubertConfig(
        hidden_size=64,
        num_hidden_layers=depth,
        num_attention_heads=4,
        intermediate_size=96,
        num_conv_pos_embedding_groups=4,
        do_stable_layer_norm=False,
        num_conv_pos_embeddings=128,
    )
    return transformers.HubertModel(config).eval()


def weights_of_hubert(encoder):
    """Rename the weights of transformers' HubertEncoder."""
    weights = {}
    for name, value in encoder.state_dict().items():
        name = name.replace("pos_conv_embed.conv.", "positions.convs.0.")
        name = name.replace("feed_forward.intermediate_dense", "feed_forward.linear1")
        name = name.replace("feed_forward.output_dense", "feed_forward.linear2")
        name = name.replace("final_layer_norm", "final_norm")
        if name.startswith("layers."):
            name = name.replace(".layer_norm", ".attention_norm")
        weights[name] = value
    for index in range(len(encoder.layers)):
        for kind in ("weight", "bias"):
            prefix = f"layers.{index}.attention"
            parts = [weights.pop(f"{prefix}.{p}_proj.{kind}") for p in "qkv"]
            weights[f"{prefix}.in_proj.{kind}"] = torch.cat(parts)
    return weights


def _first(out):
    return out[0] if isinstance(out, tuple) else out


def test_hidden_states_equal_those_of_transformers_hubert():
    torch.manual_seed(0)
    theirs = hubert().encoder
    for norm in (m for m in theirs.modules() if isinstance(m, torch.nn.LayerNorm)):
        torch.nn.init.normal_(norm.weight, 1.0, 0.2)
        torch.nn.init.normal_(norm.bias, 0.0, 0.2)
    ours = small_encoder().eval()
    ours.load_state_dict(weights_of_hubert(theirs))
    layout = PackedLayout.from_lengths(LENGTHS)
    x = torch.randn(layout.num_frames, 64)
    padded = layout.pad(x)
    seen = torch.arange(layout.max_length) < torch.tensor(LENGTHS).unsqueeze(1)
    wanted = []
    theirs.layers[0].register_forward_pre_hook(lambda _, args: wanted.append(args[0]))
    for layer in theirs.layers:
        layer.register_forward_hook(lambda _, args, out: wanted.append(_first(out)))
    theirs(padded, attention_mask=seen)
    found = ours(x, layout, layers=range(4)).hidden
    assert len(wanted) == len(found) == 4
    for layer in range(4):
        assert torch.allclose(found[layer], layout.pack(wanted[layer]), atol=2e-5), layer


def test_ffn_outputs_are_those_before_the_residual_sum():
    encoder = small_encoder().eval()
    layout = PackedLayout.from_lengths([20])
    seen = {}
    encoder.layers[1].feed_forward.register_forward_hook(lambda *io: seen.update(out=io[2]))
    found = encoder(torch.randn(20, 64), layout, ffn_layers=[2]).ffn
    assert list(found) == [2] and torch.equal(found[2], seen["out"])


def test_stopping_early_gives_the_same_layer():
    encoder = small_encoder().eval()
    layout = PackedLayout.from_lengths([20])
    x = torch.randn(20, 64)
    full, early = encoder(x, layout, layers=[2]), encoder(x, layout, layers=[2], stop_after=2)
    assert torch.equal(full.hidden[2], early.hidden[2])
    assert torch.equal(early.last, early.hidden[2])


def test_layerdrop_skips_whole_layers_in_training_only():
    encoder = small_encoder(layerdrop=1.0 - 1e-9, dropout=0.0)
    layout = PackedLayout.from_lengths([20])
    x = torch.randn(20, 64)
    out = encoder(x, layout, layers=[0])
    assert torch.equal(out.last, out.hidden[0])
    encoder.eval()
    out = encoder(x, layout, layers=[0])
    assert not torch.allclose(out.last, out.hidden[0])


@pytest.mark.parametrize("taps", [32, 95, 128])
def test_fft_convolution_equals_direct_convolution_with_gradients(taps):
    torch.manual_seed(0)
    x = torch.randn(300, 16, dtype=torch.double, requires_grad=True)
    weight = torch.randn(16, 4, taps, dtype=torch.double, requires_grad=True)
    direct = F.conv1d(x.t()[None], weight, padding=taps // 2, groups=4)[0].t()[:300]
    grad = torch.randn_like(direct)
    wanted = torch.autograd.grad(direct, (x, weight), grad)
    ours = fft_conv(x, weight, 4)
    assert torch.allclose(ours, direct)
    for a, b in zip(torch.autograd.grad(ours, (x, weight), grad), wanted, strict=True):
        assert torch.allclose(a, b)


def test_positions_do_not_leak_between_utterances():
    for depth in (1, 5):
        positions = ConvPositions(16, 128, 4, depth)
        x = torch.randn(60, 16, requires_grad=True)
        positions(x, PackedLayout.from_lengths([30, 30]))[:30].sum().backward()
        assert x.grad[:30].abs().sum() > 1.0 and x.grad[30:].abs().max() < 1e-6


def test_sinusoids_start_anew_in_every_utterance():
    layout = PackedLayout.from_lengths([4, 4])
    out = SinusoidalPositions(6)(torch.zeros(8, 6), layout)
    assert torch.equal(out[:4], out[4:])
    assert torch.allclose(out[:4, 0], torch.arange(4.0).sin())


def test_dropout_keeps_the_right_share_and_the_mean():
    torch.manual_seed(0)
    mask = keep_mask((1000, 1001), 0.1)
    assert mask.float().mean().item() == pytest.approx(0.9, abs=0.001)
    x = torch.ones(2000, 100, requires_grad=True)
    out = Dropout(0.25)(x)
    assert out.mean().item() == pytest.approx(1.0, abs=0.01)
    out.sum().backward()
    assert torch.equal(x.grad, out.detach())
    assert torch.equal(Dropout(0.25).eval()(x), x)


def attention_by_hand(q, k, v, p, seed):
    torch.manual_seed(seed)
    masks = torch.stack([keep_mask((q.size(0), q.size(0)), p) for _ in range(q.size(1))])
    q, k, v = (x.transpose(0, 1) for x in (q, k, v))
    weights = (q @ k.transpose(1, 2) / q.size(2) ** 0.5).softmax(-1) * masks / (1 - p)
    return (weights @ v).transpose(0, 1)


def test_attention_with_dropout_equals_the_formula_with_gradients():
    qkv = [torch.randn(13, 2, 4, dtype=torch.double, requires_grad=True) for _ in range(3)]
    wanted = attention_by_hand(*qkv, p=0.3, seed=5)
    torch.manual_seed(5)
    found = attend(*qkv, PackedLayout.from_lengths([13]), p=0.3)
    assert torch.allclose(found, wanted)
    grad = torch.randn_like(wanted)
    pairs = zip(
        torch.autograd.grad(found, qkv, grad), torch.autograd.grad(wanted, qkv, grad), strict=True
    )
    assert all(torch.allclose(a, b) for a, b in pairs)


def test_bfloat16_autocast_stays_near_float32():
    encoder = small_encoder().eval()
    layout = PackedLayout.from_lengths(LENGTHS)
    x = torch.randn(layout.num_frames, 64)
    with torch.autocast("cpu", torch.bfloat16):
        low = encoder(x, layout).last
    assert (low.float() - encoder(x, layout).last).abs().mean() < 0.03


@pytest.mark.parametrize("conf", [{"norm": "mid"}, {"positions": "rope"}, {"attention": "magic"}])
def test_unknown_choices_are_refused(conf):
    with pytest.raises(ValueError, match="must be one of"):
        small_encoder(**conf)


@pytest.mark.slow
def test_compiled_layers_give_the_same_numbers_and_gradients():
    encoder = small_encoder(num_layers=1).eval()
    layout = PackedLayout.from_lengths(LENGTHS)
    x = torch.randn(layout.num_frames, 64, requires_grad=True)
    weight = torch.randn(layout.num_frames, 64)
    wanted = encoder(x, layout).last
    gradient = torch.autograd.grad((wanted * weight).sum(), x)[0]
    names = list(encoder.state_dict())
    encoder.compile_layers()
    found = encoder(x, layout).last
    assert torch.allclose(found, wanted, atol=2e-5)
    found_gradient = torch.autograd.grad((found * weight).sum(), x)[0]
    assert torch.allclose(found_gradient, gradient, atol=2e-4)
    assert list(encoder.state_dict()) == names
