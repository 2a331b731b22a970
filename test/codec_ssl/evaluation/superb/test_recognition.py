"""Recognition with s3prl's heads: the same outputs, losses and rates, and toys are learnt."""

import numpy as np
import pytest
import torch
from s3prl import metric
from s3prl.dataio.encoder.tokenizer import load_tokenizer
from s3prl.nn.linear import FrameLevelLinear
from s3prl.nn.rnn import RNNEncoder
from s3prl.nn.specaug import ModelWithSpecaug
from s3prl.task.speech2text_ctc_task import Speech2TextCTCTask

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.evaluation.superb.problem import Span
from codec_ssl.evaluation.superb.recognition import (
    PhoneRecognition,
    SlotFilling,
    SpeechRecognition,
)

SMALL = {"hidden_size": [24], "proj_size": 16, "dropout": [0.0]}
TEXTS = {"u1": "A BAD CAB", "u2": "DAB", "u3": "CAD A BEAD", "u4": "BAA DA"}
SPAN = Span(0, 40, 50.0)
# What s3prl.problem.SuperbASR and SuperbSF build their heads with.
BENCHMARK_RNN = {
    "module": "LSTM",
    "proj_size": 1024,
    "hidden_size": [1024, 1024],
    "dropout": [0.2, 0.2],
    "layer_norm": [False, False],
    "proj": [False, False],
    "sample_rate": [1, 1],
    "sample_style": "concat",
    "bidirectional": True,
}
BENCHMARK_SPECAUG = {
    "freq_mask_width_range": (0, 50),
    "num_freq_mask": 4,
    "time_mask_width_range": (0, 40),
    "num_time_mask": 2,
}


def data_dir(path, name, table, more=""):
    path.mkdir(exist_ok=True)
    (path / "wav.scp").write_text("".join(f"{utt} /audio/{utt}.wav\n" for utt in table))
    (path / name).write_text("".join(f"{utt} {text}\n" for utt, text in table.items()) + more)
    return DataDir(path)


def batch(problem, texts):
    """Padded targets with their lengths."""
    targets = [torch.from_numpy(problem.encode(text, SPAN)) for text in texts]
    padded = torch.nn.utils.rnn.pad_sequence(targets, batch_first=True, padding_value=-100)
    return padded, torch.tensor([len(each) for each in targets])


def spelt(problem, texts, width, repeat=4, seed=0):
    """Features that say each symbol for some frames: a toy that any head can learn."""
    random = torch.Generator().manual_seed(seed)
    table = torch.randn(len(problem.symbols), width, generator=random)
    rows = [table[np.repeat(problem.encode(text, SPAN), repeat)] for text in texts]
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return padded, torch.tensor([len(row) for row in rows])


def test_the_recurrent_head_is_s3prls_with_the_benchmarks_settings():
    problem = SlotFilling({"symbols": list("ABC "), "slots": ["year"]})
    ours = problem.build_head(20, 50.0)
    torch.manual_seed(1)
    theirs = ModelWithSpecaug(
        RNNEncoder(20, len(problem.symbols), **BENCHMARK_RNN), **BENCHMARK_SPECAUG
    )
    theirs.load_state_dict(ours.state_dict())
    features, lengths = torch.randn(2, 12, 20), torch.tensor([12, 8])
    for part in (ours, theirs):
        part.eval()
    for one, other in zip(ours(features, lengths), theirs(features, lengths), strict=True):
        torch.testing.assert_close(one, other)
    masked = []
    for part in (ours.specaug, theirs.specaug):
        torch.manual_seed(2)
        masked.append(part(features.clone(), lengths)[0])
    assert torch.equal(*masked)
    assert [rnn.dropout for rnn in ours.model.rnns] == BENCHMARK_RNN["dropout"]


def test_the_head_of_phones_is_s3prls():
    problem = PhoneRecognition({"symbols": ["AA", "B"]})
    ours, theirs = problem.build_head(20, 50.0), FrameLevelLinear(20, 5, hidden_size=256)
    theirs.load_state_dict(ours.state_dict())
    features, lengths = torch.randn(3, 30, 20), torch.tensor([30, 12, 25])
    for one, other in zip(ours(features, lengths), theirs(features, lengths), strict=True):
        torch.testing.assert_close(one, other)


def test_loss_and_transcripts_are_those_of_s3prl():
    problem = SpeechRecognition({"symbols": sorted(set("".join(TEXTS.values())))}, SMALL)
    head = problem.build_head(12, 50.0).eval()
    features, lengths = torch.randn(4, 50, 12), torch.tensor([50, 20, 40, 8])
    targets, target_lengths = batch(problem, TEXTS.values())
    tokenizer = load_tokenizer("character", vocab_list=problem.vocabulary["symbols"])
    task = Speech2TextCTCTask(head, tokenizer).eval()
    wanted, cached = task(
        "valid",
        features,
        lengths,
        np.array(list(TEXTS.values())),
        targets.clamp_min(0),
        np.array(list(TEXTS)),
    )
    outputs = head(features, lengths)
    assert torch.allclose(problem.loss(head, outputs, targets, target_lengths), wanted)
    # They read off padding as well, which is what their batches of one in scoring have none of.
    alone = [head(features[n : n + 1, :size], lengths[n : n + 1]) for n, size in enumerate(lengths)]
    expected = [task.predict(features[n : n + 1, :size], lengths[n : n + 1])[1][0]
                for n, size in enumerate(lengths)]  # fmt: skip
    assert [problem.predict(each)[0] for each in alone] == expected
    assert problem.predict(outputs) == expected
    assert problem.predict(outputs)[0] == cached["prediction"][0]


@pytest.mark.parametrize(
    ("problem", "texts"),
    [
        (PhoneRecognition({"symbols": ["AA", "B", "K"]}), ["B AA B", "K AA", "AA K B"]),
        (SpeechRecognition({"symbols": [*"AB "]}, SMALL), ["A BA", "BA", "AB AB"]),
        (
            SlotFilling({"symbols": [*"ABCD "], "slots": ["year", "name"]}, SMALL),
            ["A B-year D E-year", "B-name C E-name", "D"],
        ),
    ],
)
def test_a_toy_is_learnt(problem, texts):
    torch.manual_seed(0)
    features, lengths = spelt(problem, texts, 16)
    # Masks as wide as the benchmark's would cover such short toys whole.
    if problem.name != "pr":
        problem.head_conf["specaug"] = {
            "time_mask_width_range": (0, 2),
            "freq_mask_width_range": (0, 2),
        }
    head = problem.build_head(16, 50.0).train()
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-2)
    targets, target_lengths = batch(problem, texts)
    for _ in range(120):
        optimizer.zero_grad()
        problem.loss(head, head(features, lengths), targets, target_lengths).backward()
        optimizer.step()
    predictions = problem.predict(head.eval()(features, lengths))
    assert predictions == texts
    named = {f"u{n}": text for n, text in enumerate(texts)}
    found = problem.measure(named, named)
    assert next(iter(found)) == problem.metric
    best = 1 if problem.higher_is_better else 0
    assert found[problem.metric].value == best


def test_rates_are_those_of_s3prl():
    truth = {"u1": "A B C D", "u2": "B B", "u3": "C A"}
    found = {"u1": "A C D", "u2": "", "u3": "C A B B"}
    pairs = [list(found.values()), list(truth.values())]
    measured = SpeechRecognition({"symbols": [*"ABCD "]}, SMALL).measure(found, truth)
    # Theirs takes an empty transcript for one wrong word; here both words of u2 are missing.
    assert metric.wer(*pairs) == pytest.approx(5 / 8)
    assert measured["wer"].value == pytest.approx(5 / 8)
    assert measured["cer"].value == pytest.approx(metric.cer(*pairs))
    per = PhoneRecognition({"symbols": [*"ABCD"]}).measure(found, truth)
    assert per["per"].value == pytest.approx(metric.per(*pairs))


def test_utterances_too_short_for_their_transcript_add_nothing():
    problem = SpeechRecognition({"symbols": [*"AB "]}, SMALL)
    targets, target_lengths = batch(problem, ["AAAA BBBB"])
    logits = torch.randn(1, 3, len(problem.symbols), requires_grad=True)
    loss = problem.loss(None, (logits, torch.tensor([3])), targets, target_lengths)
    loss.backward()
    assert loss == 0
    assert not logits.grad.any()


def test_transcripts_are_read_and_symbols_learnt(tmp_path):
    asr = data_dir(tmp_path / "asr", "text", TEXTS, more="u9\n")
    assert SpeechRecognition.read(asr) == TEXTS
    assert SpeechRecognition.learn(TEXTS) == {"symbols": [" ", *"ABCDE"]}
    pr = data_dir(tmp_path / "pr", "phones", {"u1": "B AA1", "u2": "ZH B"})
    assert PhoneRecognition.learn(PhoneRecognition.read(pr)) == {"symbols": ["AA1", "B", "ZH"]}
    sf = data_dir(tmp_path / "sf", "slots", {"u1": "GO B-city TO E-city", "u2": "GO"})
    learnt = SlotFilling.learn(SlotFilling.read(sf))
    assert learnt == {"symbols": [" ", "G", "O", "T"], "slots": ["city"]}


def test_a_data_dir_without_transcripts_is_named(tmp_path):
    with pytest.raises(DataError, match="phones: expected a transcript"):
        PhoneRecognition.read(data_dir(tmp_path, "text", TEXTS))


def test_masking_leaves_its_input_as_it_was():
    head = SpeechRecognition({"symbols": ["A"]}, SMALL).build_head(80, 50.0).train()
    features = torch.randn(2, 90, 80)
    before = features.clone()
    head(features, torch.tensor([90, 70]))
    assert torch.equal(features, before)


def test_each_lstm_needs_its_dropout():
    with pytest.raises(ConfigError, match="a dropout for each"):
        SpeechRecognition({"symbols": ["A"]}, {"hidden_size": [3]}).build_head(4, 50.0)


def test_an_unknown_option_of_the_head_is_refused():
    with pytest.raises(ConfigError, match="hiden_size"):
        SpeechRecognition({"symbols": ["A"]}, {"hiden_size": 3}).build_head(4, 50.0)
