"""Promises of the F0 quantizer's task and commands, from audio to a token store."""

import json
import signal
from functools import partial

import numpy as np
import pytest
import soundfile
import torch
from processes import kill_in_training
from voice import RATE, voice

from codec_ssl.bin import f0_codes, f0_contours
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.tokens.store import TokenStore
from codec_ssl.vocoder.f0 import Contours
from codec_ssl.vocoder.f0_codes import load_f0_quantizer, write_f0_codes

pytestmark = [pytest.mark.timeout(500)]
STEPS = 5


@pytest.fixture(scope="module")
def task():
    from codec_ssl.tasks.f0_quantizer import F0QuantizerTask

    return F0QuantizerTask


@pytest.fixture(scope="module")
def root(tmp_path_factory, call):
    """Data dirs and contours of train and valid, of two speakers; ``new`` has one of its own."""
    folder = tmp_path_factory.mktemp("f0")
    random = np.random.default_rng(0)
    for split, count, speakers in (
        ("train", 10, ["ann", "bob"]),
        ("valid", 3, ["ann", "bob"]),
        ("new", 2, ["cat"]),
    ):
        wavs, owners = {}, {}
        for n in range(count):
            utt = f"{split}{n}"
            owners[utt] = speakers[n % len(speakers)]
            seconds = 0.9 + 0.05 * n
            time = np.arange(int(seconds * RATE)) / RATE
            base = {"ann": 220, "bob": 120, "cat": 170}[owners[utt]]
            curve = base * np.exp(0.2 * np.sin(random.uniform(4, 9) * time + random.uniform(0, 6)))
            wav = voice(len(time) / RATE, n, pitch=curve)
            wav[len(wav) // 3 :][:3000] = 0
            wavs[utt] = str(folder / f"{utt}.wav")
            soundfile.write(wavs[utt], wav, RATE)
        DataDir.write(folder / "data" / split, wav=wavs, utt2spk=owners)
        data = ["--data_dir", folder / "data" / split]
        call(f0_contours, *data, "--out", folder / "contours" / split)
        if split == "new":
            call(f0_contours, *data, "--out", folder / "contours" / "other", "--f0_min", 50)
    return folder


def command_of(root, output_dir, *more, train="train", valid="valid"):
    """Command line of a training that takes a second."""
    cmd = f"""--output_dir {output_dir} --max_epoch 3 --num_workers 0 --batch_size 4
        --num_iters_per_epoch {STEPS} --crop_frames 64 --optim_conf lr=0.003
        --use_tensorboard false --quantizer_conf width=8 --quantizer_conf dim=8
        --quantizer_conf num_blocks=1 --alarm_conf perplexity=null""".split()
    for split, name in (("train", train), ("valid", valid)):
        option = f"--{split}_data_path_and_name_and_type"
        cmd += [option, f"{root}/contours/{name},contours,feature_cache"]
        cmd += [option, f"{root}/data/{'new' if name == 'other' else name},speakers,data_dir"]
    return [*cmd, *more]


@pytest.fixture
def command(root):
    return partial(command_of, root)


def run(task, cmd, kill_at=None):
    """Train; die after so many forward passes of training."""
    if kill_at is not None:
        from codec_ssl.tasks.f0_quantizer_model import ESPnetF0Quantizer

        kill_in_training(ESPnetF0Quantizer, kill_at)
    task.main(cmd=cmd)


@pytest.fixture(scope="module")
def trained(task, root, tmp_path_factory):
    """An experiment that was trained for some seconds."""
    folder = tmp_path_factory.mktemp("trained") / "exp"
    more = ["--max_epoch", "2", "--num_iters_per_epoch", "80", "--batch_size", "8"]
    more += ["--quantizer_conf", "num_blocks=2", "--quantizer_conf", "decay=0.8"]
    run(task, command_of(root, folder, *more))
    return folder


def test_killed_and_resumed_equals_uninterrupted(tmp_path, task, command, forked, same_run):
    run(task, command(tmp_path / "whole"))
    assert forked(run, task, command(tmp_path / "cut"), STEPS + 3) == -signal.SIGKILL
    run(task, command(tmp_path / "cut"))
    same_run(tmp_path / "whole", tmp_path / "cut")
    found = [load_f0_quantizer(tmp_path / name).fingerprint for name in ("whole", "cut")]
    assert found[0] == found[1]


def test_it_learns_contours_and_tells_how_well(trained, root):
    first, last = (entry["valid"] for entry in json.loads((trained / "history.json").read_text()))
    # A fifth of the frames is unvoiced: to know no more than that would cost 0.50.
    assert last["pitch_loss"] < 0.3 and last["voicing_loss"] < 0.45
    assert last["loss"] < first["loss"] and last["perplexity"] > 4
    parts = last["pitch_loss"] + last["voicing_loss"] + 0.02 * last["commitment_loss"]
    assert last["loss"] == pytest.approx(parts, rel=1e-4)
    quantizer = load_f0_quantizer(trained)
    speakers = DataDir(root / "data" / "valid").utt2spk
    contours = Contours(root / "contours" / "valid", speakers, quantizer.facts.statistics)
    pairs = []
    for utt in contours.utt_ids:
        wanted = contours[utt]
        decoded = quantizer.model.decode(torch.from_numpy(quantizer.encode(wanted)[:, 0]))
        voiced = wanted[:, 1] > 0
        pairs.append(np.stack([wanted[voiced, 0], decoded[: len(wanted)].numpy()[voiced, 0]]))
    assert np.corrcoef(np.concatenate(pairs, 1))[0, 1] > 0.9


def test_codes_are_a_token_store_whatever_the_jobs(trained, root, call, tmp_path):
    for name, jobs in (("one", 1), ("two", 2)):
        for job in range(1, jobs + 1):
            call(
                f0_codes,
                *("--exp", trained, "--contours", root / "contours/valid"),
                *("--data_dir", root / "data/valid", "--out", tmp_path / name),
                *("--job", job, "--num_jobs", jobs, "--finalize", job == jobs),
            )
    store, other = TokenStore(tmp_path / "one"), TokenStore(tmp_path / "two")
    assert store.meta.fingerprint == other.meta.fingerprint
    assert store.meta.sizes == [20] and store.frame_rate == 12.5 and store.sample_rate == RATE
    assert store.meta.maker["fingerprint"] == load_f0_quantizer(trained).fingerprint
    assert store.meta.stage == "f0"
    for utt, path in DataDir(root / "data/valid").wav_scp.items():
        samples = soundfile.info(path).frames
        assert store.num_frames(utt) == -(-samples // 1280)  # 80 ms each, to the last sample


def test_speakers_whom_the_training_had_not_are_told_of(trained, root, tmp_path, caplog):
    speakers = DataDir(root / "data/new").utt2spk
    quantizer = load_f0_quantizer(trained, "latest")
    write_f0_codes(quantizer, root / "contours/new", speakers, tmp_path / "s", finalize=True)
    assert "2 utterances are of 1 speakers whom the training had not" in caplog.text
    assert len(TokenStore(tmp_path / "s")) == 2


def test_pitch_that_was_found_otherwise_is_refused(trained, root, tmp_path, task, command):
    speakers = DataDir(root / "data/new").utt2spk
    with pytest.raises(CheckpointError, match="contours/other: expected layer 0 of f0"):
        write_f0_codes(
            load_f0_quantizer(trained), root / "contours/other", speakers, tmp_path / "s"
        )
    with pytest.raises(ConfigError, match="valid data: expected layer 0 of f0"):
        run(task, command(tmp_path / "exp", valid="other"))


def test_other_data_and_options_are_refused(trained, tmp_path, task, command):
    with pytest.raises(
        CheckpointError,
        match=r"expected the valid data that it was trained with, .*; use another --output_dir",
    ):
        run(task, command(trained, valid="new"))
    with pytest.raises(ConfigError, match="--accum_grad must be 1, not 2"):
        run(task, command(tmp_path, "--accum_grad", "2"))
    with pytest.raises(ConfigError, match=r"quantizer_conf: .*colour"):
        run(task, command(tmp_path, "--quantizer_conf", "colour=3"))
    with pytest.raises(ConfigError, match="found no speakers"):
        cmd = command(tmp_path)
        place = next(n for n, word in enumerate(cmd) if word.endswith(",speakers,data_dir"))
        run(task, cmd[: place - 1] + cmd[place + 1 :])


def test_a_folder_that_is_no_quantizer_is_named(tmp_path, trained):
    with pytest.raises(CheckpointError, match="so this is no experiment"):
        load_f0_quantizer(tmp_path)
    for file in trained.glob("*.pth"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "config.yaml").write_text("quantizer_conf: {}\n")
    with pytest.raises(CheckpointError, match="expected an experiment of f0_quantizer_train"):
        load_f0_quantizer(tmp_path, "latest")
