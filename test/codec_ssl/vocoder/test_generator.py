"""Promises of the unit HiFi-GAN: lengths, conditions, and that batches change nothing."""

import math

import pytest
import torch
from torch.nn.functional import embedding

from codec_ssl.errors import ConfigError
from codec_ssl.vocoder.generator import SpeakerConf, UnitGenerator, _upsampling

SIZES = [6, 4]
TINY = {"channels": 32, "resblock_kernel_sizes": [3], "resblock_dilations": [[1, 3]]}


def build(hop=320, **options):
    torch.manual_seed(0)
    params = {**TINY, **options.pop("generator_params", {})}
    return UnitGenerator(SIZES, embed_dim=8, hop=hop, generator_params=params, **options).eval()


def codes_of(*shape, seed=0):
    made = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randint(size, shape, generator=made) for size in SIZES], -1)


@pytest.mark.parametrize(
    ("scales", "kernels"),
    [
        ([5, 4, 4, 2, 2], [11, 8, 8, 4, 4]),
        ([5, 4, 4, 2, 2], [10, 8, 8, 4, 4]),
        ([5, 4, 4, 2, 2], [5, 7, 9, 2, 5]),
        ([8, 5, 4, 2], [16, 11, 9, 4]),
        ([320], [321]),
        ([1, 3], [3, 4]),
    ],
)
@torch.no_grad()
def test_there_are_hop_samples_for_each_frame_whatever_upsamples(scales, kernels):
    hop = math.prod(scales)
    params = {"upsample_scales": scales, "upsample_kernel_sizes": kernels}
    model = build(hop, generator_params=params)
    assert [stage[1].kernel_size for stage in model.net.upsamples] == [(k,) for k in kernels]
    for frames in (1, 2, 7):
        wav = model(codes_of(2, frames), torch.tensor([frames, frames]))
        assert wav.shape == (2, frames * hop)


def test_a_replaced_upsampling_of_espnets_kernel_is_espnets():
    for scale in (2, 3, 4, 5):
        params = {"upsample_scales": [scale], "upsample_kernel_sizes": [2 * scale]}
        theirs = build(scale, generator_params=params).net.upsamples[0][1]
        ours = _upsampling(theirs, 2 * scale, True)
        for name in ("kernel_size", "stride", "padding", "output_padding"):
            assert getattr(ours, name) == getattr(theirs, name)


def test_the_defaults_are_the_published_model():
    speakers = SpeakerConf(count=200)
    model = UnitGenerator([1024], speakers=speakers, f0_bins=20)
    assert model.net.input_conv.in_channels == 384 and model.net.input_conv.out_channels == 512
    convs = [stage[1] for stage in model.net.upsamples]
    assert [(c.stride[0], c.kernel_size[0]) for c in convs] == [
        (5, 11),
        (4, 8),
        (4, 8),
        (2, 4),
        (2, 4),
    ]
    assert [c.out_channels for c in convs] == [256, 128, 64, 32, 16]
    assert (model.units.table.shape, model.f0.weight.shape) == ((1024, 128), (20, 128))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hop": 256}, "multiply to the hop, 256"),
        ({"generator_params": {"upsample_kernel_sizes": [11, 8]}}, "as many upsample_kernel"),
        ({"generator_params": {"upsample_kernel_sizes": [4, 8, 8, 4, 4]}}, "kernel of 5 or more"),
        ({"generator_params": {"channels": 40}}, "multiple of 32"),
        ({"generator_params": {"width": 40}}, "refuses them.*width"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        build(**options)
    with pytest.raises(ConfigError, match="a count and a dim above 0"):
        SpeakerConf("table", count=0)


@torch.no_grad()
def test_streams_are_summed_from_tables_of_their_own():
    model = build()
    first, second = model.units.table.split(SIZES)
    codes = codes_of(3, 5)
    expected = embedding(codes[..., 0], first) + embedding(codes[..., 1], second)
    torch.testing.assert_close(model.embed(codes), expected)


@pytest.mark.parametrize("kind", ["table", "vectors"])
@torch.no_grad()
def test_an_utterance_sounds_the_same_alone_and_in_any_batch(kind):
    model = build(speakers=SpeakerConf(kind, count=3, dim=4), f0_bins=5)
    lengths = torch.tensor([9, 4, 1])
    codes, f0 = codes_of(3, 9), torch.randint(5, (3, 9))
    speakers = torch.tensor([2, 0, 1]) if kind == "table" else torch.randn(3, 4)
    together = model(codes, lengths, speakers, f0)
    for row, count in enumerate(lengths.tolist()):
        one = slice(row, row + 1)
        alone = model(codes[one, :count], lengths[one], speakers[one], f0[one, :count])
        torch.testing.assert_close(together[one, : count * 320], alone, rtol=1e-4, atol=1e-6)
        assert not together[row, count * 320 :].any()
    hooks = [module._forward_pre_hooks for module in model.net.modules()]
    assert all(len(found) <= 1 for found in hooks)  # the weight norm's own


@torch.no_grad()
def test_every_condition_changes_the_sound_and_a_missing_one_is_refused():
    model = build(speakers=SpeakerConf(count=3), f0_bins=5)
    codes, lengths = codes_of(1, 4), torch.tensor([4])
    given = {"speaker": torch.tensor([1]), "f0_codes": torch.zeros(1, 4, dtype=torch.long)}
    wav = model(codes, lengths, **given)
    for name, other in (("speaker", torch.tensor([2])), ("f0_codes", given["f0_codes"] + 3)):
        assert (model(codes, lengths, **{**given, name: other}) - wav).abs().max() > 1e-4
        with pytest.raises(ConfigError, match=f"{name}: expected some"):
            model(codes, lengths, **{**given, name: None})
        with pytest.raises(ConfigError, match=f"{name}: expected none"):
            build()(codes, lengths, **{name: given[name]})
    with pytest.raises(ConfigError, match=r"one a frame, \(1, 4\), found \(1, 1\)"):
        model(codes, lengths, given["speaker"], given["f0_codes"][:, :1])


@torch.no_grad()
def test_folded_weights_sound_the_same():
    model = build()
    codes, lengths = codes_of(2, 3), torch.tensor([3, 2])
    before = model(codes, lengths)
    folded = model.for_synthesis()
    assert not any("weight_g" in name for name in folded.state_dict())
    torch.testing.assert_close(folded(codes, lengths), before, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_durations_need_a_model_that_learnt_them():
    units, counts = codes_of(2, 5), torch.tensor([5, 2])
    with pytest.raises(ConfigError, match="durations: true"):
        build().predict_durations(units, counts)
    model = build(durations=True, duration_params={"channels": 4})
    frames = model.predict_durations(units, counts)
    assert frames.shape == (2, 5) and (frames[0] >= 1).all() and frames[1, 2:].tolist() == [0] * 3
