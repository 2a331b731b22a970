"""Promises of the TTS task, each kept by a training through its command line."""

import json
import signal

import numpy as np
import pytest
import torch
import toy_tts
import yaml
from processes import kill_in_training

from codec_ssl.errors import CheckpointError, ConfigError, DataError, TokenError
from codec_ssl.tokens.store import TokenStore
from codec_ssl.tts.experiment import Facts, load_experiment
from codec_ssl.tts.phone_store import PhoneStore

pytestmark = [pytest.mark.timeout(500)]
STEPS = 4


@pytest.fixture(scope="module")
def task():
    from codec_ssl.tasks.tts import TTSTask

    return TTSTask


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Sets train, valid and other; ``foreign`` has codes of another codec."""
    folder = tmp_path_factory.mktemp("tts")
    codec = toy_tts.make_codec(folder / "codec")
    toy_tts.make_material(folder, {"train": 12, "valid": 4, "other": 12}, codec)
    toy_tts.make_set(folder, "rare", 4, 5)
    phones = (folder / "data/rare/phones.ctm").read_text().replace(" sil\n", " ʒ\n")
    (folder / "data/rare/phones.ctm").write_text(phones)
    from codec_ssl.codecs.base import load_codec
    from codec_ssl.codecs.extract import extract_codes, finalize_codes
    from codec_ssl.data.data_dir import DataDir

    for name, spec in (("rare", codec), ("foreign", toy_tts.make_codec(folder / "other", 1))):
        if name == "foreign":
            toy_tts.make_set(folder, name, 4, 6)
        made, data_dir = load_codec(spec), DataDir(folder / "data" / name)
        extract_codes(made, data_dir, folder / "codes" / name)
        finalize_codes(made, data_dir, folder / "codes" / name)
        toy_tts.extract_phones(folder, name)
    for name in ("train", "valid"):
        toy_tts.make_mel(folder, name)
    return folder


def run(task, cmd, kill_at=None):
    """Train; die after so many forward passes of training."""
    if kill_at is not None:
        from codec_ssl.tasks.tts_model import ESPnetTTS

        kill_in_training(ESPnetTTS, kill_at)
    task.main(cmd=cmd)


def history(folder):
    return json.loads((folder / "history.json").read_text())


def test_the_defaults_are_those_of_espnets_recipe(task):
    args = task.get_parser().parse_args(["--output_dir", "x"])
    assert (args.target, args.decoder_stacks, args.grad_clip) == ("codes", "shared", 1.0)
    assert args.num_iters_per_epoch * args.max_epoch == 100_000
    from espnet2.tasks.abs_task import scheduler_classes

    rates = []
    noam = ("noamlr", {"lr": 1.0}, {"model_size": 384, "warmup_steps": 4000})
    for name, optim, conf in (noam, (args.scheduler, args.optim_conf, args.scheduler_conf)):
        optimizer = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], **optim)
        scheduler = scheduler_classes[name](optimizer, **conf)
        rates.append([])
        for _ in range(6000):
            rates[-1].append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    np.testing.assert_allclose(*rates, rtol=1e-9)


@pytest.mark.parametrize(
    ("target", "more", "workers", "kill_at"),
    [
        ("codes", (), 1, STEPS + 2),
        ("codes", ("--decoder_stacks", "per_stream", "--num_codebooks", "2"), 0, STEPS + 1),
        ("mel", (), 0, STEPS + 3),
    ],
)
def test_killed_and_resumed_equals_uninterrupted(
    tmp_path, task, root, forked, same_run, target, more, workers, kill_at
):
    more = [*more, "--num_workers", workers]
    run(task, toy_tts.command(root, tmp_path / "whole", *more, target=target))
    cut = toy_tts.command(root, tmp_path / "cut", *more, target=target)
    assert forked(run, task, cut, kill_at) == -signal.SIGKILL
    run(task, cut)
    same_run(tmp_path / "whole", tmp_path / "cut")


def test_the_experiment_alone_is_enough_for_synthesis(tmp_path, task, root):
    more = ["--max_epoch", 1, "--codec", root / "codec", "--num_codebooks", 3]
    run(task, toy_tts.command(root, tmp_path, *more))
    experiment = load_experiment(tmp_path)
    phones, codes = PhoneStore(root / "phones/train"), TokenStore(root / "codes/train")
    facts = experiment.facts
    assert facts.symbols.names == phones.symbols and facts.sizes == [16] * 3
    assert facts.speakers == ["ann", "bob"] and facts.languages == ["toy"]
    assert facts.pitch == phones.statistics("pitch")
    assert experiment.made_by["codes"]["maker"] == codes.meta.maker["fingerprint"]
    assert experiment.config["codec"] == str(root / "codec")
    assert Facts.from_plain(facts.to_plain()).to_plain() == facts.to_plain()
    with pytest.raises(CheckpointError, match="no such file"):
        load_experiment(tmp_path, "7")


def test_batches_hold_so_many_frames_and_long_ones_can_be_left_out(tmp_path, task, root):
    run(task, toy_tts.command(root, tmp_path, "--max_epoch", 1, "--max_frames", 45))
    lengths = dict(line.split() for line in (tmp_path / "lengths/train").read_text().splitlines())
    codes = TokenStore(root / "codes/train")
    expected = {utt: codes.num_frames(utt) for utt in codes if codes.num_frames(utt) <= 45}
    assert 0 < len(expected) < 12
    assert {utt: int(n) for utt, n in lengths.items()} == expected
    with pytest.raises(DataError, match="at most --max_frames 2, found none"):
        run(task, toy_tts.command(root, tmp_path / "none", "--max_frames", 2))


def test_shape_files_choose_utterances(tmp_path, task, root):
    chosen = PhoneStore(root / "phones/train").utt_ids[:5]
    (tmp_path / "some").write_text("".join(f"{utt} 1\n" for utt in chosen))
    more = ["--max_epoch", 1, "--train_shape_file", tmp_path / "some"]
    run(task, toy_tts.command(root, tmp_path / "exp", *more))
    lengths = (tmp_path / "exp/lengths/train").read_text().splitlines()
    assert [line.split()[0] for line in lengths] == chosen


def test_mel_spectra_are_normalised_by_the_training_set(tmp_path, task, root):
    run(task, toy_tts.command(root, tmp_path, "--max_epoch", 1, target="mel"))
    facts = load_experiment(tmp_path).facts
    from codec_ssl.tts.frames import open_frames

    frames = open_frames(root / "mel/train")
    every = np.concatenate([frames.speech[utt] for utt in frames.speech])
    np.testing.assert_allclose(facts.mel.mean, every.mean(0), rtol=1e-4)
    np.testing.assert_allclose(facts.mel.deviation, every.std(0), rtol=1e-3)
    spectrum = frames.speech[frames.speech.utt_ids[0]]
    restored = facts.mel.restore(facts.mel.normalize(spectrum))
    np.testing.assert_allclose(restored, spectrum, atol=1e-4)
    assert {"l1", "pitch_loss", "energy_loss", "duration_loss"} <= history(tmp_path)[0][
        "train"
    ].keys()


def test_unknown_symbols_of_the_valid_set_stop_or_are_left_out(tmp_path, task, root):
    with pytest.raises(DataError, match=r"utterance \S+: expected the .* found 'ʒ'"):
        run(task, toy_tts.command(root, tmp_path / "a", valid="rare"))
    with pytest.raises(DataError, match="expected utterances of known symbols, found none"):
        more = ["--unknown_symbols", "skip"]
        run(task, toy_tts.command(root, tmp_path / "b", *more, valid="rare"))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (["--target", "mel"], ConfigError, "expected for --target mel"),
        (["--num_codebooks", "9"], ConfigError, "--num_codebooks: expected at most 4, found 9"),
        (["--iterator_type", "chunk"], ConfigError, "--iterator_type sequence"),
        (["--tts_conf", "postnet_layers=3"], ConfigError, "no postnet"),
        (["--tts_conf", "idim=3"], ConfigError, "idim cannot be set here"),
        (["--collect_stats", "true"], ConfigError, "--collect_stats True has no use"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path, task, root, change, error, message):
    with pytest.raises(error, match=message):
        run(task, toy_tts.command(root, tmp_path, *change))


def test_phones_must_be_those_of_the_codes(tmp_path, task, root):
    cmd = toy_tts.command(root, tmp_path)
    wrong = [word.replace("phones/valid", "mel_phones/valid") for word in cmd]
    with pytest.raises(DataError, match="expected phones measured on the frames of"):
        run(task, wrong)
    wrong = [word.replace("codes/train", "codes/other") for word in cmd]
    with pytest.raises(DataError, match=r"expected \S+ frames as in"):
        run(task, wrong)
    with pytest.raises(TokenError, match="expected that of"):
        run(task, toy_tts.command(root, tmp_path, valid="foreign"))


def test_a_training_does_not_go_on_with_other_data(tmp_path, task, root):
    run(task, toy_tts.command(root, tmp_path, "--max_epoch", 1))
    with pytest.raises(CheckpointError, match="expected the train phones that it was trained with"):
        run(task, toy_tts.command(root, tmp_path, train="other"))
    record = yaml.safe_load((tmp_path / "config.yaml").read_text())["data_record"]
    assert record["train"]["utterances"] == 12


def test_a_speaker_that_training_has_not_is_named(tmp_path, task, root):
    toy_tts.make_material(tmp_path, {"solo": 2}, root / "codec")
    from codec_ssl.data.tables import write_table

    data = tmp_path / "data/solo"
    write_table(data / "utt2spk", dict.fromkeys(["ann-solo-000", "bob-solo-001"], "eve"))
    (data / "spk2utt").unlink()
    for path in (tmp_path / "phones/solo").iterdir():
        path.unlink()
    toy_tts.extract_phones(tmp_path, "solo")
    cmd = toy_tts.command(root, tmp_path / "exp")
    wrong = [word.replace(f"{root}/phones/valid", f"{tmp_path}/phones/solo") for word in cmd]
    wrong = [word.replace(f"{root}/codes/valid", f"{tmp_path}/codes/solo") for word in wrong]
    with pytest.raises(ConfigError, match="speakers of the training, ann, bob, found 'eve'"):
        run(task, wrong)
