"""FastSpeech2: padding counts nowhere, an utterance alone is one in a batch, ESPnet's faults."""

import pytest
import torch
import torch.nn.functional as F
from toy_tts import CONF, KINDS, NUM_SYMBOLS, SIZES, batch_of, build, target_of, utterances

from codec_ssl.errors import ConfigError
from codec_ssl.tts.fastspeech2 import PhoneBatch

SOME = utterances()
every_kind = pytest.mark.parametrize("kind", KINDS)


def outputs(model, batch):
    found, prosody = model.spectra(batch) if hasattr(model, "spectra") else model.scores(batch)
    return [row if isinstance(row, torch.Tensor) else torch.cat(row, 1) for row in found], prosody


@every_kind
@pytest.mark.parametrize("given", [True, False])
def test_an_utterance_alone_is_the_same_as_in_a_batch(kind, given):
    model = build(kind).eval()
    together, prosody = outputs(model, batch_of(SOME, given))
    for row, one in enumerate(SOME):
        [alone], mine = outputs(model, batch_of([one], given))
        count = len(one["phones"])
        torch.testing.assert_close(together[row], alone, rtol=1e-4, atol=1e-5)
        assert torch.equal(prosody.durations[row, :count], mine.durations[0])
        for name in ("log_durations", "pitch", "energy"):
            left, right = getattr(prosody, name)[row, :count], getattr(mine, name)[0]
            torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)


@every_kind
def test_the_loss_is_that_of_the_utterances_by_themselves(kind):
    """Frames and phones weigh the same wherever they stand; without dropout, and batch norm."""
    model = build(kind).eval()
    voiced = torch.tensor([True, False, True])
    _, together, weight = model(batch_of(SOME), target_of(SOME, kind), voiced)
    alone = [
        model(batch_of([one]), target_of([one], kind), voiced[row : row + 1])[1]
        for row, one in enumerate(SOME)
    ]
    frames = torch.tensor([float(one["durations"].sum()) for one in SOME])
    phones = torch.tensor([float(len(one["phones"])) for one in SOME])
    assert weight == frames.sum()
    name = "l1" if kind == "mel" else "ce"
    weights = {name: frames, "duration_loss": phones, "energy_loss": phones}
    weights["pitch_loss"] = phones * voiced
    for name, sizes in weights.items():
        expected = sum(float(s[name]) * n for s, n in zip(alone, sizes, strict=True)) / sizes.sum()
        assert float(together[name]) == pytest.approx(float(expected), rel=1e-4)
    assert float(together["loss"]) == pytest.approx(sum(float(together[n]) for n in weights))


@every_kind
def test_what_stands_behind_the_ends_changes_nothing(kind):
    """Not even the gradient: only the zeros of durations, pitch and energy are promised."""
    found = []
    for pad in (0, 5):
        model = build(kind).eval()
        batch = batch_of(SOME)
        phones = batch_of(SOME, pad=pad).phones
        batch = PhoneBatch(phones, *list(vars(batch).values())[1:])
        loss, _, _ = model(batch, target_of(SOME, kind, pad), torch.ones(3, dtype=torch.bool))
        loss.backward()
        found.append((loss, {n: p.grad for n, p in model.named_parameters()}))
    (left, grads), (right, others) = found
    torch.testing.assert_close(left, right)
    for name, grad in grads.items():
        torch.testing.assert_close(grad, others[name], msg=name)


def test_the_cross_entropy_is_the_mean_over_all_codes():
    model = build("per_stream").eval()
    _, stats, _ = model(batch_of(SOME), target_of(SOME, "codes"), torch.ones(3, dtype=torch.bool))
    total, right, count = 0.0, 0, 0
    scores, _ = model.scores(batch_of(SOME))
    for row, one in zip(scores, SOME, strict=True):
        for stream, score in enumerate(row):
            codes = one["codes"][:, stream]
            assert score.shape == (len(codes), SIZES[stream])
            total += float(F.cross_entropy(score, codes, reduction="sum"))
            right += int((score.argmax(1) == codes).sum())
            count += len(codes)
    assert float(stats["ce"]) == pytest.approx(total / count, rel=1e-5)
    assert float(stats["acc"]) == pytest.approx(right / count)


def test_every_code_is_learnt_the_first_one_too():
    """ESPnet's loss, with the ignore_id 0 of its model, gives code 0 no gradient."""
    from espnet2.tts2.fastspeech2.loss import FastSpeech2LossDiscrete

    zeros = torch.zeros(1, 4, len(SIZES), dtype=torch.int64)
    scores = torch.randn(1, 4, len(SIZES), 16, requires_grad=True)
    nothing, something = torch.zeros(1, 2), torch.zeros(1, 2, 1)
    theirs = FastSpeech2LossDiscrete(use_masking=True, ignore_id=0)(
        None, scores, nothing, something, something, zeros, torch.ones(1, 2, dtype=torch.int64),
        something, something, torch.tensor([2]), torch.tensor([4]),
    )  # fmt: skip
    assert torch.isnan(theirs[0])  # the mean over no code at all

    model = build("shared").eval()
    one = utterances((4,))[0]
    one["codes"].zero_()
    loss, stats, _ = model(batch_of([one]), target_of([one], "codes"), torch.tensor([True]))
    loss.backward()
    assert float(stats["ce"]) > 1 and all(head.weight.grad[0].any() for head in model.head.heads)


def test_espnets_own_inference_depends_on_the_neighbours():
    from espnet2.tts.fastspeech2.fastspeech2 import FastSpeech2

    torch.manual_seed(0)
    model = FastSpeech2(NUM_SYMBOLS + 2, 6, postnet_layers=0, apply_ff_mask=True, **CONF).eval()
    with torch.no_grad():
        for module in (model.pitch_predictor, model.energy_predictor):
            module.linear.bias.fill_(1.0)  # as after some training
        model.duration_predictor.linear.bias.fill_(1.0)
        texts = [one["phones"] for one in SOME]
        together = model.batch_inference(texts)
        alone = model.inference(texts[1])
    assert together["duration"][1, : len(alone["duration"])].tolist() == alone["duration"].tolist()
    ours = together["feat_gen"][1]
    assert (ours - alone["feat_gen"]).abs().max() > 1e-3


def test_espnets_inference_of_several_streams_fails():
    from espnet2.tts2.espnet_model import ESPnetTTS2Model
    from espnet2.tts2.fastspeech2.fastspeech2_discrete import FastSpeech2Discrete
    from espnet2.tts2.feats_extract.identity import IdentityFeatureExtract

    tts = FastSpeech2Discrete(9, 32, discrete_token_layers=2, postnet_layers=0, **CONF).eval()
    model = ESPnetTTS2Model(IdentityFeatureExtract(), None, None, None, None, tts)
    with pytest.raises(IndexError):
        model.inference(torch.tensor([1, 2]), use_teacher_forcing=False, alpha=1.0)


def test_streams_have_decoders_of_their_own_or_share_one():
    shared, apart = build("shared"), build("per_stream").eval()
    size = {
        name: sum(p.numel() for p in each.parameters())
        for name, each in (("shared", shared.decoder), ("apart", apart.decoder))
    }
    assert size["apart"] == len(SIZES) * size["shared"]
    first, second, _ = (
        stack.encoders[0].self_attn.linear_q.weight for stack in apart.decoder.stacks
    )
    assert not torch.equal(first, second)
    assert {stack.embed[-1].alpha.item() for stack in apart.decoder.stacks} == {1.0}
    scores, _ = apart.scores(batch_of(SOME))
    with torch.no_grad():
        apart.decoder.stacks[1].encoders[0].self_attn.linear_v.weight.add_(0.1)
    changed, _ = apart.scores(batch_of(SOME))
    same = [torch.equal(a, b) for a, b in zip(scores[0], changed[0], strict=True)]
    assert same == [True, False, True]


def test_speed_and_speakers_are_heard():
    model = build("shared").eval()
    with torch.no_grad():
        model.duration_predictor.linear.bias.fill_(2.0)
    batch = batch_of(SOME, given=False)
    slow, _ = outputs(model, batch)
    fast = model.scores(batch, speed=2.0)[1].durations.sum()
    assert sum(map(len, slow)) * 0.4 < fast < sum(map(len, slow)) * 0.6
    other = PhoneBatch(batch.phones, batch.lens, (batch.speakers + 1) % 3)
    assert not torch.equal(outputs(model, other)[1].pitch, outputs(model, batch)[1].pitch)
    assert build("shared", num_speakers=1).speaker is None


def test_whoever_predicts_no_frame_gets_one():
    model = build("shared").eval()
    with torch.no_grad():
        model.duration_predictor.linear.bias.fill_(-9.0)
        model.duration_predictor.linear.weight.zero_()
    found, prosody = outputs(model, batch_of(SOME, given=False))
    assert [len(row) for row in found] == [1, 1, 1]
    assert prosody.durations.sum(1).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"postnet_layers": 5}, "no postnet"),
        ({"reduction_factor": 2}, "reduction_factor cannot be set"),
        ({"idim": 3}, "idim cannot be set"),
        ({"nosuch": 3}, "not options of FastSpeech2.*nosuch"),
        ({"adim": "wide"}, "not options of FastSpeech2"),
        ({"decoder_stacks": "two"}, "decoder_stacks: expected one of"),
    ],
)
def test_options_that_do_not_fit_are_refused(conf, message):
    with pytest.raises(ConfigError, match=message):
        build(conf.pop("decoder_stacks", "shared"), **conf)


def test_espnets_own_configuration_is_accepted():
    model = build("shared", use_masking=True, reduction_factor=1, postnet_layers=0)
    assert model.postnet is None
