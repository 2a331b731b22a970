"""Speaker verification: s3prl's loss and scores, trials, utterances too short for an x-vector."""

import numpy as np
import pytest
import torch
from s3prl.metric import compute_eer, compute_minDCF
from s3prl.nn import SuperbXvector, amsoftmax
from toy_superb import write_data_dir

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.evaluation.superb.problem import UNKNOWN, Span
from codec_ssl.evaluation.superb.verification import SpeakerVerification, Trial

SPAN = Span(0, 20, 50.0)
SMALL = {"output_size": 8, "aggregation_size": 16}


def build(**conf):
    problem = SpeakerVerification({"speakers": ["ann", "bob", "cy"]}, SMALL | conf)
    return problem, problem.build_head(6, 50.0).eval()


def test_embeddings_and_loss_are_s3prls_on_the_same_weights():
    problem, head = build()
    network = SuperbXvector(6, **SMALL).eval()
    network.load_state_dict(head.xvector.state_dict())
    loss = amsoftmax(8, 3, margin=0.4, scale=30)
    loss.load_state_dict(head.criterion.state_dict())
    features, lengths = torch.randn(2, 30, 6), torch.tensor([30, 18])
    outputs = head(features, lengths)
    torch.testing.assert_close(outputs, network(features, lengths))
    expected, _ = loss(outputs, torch.tensor([2, 0]))
    targets = torch.tensor([[2], [0]])
    torch.testing.assert_close(problem.loss(head, outputs, targets, torch.ones(2)), expected)
    unseen = torch.tensor([[2], [UNKNOWN]])
    alone, _ = loss(outputs[:1], torch.tensor([2]))
    torch.testing.assert_close(problem.loss(head, outputs, unseen, torch.ones(2)), alone)


def test_short_utterances_are_repeated_and_others_stay_as_they_are():
    _, head = build()
    short, long = torch.randn(1, 7, 6), torch.randn(1, 20, 6)
    batch = torch.zeros(2, 20, 6)
    batch[0, :7], batch[1] = short[0], long[0]
    both = head(batch, torch.tensor([7, 20]))
    repeated = head.xvector(short.repeat(1, 3, 1), torch.tensor([21]))
    torch.testing.assert_close(both[:1], repeated)
    torch.testing.assert_close(both[1:], head.xvector(long, torch.tensor([20])))


def test_scores_are_s3prls_and_intervals_hold_them():
    random = np.random.default_rng(0)
    speakers = {f"u{n:02d}": n % 4 for n in range(24)}
    vectors = {utt: np.eye(4)[s] + 0.6 * random.normal(size=4) for utt, s in speakers.items()}
    vectors = {utt: v / np.linalg.norm(v) for utt, v in vectors.items()}
    utts = sorted(speakers)
    pairs = [(a, b) for number, a in enumerate(utts) for b in utts[number + 1 :]]
    trials = [Trial(speakers[a] == speakers[b], a, b) for a, b in pairs]
    problem, _ = build()
    found = problem.measure(vectors, trials)
    scores = [float(vectors[a] @ vectors[b]) for a, b in pairs]
    labels = [int(trial.is_target) for trial in trials]
    assert found["eer"].value == pytest.approx(compute_eer(labels, scores)[0], abs=1e-6)
    assert found["min_dcf"].value == pytest.approx(compute_minDCF(labels, scores)[0])
    low, high = found["eer"].interval(100)
    assert 0 <= low < found["eer"].value < high < 0.5
    assert problem.facts(trials)["target_trials"] == 4 * 15


def test_predictions_are_of_length_one():
    problem, _ = build()
    found = problem.predict(torch.tensor([[3.0, 4.0], [0.0, 2.0]]))
    assert np.allclose(found, [[0.6, 0.8], [0, 1]])


def test_trials_are_read_and_broken_ones_named(tmp_path):
    write_data_dir(tmp_path / "d", {"spk": {"u1": "ann", "u2": "ann", "u3": "bob"}})
    path = tmp_path / "d/trials"
    path.write_text("1 u1 u2\n0 u1 u3\n")
    problem, _ = build()
    trials = SpeakerVerification.truth(DataDir(tmp_path / "d"))
    assert trials == [Trial(True, "u1", "u2"), Trial(False, "u1", "u3")]
    with pytest.raises(DataError, match="expected utterance u3"):
        problem.measure({"u1": np.ones(2), "u2": np.ones(2)}, trials)
    path.write_text("1 u1 u2\nyes u1 u3\n")
    with pytest.raises(DataError, match=r"trials:2: expected '<1|0>"):
        SpeakerVerification.truth(DataDir(tmp_path / "d"))
    path.write_text("1 u1 u2\n")
    with pytest.raises(DataError, match="expected trials of both kinds"):
        SpeakerVerification.truth(DataDir(tmp_path / "d"))


def test_speakers_are_those_of_the_training_and_options_those_there_are():
    problem, _ = build()
    assert problem.encode("bob", SPAN).tolist() == [1]
    assert problem.encode("dan", SPAN).tolist() == [UNKNOWN]
    assert SpeakerVerification.learn({"u": "b", "v": "a", "w": "b"}) == {"speakers": ["a", "b"]}
    with pytest.raises(ConfigError, match="head_conf of sv"):
        build(layers=3)
