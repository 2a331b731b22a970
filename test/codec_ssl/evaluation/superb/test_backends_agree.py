"""The two ways to judge an encoder are one: equal weights give equal outputs, from the same audio.

Here s3prl's own model, upstream and all, stands against ours.
"""

import pytest
import torch
import toy_waves

from codec_ssl.evaluation.superb.model import SuperbModel
from codec_ssl.evaluation.superb.problem import problem_class
from codec_ssl.features.stack import LayerStack
from codec_ssl.features.waves import make_wave_encoder

pytest.importorskip("sed_eval", reason="s3prl.problem imports sed_eval, which is not installed")

TEXTS = {"a": "low c", "b": "high"}
LEARNT_FROM = {
    "ks": {"a": ["up"], "b": ["down"]},
    "sid": {"a": ["ann"], "b": ["bob"]},
    "er": {"a": ["sad"], "b": ["glad"]},
    "ic": {"a": ["on", "lamp", "hall"], "b": ["off", "lamp", "bath"]},
}
# Sizes of the benchmark's LSTMs would take seconds.
SMALL = {
    "asr": ({"proj_size": 8, "hidden_size": [4, 4]}, {"hidden_size": (4, 4), "proj_size": 8}),
    "sd": ({"hidden_size": 8}, {"hidden_size": 8}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("agree")
    toy_waves.make_exp(root, toy_waves.make_codec(root / "codec"))
    return root


def theirs(made, task, width):
    """s3prl's model of a task, with an upstream of ours and weights of layers that differ."""
    from codec_ssl.evaluation.superb.s3prl_problems import BACKENDS
    from codec_ssl.evaluation.superb.upstream import register

    register()
    problem = BACKENDS[task].problem()
    conf = problem.default_config()
    downstream = dict(conf.get("build_downstream", {}))
    if task == "asr":
        downstream["model_conf"] = {**downstream["model_conf"], **SMALL[task][0]}
    elif task in SMALL:
        downstream |= SMALL[task][0]
    upstream = {
        "name": "codec_ssl_local",
        "path_or_url": str(made / "exp"),
        "extra_conf": {"codec": str(made / "codec" / "toy.pth")},
    }
    model = problem.build_model(conf["build_model"], width, upstream, {}, downstream)
    with torch.no_grad():
        model.featurizer.weights.copy_(torch.tensor([0.5, -1.0, 2.0, 0.0]))
    return model.eval()


def ours(made, task, vocabulary):
    """Our model of a task on the same encoder."""
    problem = problem_class(task)(vocabulary, SMALL.get(task, ({}, {}))[1])
    encoder = make_wave_encoder(str(made / "exp"), codec=str(made / "codec" / "toy.pth"))
    return SuperbModel(problem, LayerStack(encoder)).eval()


def compare(made, task, vocabulary, width, head_of):
    left, right = theirs(made, task, width), ours(made, task, vocabulary)
    head_of(right).load_state_dict(left.downstream.state_dict())
    right.featurizer.load_state_dict(left.featurizer.state_dict())
    wavs = torch.randn(2, 9000, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)
    lens = torch.tensor([9000, 7000])
    with torch.no_grad():
        expected, found = left(wavs, lens), right(wavs, lens)
    if isinstance(expected, tuple):
        expected, counts = expected
        found = found.logits if hasattr(found, "logits") else found[0]
        assert counts.tolist() == [29, 22]
        for row, other, count in zip(found, expected, counts.tolist(), strict=True):
            torch.testing.assert_close(row[:count], other[:count])
    else:
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("task", ["ks", "sid", "er", "ic"])
def test_classification(made, task):
    vocabulary = problem_class(task).learn(LEARNT_FROM[task])
    width = sum(map(len, vocabulary["classes"]))
    compare(made, task, vocabulary, width, lambda model: model.head)


def test_speaker_verification(made):
    vocabulary = problem_class("sv").learn({"a": "ann", "b": "bob"})
    compare(made, "sv", vocabulary, 2, lambda model: model.head.xvector)


@pytest.mark.parametrize("task", ["pr", "asr"])
def test_recognition(made, task):
    problem = problem_class(task)
    vocabulary = problem.learn(TEXTS)
    width = len(problem(vocabulary).symbols)
    compare(made, task, vocabulary, width, lambda model: model.head)


def test_diarization(made):
    compare(made, "sd", {"speakers": 2}, 2, lambda model: model.head.model)
