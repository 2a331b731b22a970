"""What is mended in ESPnet's codecs: the defect as it is in ESPnet, and without it."""

import pytest
import torch

pytestmark = pytest.mark.timeout(300)
D, W, ENTRIES, LAYERS = 16, 4, 32, 4


@pytest.fixture(scope="module")
def mends():
    from codec_ssl.tasks import codec_mends

    return codec_mends


def make(width: int = W, dropout: bool = False):
    from espnet2.gan_codec.shared.quantizer.residual_vq import ResidualVectorQuantizer

    torch.manual_seed(0)
    return ResidualVectorQuantizer(
        dimension=D,
        codebook_dim=width,
        n_q=LAYERS,
        bins=ENTRIES,
        kmeans_iters=5,
        threshold_ema_dead_code=1,
        quantizer_dropout=dropout,
    )


def latents(seed: int, batch: int = 4) -> torch.Tensor:
    """Vectors in a few dimensions of many, as an encoder makes them."""
    random = torch.Generator().manual_seed(seed)
    basis = torch.randn(D, 6, generator=torch.Generator().manual_seed(99))
    return basis @ torch.randn(batch, 6, 60, generator=random)


def train(quantizer, steps: int = 80) -> float:
    """Teach the quantizer to reproduce latents; the share of their variance that is left."""
    optimizer = torch.optim.Adam(quantizer.parameters(), lr=0.01)
    for step in range(steps):
        x = latents(step)
        quantized, _, _, *losses = quantizer(x, 50)
        loss = (quantized - x).square().mean() + losses[0]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    quantizer.eval()
    x = latents(12345)
    return float((quantizer(x, 50)[0] - x).detach().square().mean() / x.square().mean())


@pytest.mark.parametrize("dropout", [False, True])
def test_projections_get_gradients_that_espnets_do_not(mends, dropout):
    plain, mended = make(dropout=dropout), make(dropout=dropout)
    mends.let_projections_learn(mended)
    for quantizer in (plain, mended):
        # All layers are used where none is dropped.
        torch.manual_seed(0)
        quantizer(latents(0).requires_grad_(), 50)[0].square().mean().backward()
    for layer in plain.vq.layers:
        assert layer.project_out.weight.grad is None and layer.project_in.weight.grad is None
    first = mended.vq.layers[0]
    assert first.project_out.weight.grad.norm() > 0 and first.project_in.weight.grad.norm() > 0


def test_projections_that_learn_reproduce_what_random_ones_cannot(mends):
    plain, mended = make(), make()
    mends.let_projections_learn(mended)
    left = train(mended)
    assert left < 0.3
    assert train(plain) > 2 * left


@pytest.mark.parametrize("dropout", [False, True])
def test_weights_and_codes_are_espnets(mends, dropout):
    plain, mended = make(dropout=dropout), make(dropout=dropout)
    mends.let_projections_learn(mended)
    assert mended.state_dict().keys() == plain.state_dict().keys()
    for step in range(3):
        mended(latents(step), 50)
    plain.load_state_dict(mended.state_dict())
    x = latents(7)
    assert torch.equal(plain.encode(x, 50), mended.encode(x, 50))
    plain.eval(), mended.eval()
    for bandwidth in (None, 0.5):
        for theirs, ours in zip(plain(x, 50, bandwidth), mended(x, 50, bandwidth), strict=True):
            torch.testing.assert_close(ours, theirs)


def test_dropout_of_quantizers_gives_each_row_its_own_depth(mends):
    quantizer = make(dropout=True)
    mends.let_projections_learn(quantizer)
    quantizer(latents(0, batch=64), 50)
    x = latents(1, batch=64)
    torch.manual_seed(3)
    quantized, codes, *_ = quantizer(x, 50)
    partial = [quantizer.decode(codes[:depth]) for depth in range(1, LAYERS + 1)]
    errors = torch.stack([(quantized - each).abs().amax((1, 2)) for each in partial])
    depths = errors.argmin(0) + 1
    assert len(depths.unique()) == LAYERS


def test_a_quantizer_without_projections_is_left_as_it_is(mends):
    quantizer = make(width=D)
    before = quantizer.vq
    mends.let_projections_learn(quantizer)
    assert quantizer.vq is before


def test_another_width_changes_nothing_else(mends):
    other = mends.with_codebook_dim(make(dropout=True), D)
    assert isinstance(other.vq.layers[0].project_out, torch.nn.Identity)
    for name in ("n_q", "bins", "decay", "kmeans_iters", "threshold_ema_dead_code"):
        assert getattr(other, name) == getattr(make(), name)
    assert other.quantizer_dropout


@pytest.mark.parametrize("norm", ["weight_norm", "none"])
def test_a_signal_keeps_its_variance_through_a_scaled_encoder_and_loses_it_in_espnets(mends, norm):
    from espnet2.gan_codec.shared.encoder.seanet import SEANetEncoder

    wav = 0.05 * torch.randn(2, 1, 8000, generator=torch.Generator().manual_seed(1))
    left = []
    for mend in (False, True):
        torch.manual_seed(0)
        encoder = SEANetEncoder(n_filters=8, dimension=64, lstm=0, norm=norm)
        if mend:
            mends.scale_initial_weights(encoder)
        with torch.no_grad():
            latent = encoder(wav)
        left.append(float(latent.std(dim=(0, 2)).mean() / wav.std()))
    assert left[0] < 0.1 and 0.2 < left[1] < 5


@pytest.mark.parametrize("stride", [1, 2, 5])
def test_transposed_convolutions_keep_the_variance_too(mends, stride):
    torch.manual_seed(0)
    layer = torch.nn.ConvTranspose1d(64, 32, 2 * stride, stride)
    mends.scale_initial_weights(layer)
    with torch.no_grad():
        out = layer(torch.randn(4, 64, 200))[..., 20:-20]
    assert out.var() == pytest.approx(1.0, rel=0.1) and not layer.bias.any()


def steps_of(balancer, scales: dict[str, float], steps: int) -> dict[str, list[float]]:
    """Norm of each loss's gradient as the optimizer gets it, for losses of these scales."""
    random = torch.Generator().manual_seed(0)
    norms: dict[str, list[float]] = {name: [] for name in scales}
    for _ in range(steps):
        wav = torch.randn(3, 1, 50, generator=random).requires_grad_()
        losses = {name: scale * wav.abs().sum() for name, scale in scales.items()}
        for name, loss in balancer(losses, wav)[0].items():
            (gradient,) = torch.autograd.grad(loss, [wav], retain_graph=True)
            norms[name].append(float(gradient.flatten(1).norm(dim=1).mean()))
    return norms


def test_each_loss_has_its_share_of_the_gradient_from_the_first_step_on(mends, capsys):
    weights = {"adv": 3.0, "mel": 1.0, "reconstruct": 0.1}
    # As ESPnet passes them on: weighted, and of any size before that.
    scales = {"adv": 3.0 * 9, "mel": 1.0 * 0.01, "reconstruct": 0.1 * 4}
    norms = steps_of(mends.WeightedBalancer(weights, 0.99), scales, 20)
    for name, weight in weights.items():
        assert norms[name] == pytest.approx([weight / 4.1] * 20, rel=1e-4)
    assert capsys.readouterr().out == ""


def test_espnets_balancer_forgets_the_weights_and_starts_with_long_steps(capsys):
    from espnet2.gan_codec.shared.loss.loss_balancer import Balancer

    norms = steps_of(Balancer(ema_decay=0.99), {"adv": 3.0, "mel": 1.0}, 200)
    assert norms["adv"] == pytest.approx(norms["mel"], rel=1e-4)
    assert norms["adv"][0] > 90 and norms["adv"][-1] < 2
    assert "name,:" in capsys.readouterr().out


def test_averages_follow_the_gradients_of_steps_before(mends):
    balancer = mends.WeightedBalancer({"mel": 1.0}, 0.9)
    sizes, norms, average = [1.0, 5.0, 2.0, 0.1], [], 0.0
    for number, size in enumerate(sizes, 1):
        norms.append(steps_of(balancer, {"mel": size}, 1)["mel"][0])
        average = 0.9 * average + 0.1 * size
        assert norms[-1] == pytest.approx(size / (average / (1 - 0.9**number)), rel=1e-4)
