import math

import pytest
import torch
import torch.nn.functional as F

from codec_ssl.asr.decoder_only import CONDITIONAL, JOINT, build_decoder_only
from codec_ssl.asr.growing import GrowingHypotheses
from codec_ssl.asr.text import END
from codec_ssl.errors import ConfigError

WIDTH, VOCAB, HEADS = 16, 11, 2
STACKED = {"sizes": (7, 5), "frames_conf": {"count": 4}}


class PlainModel:
    """The model once more, plainly: one utterance, no packing, everything written out."""

    def __init__(self, model):
        self.model = model
        self.state = model.state_dict()

    def linear(self, name, x):
        return F.linear(x, self.state[f"{name}.weight"], self.state.get(f"{name}.bias"))

    def norm(self, name, x):
        return F.layer_norm(x, (WIDTH,), self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def places(self, speech):
        """Frames side by side, the last one again where the last place isn't full."""
        count, rows = self.model.frames.count, list(speech)
        rows += rows[-1:] * (-len(rows) % count)
        return torch.stack([torch.cat(rows[n : n + count]) for n in range(0, len(rows), count)])

    def embed(self, speech, pieces):
        if "speech.weight" in self.state:
            heard = self.linear("speech", speech)
        else:
            offsets = [0, *torch.tensor(self.model.speech.lookup.sizes).cumsum(0).tolist()]
            table = self.state["speech.lookup.table"]
            offsets = offsets[:-1] * self.model.frames.count
            heard = sum(table[column + offsets[q]] for q, column in enumerate(speech.t()))
            heard = heard * math.sqrt(WIDTH)
        written = self.state["pieces.weight"][torch.tensor([VOCAB, *pieces])] * math.sqrt(WIDTH)
        return torch.cat((heard, written))

    def hidden(self, speech, pieces):
        """Last layer of ``speech <|transcribe|> pieces``, (T + 1 + S, D)."""
        x = self.embed(speech, pieces)
        length = len(x)
        for place in range(length):
            for pair in range(WIDTH // 2):
                angle = place / 10000 ** (2 * pair / WIDTH)
                x[place, 2 * pair] += math.sin(angle)
                x[place, 2 * pair + 1] += math.cos(angle)
        for number in range(2):
            name = f"decoder.layers.{number}"
            h = self.linear(f"{name}.attention.in_proj", self.norm(f"{name}.attention_norm", x))
            heads = []
            for head in range(HEADS):
                width = WIDTH // HEADS
                q, k, v = (h[:, part * WIDTH + head * width :][:, :width] for part in range(3))
                scores = q @ k.t() / math.sqrt(width)
                for row in range(length):
                    scores[row, row + 1 :] = -math.inf
                heads.append(scores.softmax(1) @ v)
            x = x + self.linear(f"{name}.attention.out_proj", torch.cat(heads, 1))
            h = F.gelu(
                self.linear(f"{name}.feed_forward.linear1", self.norm(f"{name}.final_norm", x))
            )
            x = x + self.linear(f"{name}.feed_forward.linear2", h)
        return self.norm("decoder.layer_norm", x)

    def loss(self, speech, frames, text, pieces, joint, smoothing):
        """Mean loss over all predictions, and the text's accuracy and perplexity."""
        losses, nlls, hits = [], [], []
        for codes, written in zip(speech.split(frames), text.split(pieces), strict=True):
            codes = self.places(codes)
            hidden = self.hidden(codes, written.tolist())
            logits = self.linear("head", hidden[len(codes) :])
            for row, target in zip(logits, [*written.tolist(), END], strict=True):
                target = torch.tensor(target)
                losses.append(F.cross_entropy(row, target, label_smoothing=smoothing))
                nlls.append(F.cross_entropy(row, target))
                hits.append(row.argmax() == target)
            if joint:
                losses += self.speech_losses(codes, hidden, smoothing)
        mean = torch.stack(nlls).mean()
        return torch.stack(losses).mean(), torch.stack(hits).float().mean(), mean.exp()

    def speech_losses(self, codes, hidden, smoothing):
        sizes = self.model.speech.lookup.sizes * self.model.frames.count
        splits = [sizes[0] + 1, *sizes[1:]]
        losses = []
        for place in range(len(codes)):
            for q, row in enumerate(self.linear("speech_head", hidden[place]).split(splits)):
                if place + 1 < len(codes):
                    target = codes[place + 1, q]
                elif q == 0:
                    target = torch.tensor(sizes[0])
                else:
                    continue
                losses.append(F.cross_entropy(row, target, label_smoothing=smoothing))
        return losses


@pytest.mark.parametrize(
    ("inputs", "objective"),
    [
        ({"sizes": (7,)}, CONDITIONAL),
        ({"sizes": (7,)}, JOINT),
        ({"sizes": (7, 5, 6)}, CONDITIONAL),
        ({"sizes": (7, 5, 6)}, JOINT),
        ({"features": 4}, CONDITIONAL),
        (STACKED, JOINT),
        ({"features": 4, "frames_conf": {"count": 4}}, CONDITIONAL),
    ],
)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_equals_a_plain_loop_without_packing(
    tiny_model, tiny_batch, inputs, objective, smoothing
):
    model = tiny_model(**inputs, objective=objective, label_smoothing=smoothing).double().eval()
    stack = model.frames.count
    inputs = {key: value for key, value in inputs.items() if key != "frames_conf"}
    speech, frames, text, pieces = tiny_batch(**inputs)
    if "features" in inputs:
        speech = speech.double()
    loss, stats, count = model(speech, frames, text, pieces)
    plain = PlainModel(model).loss(
        speech, frames.tolist(), text, pieces.tolist(), objective == JOINT, smoothing
    )
    found = torch.stack([loss, stats["acc"], stats["perplexity"]])
    torch.testing.assert_close(found.float(), torch.stack(plain).float())
    streams = len(inputs.get("sizes", ()))
    places = sum(math.ceil(count / stack) for count in frames.tolist())
    heard = (places - 3) * streams * stack + 3 if objective == JOINT else 0
    assert count == sum(pieces) + 3 + heard


@pytest.mark.parametrize("objective", [CONDITIONAL, JOINT])
def test_a_later_token_never_changes_an_earlier_prediction(tiny_model, tiny_batch, objective):
    model = tiny_model(sizes=(7, 5), objective=objective).eval()
    speech, frames, text, pieces = tiny_batch(sizes=(7, 5), frames=(5, 4), pieces=(4, 3))
    seen = []
    model.decoder.register_forward_hook(lambda *io: seen.append(io[2].last))
    model(speech, frames, text, pieces)
    text[2] = (text[2] - 1) % VOCAB  # the third piece, which stands at place 5 + 1 + 2
    model(speech, frames, text, pieces)
    same = (seen[0] == seen[1]).all(1)
    assert same.nonzero().flatten().tolist() == [*range(8), *range(10, 18)]
    speech[3] = (speech[3] + 1) % 5
    model(speech, frames, text, pieces)
    same = (seen[1] == seen[2]).all(1)
    assert same.nonzero().flatten().tolist() == [*range(3), *range(10, 18)]


def test_the_text_objective_gives_nothing_to_what_speech_places_predict(tiny_model, tiny_batch):
    batch = tiny_batch(frames=(5, 4), pieces=(4, 3))
    speech_places = [*range(5), *range(10, 14)]
    for objective, is_silent in ((CONDITIONAL, True), (JOINT, False)):
        model = tiny_model(objective=objective)
        seen = []
        model.decoder.register_forward_hook(lambda *io, seen=seen: seen.append(io[2].last))
        (gradient,) = torch.autograd.grad(model(*batch)[0], seen)
        assert (gradient[speech_places].abs().sum() == 0) == is_silent
        assert (model.speech_head is None) == is_silent
        model(*batch)[0].backward()
        assert all(p.grad is not None and p.grad.any() for p in model.parameters()), objective


def test_streams_start_as_one_input_of_variance_one(tiny_model):
    for sizes, count in (((50,), 1), ((50, 60, 70, 80), 1), ((50, 60), 3)):
        model = tiny_model(sizes=sizes, decoder_conf={"dim": 256}, frames_conf={"count": count})
        codes = torch.stack([torch.randint(k, (500,)) for k in sizes * count], 1)
        assert model.speech(codes).var().item() == pytest.approx(1.0, rel=0.1)


def test_one_model_overfits_a_handful_of_sequences(tiny_model, tiny_batch):
    model = tiny_model(decoder_conf={"dropout": 0.0}, label_smoothing=0.0)
    batch = tiny_batch()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        loss, stats, _ = model(*batch)
        loss.backward()
        optimizer.step()
    assert stats["acc"] == 1.0 and stats["perplexity"] < 1.1


@pytest.mark.parametrize("inputs", [{"sizes": (7,)}, {"sizes": (7, 5)}, {"features": 4}, STACKED])
def test_cached_decoding_equals_uncached(tiny_model, tiny_batch, inputs):
    model = tiny_model(**inputs).double().eval()
    inputs = {key: value for key, value in inputs.items() if key != "frames_conf"}
    speech, frames, text, _ = tiny_batch(**inputs, pieces=(4, 4, 4))
    speech = speech.double() if "features" in inputs else speech
    growing, plain = GrowingHypotheses(model, speech, frames), PlainModel(model)

    def wanted(utterance, written):
        hidden = plain.hidden(plain.places(speech.split(frames.tolist())[utterance]), written)
        return plain.linear("head", hidden[-1]).log_softmax(0).float()

    found = growing.first()
    for utterance in range(3):
        torch.testing.assert_close(found[utterance], wanted(utterance, []))
    texts = [part.tolist() for part in text.split(4)]
    rows = [[[]], [[]], [[]]]
    for step in range(4):
        # Two hypotheses, which continue the second one of the step before, if there is one.
        chosen = torch.tensor([[written[step], (written[step] + 1) % VOCAB] for written in texts])
        parents = torch.full((3, 2), len(rows[0]) - 1)
        parents[:, 1] = 0
        rows = [
            [row[p] + [c] for p, c in zip(of, cs, strict=True)]
            for row, of, cs in zip(rows, parents.tolist(), chosen.tolist(), strict=True)
        ]
        found = growing.advance(chosen, parents)
        for utterance, row in enumerate(rows):
            for beam, written in enumerate(row):
                torch.testing.assert_close(found[utterance, beam], wanted(utterance, written))


def test_text_noise_draws_its_share_of_what_is_read_in_training_only(tiny_model, tiny_batch):
    model = tiny_model(text_noise=0.3)
    batch = tiny_batch(frames=(3, 4), pieces=(4000, 6000))
    read = []
    model.pieces.register_forward_hook(lambda *io: read.append(io[1][0]))
    model(*batch)
    model.eval()(*batch)
    noisy, clean = read
    starts = clean == model.start
    assert starts.nonzero().flatten().tolist() == [0, 4001]
    assert torch.equal(noisy == model.start, starts) and torch.equal(clean[~starts], batch[2])
    # A tenth of the draws is the piece that stood there: any of ten, all but the end.
    changed = (noisy != clean).double().mean().item()
    assert changed == pytest.approx(0.3 * (1 - 1 / (VOCAB - 1)), abs=0.02)
    assert set(noisy[noisy != clean].tolist()) == set(range(VOCAB)) - {END}


def test_specaugment_masks_speech_in_training_only(tiny_model, tiny_batch):
    masks = {"time_masks": 2, "time_width": 0.5, "feature_masks": 0}
    model = tiny_model(specaugment=masks, decoder_conf={"dropout": 0.0})
    plain = tiny_model(decoder_conf={"dropout": 0.0})
    batch = tiny_batch(frames=(60, 60, 60))
    assert model(*batch)[0] != plain(*batch)[0]
    assert model.eval()(*batch)[0] == plain.eval()(*batch)[0]


def test_wrong_configurations_are_named(tiny_model):
    with pytest.raises(ConfigError, match=r"objective must be one of p\(y\|s\), p\(s,y\)"):
        tiny_model(objective="p(s|y)")
    with pytest.raises(ConfigError, match="cannot have continuous features"):
        tiny_model(features=4, objective=JOINT)
    with pytest.raises(ConfigError, match="decoder_conf has unknown options width"):
        tiny_model(decoder_conf={"width": 3})
    with pytest.raises(ConfigError, match="label_smoothing must be in"):
        tiny_model(label_smoothing=1.0)
    with pytest.raises(ConfigError, match="text_noise must be in"):
        tiny_model(text_noise=1.0)
    with pytest.raises(ConfigError, match="frames_conf: count must be 1 or more"):
        tiny_model(frames_conf={"count": 0})
    with pytest.raises(ConfigError, match=r"frames_conf: jitter must be in \[0, 1\)"):
        tiny_model(frames_conf={"jitter": 1.0})
    with pytest.raises(ConfigError, match="specaugment has unknown options masks"):
        tiny_model(specaugment={"masks": 3})
    with pytest.raises(ConfigError, match=r"expected train\.codes\.sizes"):
        build_decoder_only({})


def test_the_defaults_are_the_papers():
    record = {"train": {"codes": {"sizes": [1024]}}, "pieces": {"vocab_size": 5000}}
    with torch.device("meta"):
        model = build_decoder_only({"data_record": record})
    layer = model.decoder.layers[11]
    assert model.decoder.num_layers == 12 and model.decoder.dim == 768
    assert layer.feed_forward.linear1.out_features == 3072 and layer.attention.num_heads == 12
    assert layer.norm == "pre" and layer.attention.causal and model.label_smoothing == 0.1
    assert model.objective == CONDITIONAL
    # 12 layers, final norm, 1024 units, 5001 inputs, 5000 outputs.
    assert sum(p.numel() for p in model.parameters()) == 12 * 7087872 + 1536 + 768 * 11025
