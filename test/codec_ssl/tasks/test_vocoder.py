"""Promises of the vocoder's task, each kept by a training through its command line."""

import json
import signal

import numpy as np
import pytest
import torch
import toy_vocoder
import yaml
from processes import kill_in_training

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import CheckpointError, ConfigError, DataError
from codec_ssl.vocoder.experiment import VocoderFacts, load_vocoder

pytestmark = [pytest.mark.timeout(500)]
TURNS = 2 * 2
DURATIONS = ("--vocoder_conf", "durations=true", "--vocoder_conf", "duration_params.channels=8")


@pytest.fixture(scope="module")
def task():
    from codec_ssl.tasks.vocoder import VocoderTask

    return VocoderTask


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vocoder")
    toy_vocoder.make_corpus(folder)
    return folder


def run(task, cmd, kill_at=None):
    """Train; die after so many turns of training."""
    if kill_at is not None:
        from codec_ssl.tasks.vocoder_model import ESPnetVocoder

        kill_in_training(ESPnetVocoder, kill_at)
    task.main(cmd=cmd)


def history(folder):
    return json.loads((folder / "history.json").read_text())


def test_the_defaults_are_the_papers(task):
    args = task.get_parser().parse_args(["--output_dir", "x"])
    assert args.num_iters_per_epoch * args.max_epoch == 50_000
    assert (args.crop_frames * 320, args.batch_size) == (8960, 16)
    for optim, conf in ((args.optim, args.optim_conf), (args.optim2, args.optim2_conf)):
        assert optim == "adam" and conf == {"lr": 2e-4, "betas": [0.8, 0.99]}
    assert args.scheduler_conf == args.scheduler2_conf == {"gamma": 0.999}


@pytest.mark.parametrize(
    ("data", "more", "workers"),
    [
        ("codes audio f0", ("--speakers", "table"), 1),
        ("codes audio", DURATIONS, 0),
    ],
)
def test_killed_and_resumed_equals_uninterrupted(
    tmp_path, task, root, forked, same_run, data, more, workers
):
    more = [*more, "--num_workers", workers]
    run(task, toy_vocoder.command(root, tmp_path / "whole", *more, data=data))
    cut = toy_vocoder.command(root, tmp_path / "cut", *more, data=data)
    assert forked(run, task, cut, TURNS + 2) == -signal.SIGKILL
    run(task, cut)
    same_run(tmp_path / "whole", tmp_path / "cut")
    stats = history(tmp_path / "whole")[-1]["train"]
    assert ("duration_loss" in stats) == (more[0] == DURATIONS[0])
    assert stats["optim0_lr0"] == stats["optim1_lr0"] == pytest.approx(2e-4 * 0.999)
