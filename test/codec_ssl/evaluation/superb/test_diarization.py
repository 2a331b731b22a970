"""Diarization with s3prl's head: the same outputs, losses and rates, and a toy is learnt."""

import pytest
import torch
from s3prl.nn.rnn import SuperbDiarizationModel
from s3prl.task.diarization import DiarizationPIT

from codec_ssl.data.alignment import Segment
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb.tables import write_rttm
from codec_ssl.errors import DataError
from codec_ssl.evaluation.superb.diarization import PLAIN, SETTINGS, Diarization
from codec_ssl.evaluation.superb.problem import Span

TALK = [Segment(0.31, 1.25, "ben"), Segment(0.0, 0.62, "anna"), Segment(1.5, 2.0, "anna")]
PROBLEM = Diarization({"speakers": 2}, {"hidden_size": 16})
SPAN = Span(0, 100, 50.0)


def test_the_head_is_that_of_s3prl():
    ours = Diarization({"speakers": 2}).build_head(10, 50.0)
    theirs = SuperbDiarizationModel(10, 2, rnn_layers=1, hidden_size=512)
    theirs.load_state_dict(ours.model.state_dict())
    features, lengths = torch.randn(2, 30, 10), torch.tensor([30, 20])
    outputs, (logits, _) = ours(features, lengths), theirs(features, lengths)
    assert torch.equal(outputs.logits, logits)
    assert outputs.frame_rate == 50


def test_the_loss_is_that_of_s3prl():
    head = PROBLEM.build_head(10, 50.0)
    features, lengths = torch.randn(3, 40, 10), torch.tensor([40, 25, 38])
    labels = torch.randint(2, (3, 40, 2))
    targets = labels.clone()
    for row, length in zip(targets, lengths, strict=True):
        row[length:] = -100
    theirs = DiarizationPIT(head.model)
    wanted, _ = theirs("valid", features, lengths, labels, lengths, ["a", "b", "c"], 0)
    assert torch.allclose(PROBLEM.loss(head, head(features, lengths), targets, lengths), wanted)


def test_frames_of_speakers_are_those_of_s3prl(tmp_path):
    """Their dataset of a Kaldi dir, whose audio is not read; it needs Python 3.12's ``chunk``."""
    module = pytest.importorskip("s3prl.dataio.dataset.diarization", exc_type=ImportError)
    utts = {f"s{n}": each for n, each in enumerate(TALK)}
    tables = {
        "segments": {n: f"rec {start} {end}" for n, (start, end, _) in utts.items()},
        "utt2spk": {n: speaker for n, (_, _, speaker) in utts.items()},
        "wav.scp": {"rec": "none.wav"},
        "reco2dur": {"rec": "2.0"},
    }
    for name, table in tables.items():
        (tmp_path / name).write_text("".join(f"{key} {value}\n" for key, value in table.items()))
    theirs = module.DiarizationDataset("train", tmp_path, frame_shift=320, num_speakers=2)
    theirs.data.load_wav = lambda *_: (torch.zeros(1), 16000)
    ours = PROBLEM.encode(TALK, SPAN)
    assert ours.tolist() == theirs[0]["label"].tolist()
    assert PROBLEM.encode(TALK, Span(20, 60, 50.0)).tolist() == ours[20:80].tolist()


def test_a_toy_is_learnt():
    torch.manual_seed(0)
    random = torch.Generator().manual_seed(1)
    voices = torch.randn(2, 12, generator=random)
    talks = {"u1": TALK, "u2": [Segment(0.2, 1.0, "cleo"), Segment(0.8, 1.8, "dan")]}
    targets = torch.stack([torch.from_numpy(PROBLEM.encode(each, SPAN)) for each in talks.values()])
    features = targets.float() @ voices + 0.05 * torch.randn(2, 100, 12, generator=random)
    lengths = torch.tensor([100, 100])
    head = PROBLEM.build_head(12, 50.0)
    optimizer = torch.optim.Adam(head.parameters(), lr=2e-2)
    for _ in range(120):
        optimizer.zero_grad()
        PROBLEM.loss(head, head(features, lengths), targets, lengths).backward()
        optimizer.step()
    found = dict(zip(talks, PROBLEM.predict(head(features, lengths)), strict=True))
    measured = PROBLEM.measure(found, talks)
    assert list(measured) == ["der", "der_plain"]
    # Not 0, as the true borders lie between frames.
    assert 0 < measured["der"].value <= measured["der_plain"].value < 0.05
    low, high = measured["der"].interval()
    assert low <= measured["der"].value <= high


def test_the_rate_is_of_the_one_setting_that_is_best_for_the_whole_set():
    answers = [[] for _ in SETTINGS]
    right = {"u1": [list(answers), list(answers)], "u2": [list(answers), list(answers)]}
    talks = {"u1": [Segment(0, 2, "a")], "u2": [Segment(0, 6, "a")]}
    one, other = right["u1"][0], right["u2"][0]
    one[PLAIN], other[PLAIN + 1] = [[0.0, 2.0, "0"]], [[0.0, 6.0, "0"]]
    measured = PROBLEM.measure({"u1": one, "u2": other}, talks)
    assert measured["der"].value == pytest.approx(2 / 8)
    assert measured["der_plain"].value == pytest.approx(6 / 8)


def test_segments_are_read_and_speakers_counted(tmp_path):
    (tmp_path / "wav.scp").write_text("a /a.wav\nb /b.wav\n")
    talks = {"a": TALK, "b": TALK[:1]}
    write_rttm(DataDir(tmp_path), talks)
    read = Diarization.read(DataDir(tmp_path))
    assert read == {"a": sorted(TALK), "b": TALK[:1]}
    assert Diarization.learn(read) == {"speakers": 2}


def test_more_speakers_than_in_training_are_refused():
    with pytest.raises(DataError, match=r"at most 2 speakers.*'cleo'"):
        PROBLEM.encode([*TALK, Segment(0, 1, "cleo")], SPAN)
