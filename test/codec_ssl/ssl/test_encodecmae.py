"""EnCodecMAE's promises, against plain loops and counts by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from codec_ssl.errors import ConfigError
from codec_ssl.ssl.encodecmae import build_encodecmae
from codec_ssl.ssl.mae_objective import CODE_WEIGHTS, WeightedPrediction

LENGTHS = [300, 40, 1, 17]
SIZES = [16] * 8
SMALL = {
    "input_conf": {"width": 12},
    "encoder_conf": {"dim": 32, "num_heads": 4, "ffn_dim": 64, "num_layers": 3},
    "target_conf": {"sizes": SIZES},
}


def small(**changes):
    torch.manual_seed(0)
    return build_encodecmae({**SMALL, **changes})


def batch(lengths=LENGTHS, classes=None):
    generator = torch.Generator().manual_seed(1)
    total = sum(lengths)
    found = {
        "features": torch.randn(total, 12, generator=generator),
        "lengths": torch.tensor(lengths),
        "codes": torch.randint(16, (total, 8), generator=generator),
    }
    if classes:
        found["labels"] = torch.randint(classes, (total, 1), generator=generator)
    return found


@pytest.mark.parametrize(
    ("encoder", "shared", "own"),
    [
        ({"num_layers": 5}, 36.1, 67.6),
        ({"num_layers": 10}, 47.9, 110.9),
        ({"num_layers": 20, "dim": 1024, "head_dim": 85}, 118.4, 286.2),
    ],
    ids=["small", "base", "large"],
)
def test_parameters_are_as_many_as_the_papers(encoder, shared, own):
    for share_ffn, millions in ((True, shared), (False, own)):
        config = {
            "input_conf": {"width": 128},
            "encoder_conf": {**encoder, "share_ffn": share_ffn},
            "target_conf": {"sizes": [1024] * 8},
        }
        with torch.device("meta"):
            model = build_encodecmae(config)
        count = sum(parameter.numel() for parameter in model.parameters())
        assert round(count / 1e6, 1) == millions


def encoder_flops(model, lengths):
    """Multiply-adds (times 2) of the encoder's matrix products in one training step."""
    counter = FlopCounterMode(display=False)
    total = {}

    def begin(*_):
        counter.__enter__()

    def end(*_):
        counter.__exit__(None, None, None)
        total["linear"] = sum(
            flops
            for operator, flops in counter.get_flop_counts()["Global"].items()
            if "mm" in str(operator)
        )

    hooks = [
        model.encoder.register_forward_pre_hook(begin),
        model.encoder.register_forward_hook(end),
    ]
    model(**batch(lengths))
    for hook in hooks:
        hook.remove()
    return total["linear"]


def test_the_encoder_computes_visible_frames_only():
    model = small().train()
    weights = sum(
        matrix.numel()
        for layer in model.encoder.layers
        for name, matrix in layer.named_parameters()
        if name.endswith("weight") and matrix.dim() == 2
    )
    visible = sum(length - length // 2 for length in LENGTHS)
    assert encoder_flops(model, LENGTHS) == 2 * weights * visible
    kept_in = small(encode_masked=True).train()
    assert encoder_flops(kept_in, LENGTHS) == 2 * weights * sum(LENGTHS)


def test_half_of_each_recording_reaches_the_encoder_with_its_own_positions():
    model = small().train()
    seen = {}
    model.encoder.register_forward_pre_hook(lambda _, args: seen.update(x=args[0], at=args[1]))
    with torch.no_grad():
        model.projection.weight.zero_()
    model(**batch())
    assert seen["at"].lengths == tuple(length - length // 2 for length in LENGTHS)
    # Nothing but the positions is left: each must be the sine of its place before the removal.
    rates = model.positions.rates
    first = seen["x"][:150]
    places = torch.atan2(first[:, -2], first[:, -1]) / rates[-1]
    assert places.max() > 200 and (places.diff() > 0.5).all()
    rebuilt = torch.stack(
        [(places.round()[:, None] * rates).sin(), (places.round()[:, None] * rates).cos()], 2
    ).flatten(1)
    torch.testing.assert_close(first, rebuilt, atol=1e-3, rtol=0)


def test_masked_places_are_zeros_with_positions_before_the_decoder():
    model = small().train()
    seen = {}
    model.decoder.register_forward_pre_hook(lambda _, args: seen.update(x=args[0], at=args[1]))
    model(**batch())
    positions = model.decoder_positions(seen["x"], seen["at"])
    empty = ((seen["x"] - positions).abs() < 1e-6).all(1)
    counts = [int(part.sum()) for part in empty.split(LENGTHS)]
    assert counts == [length // 2 for length in LENGTHS]


@pytest.mark.parametrize("target", ["codes", "labels", "both"])
def test_the_loss_equals_a_plain_loop_over_frames_and_streams(target):
    config = {"sizes": SIZES, "num_classes": 9} if target != "codes" else {"sizes": SIZES}
    model = small(target=target, target_conf=config).eval()
    given = batch(classes=9)
    seen = {}
    hook = model.decoder.register_forward_hook(lambda *io: seen.update(out=io[2].last))
    loss, stats, weight = model(**given)
    hook.remove()
    mask = model.masking(given["lengths"], torch.Generator().manual_seed(0))
    sums, counts = {True: 0.0, False: 0.0}, {True: 0, False: 0}
    for frame, hidden in enumerate(seen["out"]):
        masked = bool(mask[frame])
        counts[masked] += 1
        if "codes" in model.objective.heads:
            logits = model.objective.heads["codes"](hidden[None])[0]
            for q, gamma in enumerate(CODE_WEIGHTS):
                entropy = F.cross_entropy(logits[q], given["codes"][frame, q])
                sums[masked] += gamma * float(entropy)
        if "labels" in model.objective.heads:
            logits = model.objective.heads["labels"](hidden[None])[0, 0]
            sums[masked] += float(F.cross_entropy(logits, given["labels"][frame, 0]))
    wanted = 0.9 * sums[True] / counts[True] + 0.1 * sums[False] / counts[False]
    assert float(loss) == pytest.approx(wanted, rel=1e-4)
    assert float(stats["loss_masked"]) == pytest.approx(sums[True] / counts[True], rel=1e-4)
    assert weight == counts[True] == sum(length // 2 for length in LENGTHS)
    assert sum(CODE_WEIGHTS) == pytest.approx(1.0)


def test_only_the_first_codebooks_are_predicted():
    model = small(target_conf={"sizes": [16] * 32})
    given = batch()
    given["codes"] = torch.cat([given["codes"], torch.full((sum(LENGTHS), 24), 15)], 1)
    assert model.objective.heads["codes"].out_features == 8 * 16
    loss = model.eval()(**given)[0]
    torch.testing.assert_close(loss, small().eval()(**batch())[0])


def padded(features, lengths):
    parts = features.split(lengths)
    return torch.nn.utils.rnn.pad_sequence(list(parts), batch_first=True, padding_value=7.0)


@pytest.mark.parametrize("max_frames", [None, 100])
def test_a_recording_gets_the_same_features_alone_and_in_a_padded_batch(max_frames):
    model = small()
    given = batch()
    whole = model.extract(
        padded(given["features"], LENGTHS), given["lengths"], [0, 2, 3, 4], max_frames
    )
    for row, (part, length) in enumerate(
        zip(given["features"].split(LENGTHS), LENGTHS, strict=True)
    ):
        alone = model.extract(part[None], torch.tensor([length]), [0, 2, 3, 4], max_frames)
        for layer, values in alone.items():
            torch.testing.assert_close(whole[layer][row, :length], values[0], atol=1e-5, rtol=1e-4)


def test_a_recording_gets_the_same_loss_alone_and_with_others():
    model = small().eval()
    lengths = [300, 300]
    given = batch(lengths)
    both = model(**given)[0]
    mask = model.masking(given["lengths"], torch.Generator().manual_seed(0))
    losses = []
    for at in range(2):
        frames = slice(300 * at, 300 * (at + 1))
        part = mask[frames]
        model.masking = lambda lengths, generator, part=part: part
        losses.append(
            model(given["features"][frames], torch.tensor([300]), given["codes"][frames])[0]
        )
    torch.testing.assert_close(both, sum(losses) / 2, atol=1e-5, rtol=1e-4)


def test_the_last_layer_is_the_encoders_output_and_the_one_before_lacks_the_second_stream():
    model = small()
    given = batch([50])
    out = model.extract(given["features"][None], given["lengths"], [3, 4])
    second = out[4] - out[3]
    # A LayerNorm that is not trained yet: mean 0 and variance 1.
    torch.testing.assert_close(second.mean(-1), torch.zeros(1, 50), atol=1e-5, rtol=0)
    torch.testing.assert_close(second.var(-1, correction=0), torch.ones(1, 50), atol=1e-3, rtol=0)
    with pytest.raises(ConfigError, match=r"0\.\.4"):
        model.extract(given["features"][None], given["lengths"], [5])


def test_long_recordings_are_encoded_in_pieces_as_if_each_stood_alone():
    model = small()
    given = batch([90])
    whole = model.extract(given["features"][None], given["lengths"], [4], max_frames=45)[4]
    parts = [
        model.extract(part[None], torch.tensor([45]), [4])[4]
        for part in given["features"].split(45)
    ]
    torch.testing.assert_close(whole, torch.cat(parts, 1), atol=1e-5, rtol=1e-4)


def test_positions_are_shared_in_the_first_version_only():
    first, second = small(share_positions=True), small()
    assert first.positions is first.decoder_positions
    assert second.positions is not second.decoder_positions


def test_the_mask_changes_in_training_and_stays_in_validation():
    model = small()
    model.eval()
    assert model(**batch())[0] == model(**batch())[0]
    model.train()
    torch.manual_seed(5)
    assert model(**batch())[0] != model(**batch())[0]


def test_every_parameter_gets_a_gradient():
    for target in ("codes", "both"):
        model = small(target=target, target_conf={"sizes": SIZES, "num_classes": 9}).train()
        model(**batch(classes=9))[0].backward()
        assert not [name for name, p in model.named_parameters() if p.grad is None]


def test_mixed_precision_gives_the_loss_and_finite_gradients():
    config = {"sizes": SIZES, "num_classes": 9}
    model, given = small(target="both", target_conf=config), batch(classes=9)
    with torch.no_grad():
        wanted = model.eval()(**given)[0]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(**given)[0]
        loss = model.train()(**given)[0]
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, wanted, rtol=2e-2, atol=0)
    loss.backward()
    assert loss.isfinite() and all(p.grad.isfinite().all() for p in model.parameters())
    assert all(p.grad.abs().max() > 0 for p in model.objective.heads.parameters())


def test_wrong_options_are_named():
    with pytest.raises(ConfigError, match="input_conf: expected width"):
        small(input_conf={})
    with pytest.raises(ConfigError, match="target must be one of"):
        small(target="mel")
    with pytest.raises(ConfigError, match="expected a codebook for each"):
        small(target_conf={"sizes": [16] * 4})
    with pytest.raises(ConfigError, match="num_classes"):
        small(target="labels")
    with pytest.raises(ConfigError, match="decoder has width 16"):
        small(decoder_conf={"dim": 16})
    with pytest.raises(ConfigError, match="encoder_conf has unknown options positions"):
        small(encoder_conf={"positions": "conv"})
    with pytest.raises(ConfigError, match="the target needs codes"):
        small()(batch()["features"], torch.tensor(LENGTHS))
    with pytest.raises(ConfigError, match="masked_weight"):
        WeightedPrediction(8, sizes=SIZES, masked_weight=1.5)
