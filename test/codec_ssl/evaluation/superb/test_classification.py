"""Classification: s3prl's head and losses, accuracy of all labels together."""

import numpy as np
import pytest
import torch
from s3prl.dataio.encoder.category import CategoryEncoder, CategoryEncoders
from s3prl.nn import MeanPoolingLinear
from s3prl.task.utterance_classification_task import (
    UtteranceClassificationTask,
    UtteranceMultiClassClassificationTask,
)
from toy_superb import write_data_dir

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.evaluation.superb.classification import IntentClassification, KeywordSpotting
from codec_ssl.evaluation.superb.problem import UNKNOWN, Span, problem_class

SPAN = Span(0, 10, 50.0)
INTENTS = {"a": ["on", "light", "hall"], "b": ["off", "light", "hall"], "c": ["on", "heat", "bed"]}


def test_one_label_has_s3prls_head_and_loss_on_the_same_weights():
    labels = {"a": ["yes"], "b": ["no"], "c": ["yes"]}
    problem = KeywordSpotting(KeywordSpotting.learn(labels), {"hidden_size": 8})
    head = problem.build_head(6, 50.0)
    theirs = MeanPoolingLinear(6, 2, hidden_size=8)
    theirs.load_state_dict(head.state_dict())
    features, lengths = torch.randn(3, 10, 6), torch.tensor([10, 4, 7])
    outputs = head(features, lengths)
    assert torch.equal(outputs, theirs(features, lengths))
    targets = np.stack([problem.encode(label, SPAN) for label in labels.values()])
    ours = problem.loss(head, outputs, torch.from_numpy(targets), torch.tensor([1, 1, 1]))
    task = UtteranceClassificationTask(theirs, CategoryEncoder(["yes", "no"]))
    classes = torch.tensor(task.category.encode("yes")), torch.tensor(task.category.encode("no"))
    wanted = torch.stack([classes[0], classes[1], classes[0]])
    expected, _ = task("train", features, lengths, wanted, ["yes", "no", "yes"], list("abc"))
    torch.testing.assert_close(ours, expected)


def test_several_labels_have_s3prls_loss_and_predictions():
    problem = IntentClassification(IntentClassification.learn(INTENTS))
    head = problem.build_head(6, 50.0)
    features, lengths = torch.randn(3, 10, 6), torch.tensor([10, 4, 7])
    outputs = head(features, lengths)
    columns = list(zip(*INTENTS.values(), strict=True))
    task = UtteranceMultiClassClassificationTask(head, CategoryEncoders(columns))
    targets = torch.stack(
        [torch.from_numpy(problem.encode(label, SPAN)) for label in INTENTS.values()]
    )
    names = np.array(list(INTENTS.values()))
    expected, found = task("train", features, lengths, targets, names, list("abc"))
    ours = problem.loss(head, outputs, targets, torch.tensor([3, 3, 3]))
    torch.testing.assert_close(ours, expected)
    assert problem.predict(outputs) == found["prediction"]


def test_an_intent_is_right_if_all_of_it_is():
    problem = IntentClassification(IntentClassification.learn(INTENTS))
    found = {"a": ["on", "light", "hall"], "b": ["on", "light", "hall"], "c": INTENTS["c"]}
    measures = problem.measure(found, INTENTS)
    assert measures["accuracy"].value == pytest.approx(2 / 3)
    assert measures["label_accuracy"].value == pytest.approx(8 / 9)  # only b's action is wrong
    facts = problem.facts(INTENTS)
    assert facts == {"num_classes": [2, 2, 2], "majority": pytest.approx(1 / 3)}


def test_a_class_that_training_never_saw_makes_no_loss_and_is_wrong():
    problem = KeywordSpotting(KeywordSpotting.learn({"a": ["yes"], "b": ["no"]}))
    assert problem.encode(["maybe"], SPAN).tolist() == [UNKNOWN]
    logits = torch.randn(2, 2)
    both = problem.loss(None, logits, torch.tensor([[1], [UNKNOWN]]), None)
    alone = problem.loss(None, logits[:1], torch.tensor([[1]]), None)
    torch.testing.assert_close(both, alone)
    assert problem.loss(None, logits, torch.full((2, 1), UNKNOWN), None) == 0
    assert problem.measure({"x": ["no"]}, {"x": ["maybe"]})["accuracy"].value == 0


def test_utterances_need_all_labels_and_a_set_needs_some(tmp_path):
    labels = {"action": {"u1": "on", "u2": "off"}, "object": {"u1": "x", "u2": "y"}}
    write_data_dir(tmp_path / "some", labels | {"location": {"u1": "here", "u2": "there"}})
    (tmp_path / "some/utt2location").write_text("u1 here\n")
    assert IntentClassification.read(DataDir(tmp_path / "some")) == {"u1": ["on", "x", "here"]}
    write_data_dir(tmp_path / "none", labels)
    with pytest.raises(DataError, match="expected labels 'location' in utt2location"):
        IntentClassification.read(DataDir(tmp_path / "none"))


def test_unknown_tasks_and_options_are_refused():
    with pytest.raises(ConfigError, match=r"expected one of ks, sid, .*, found 'kws'"):
        problem_class("kws")
    problem = KeywordSpotting(KeywordSpotting.learn({"a": ["yes"]}), {"depth": 3})
    with pytest.raises(ConfigError, match=r"head_conf of ks: .*depth"):
        problem.build_head(6, 50.0)
