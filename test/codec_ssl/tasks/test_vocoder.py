"""Promises of the vocoder's task, each kept by a training through its command line."""

import json
import signal
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
import toy_vocoder
from processes import kill_in_training
from ranks import read_ranks, two_ranks

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import subset
from codec_ssl.errors import CheckpointError, ConfigError, DataError
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train.checkpoint import load_weights
from codec_ssl.vocoder.experiment import build_vocoder, load_vocoder
from codec_ssl.vocoder.units import deduplicate

pytestmark = [pytest.mark.timeout(900)]
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
        assert optim == "adamw" and conf == {"lr": 2e-4, "betas": [0.8, 0.99]}
    assert args.scheduler_conf == args.scheduler2_conf == {"gamma": 0.999}


@pytest.mark.parametrize(
    ("data", "more", "workers"),
    [
        ("codes audio f0", ("--speakers", "table"), 1),
        ("codes audio", (*DURATIONS, "--loss_conf", "discriminator_start=3"), 0),
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
    late = more[0] == DURATIONS[0]
    assert ("duration_loss" in stats) == late
    first = history(tmp_path / "whole")[0]
    assert all((first[split]["discriminator_loss"] == 0) == late for split in ("train", "valid"))
    assert stats["optim0_lr0"] == stats["optim1_lr0"] == pytest.approx(2e-4 * 0.999)


def test_two_processes_hold_one_model_which_is_that_of_one_process(
    tmp_path, task, root, forked, in_parallel
):
    # A large eps: without it, Adam takes the sign of gradients that are rounding errors.
    eps = ("--optim_conf", "eps=0.01", "--optim2_conf", "eps=0.01", "--batch_size", 4)
    more = ["--speakers", "table", *eps]
    one, two = (toy_vocoder.command(root, tmp_path / name, *more) for name in ("one", "two"))
    assert forked(run, task, one) == 0
    ranks = two_ranks(task, two, tmp_path, "generator_loss")
    assert in_parallel(*ranks) == [0, 0]
    first, second = read_ranks(tmp_path)
    torch.testing.assert_close(first["model"], second["model"], rtol=0, atol=0)
    assert first["losses"] == second["losses"]
    alone = [epoch["train"]["generator_loss"] for epoch in history(tmp_path / "one")]
    assert first["losses"] == pytest.approx(alone, rel=1e-4)
    joined = load_weights(tmp_path / "one")[1]
    torch.testing.assert_close(first["model"], joined, rtol=1e-3, atol=1e-5)


def batch_of(data):
    from codec_ssl.tasks.vocoder_data import make_segments
    from codec_ssl.train.crops import CropOptions
    from codec_ssl.train.side_crops import CropBatches

    segments = make_segments(data, toy_vocoder.CROP, {}, whole=True)
    return CropBatches(segments, CropOptions(toy_vocoder.CROP, 4, 1, seed=0))


@pytest.fixture(scope="module")
def opened(task, root):
    """The training set, with F0."""
    from codec_ssl.tasks.vocoder_data import open_split

    cmd = toy_vocoder.command(root, "x", data="codes audio f0")
    return open_split(task.get_parser().parse_args(cmd), "train")


def test_crops_hold_the_same_frames_of_everything(opened):
    batches = batch_of(opened)
    crop, hop = toy_vocoder.CROP, toy_vocoder.HOP
    whole = {utt: soundfile.read(opened.data_dir.source(utt).path)[0] for utt in opened.utt_ids}
    seen = set()
    for step in range(8):
        utt_ids, batch = batches[step]
        assert batch["codes"].shape == (4 * crop, 2) and batch["audio"].shape == (4, crop * hop)
        ends = np.cumsum([0, *batch["units_lengths"].tolist()])
        for row, utt in enumerate(utt_ids):
            codes = batch["codes"][row * crop : (row + 1) * crop].numpy()
            known, f0 = opened.codes[utt], opened.f0[utt]
            length = len(known)
            wav = np.pad(whole[utt], (0, hop))[: length * hop]
            if length < crop:
                known, wav = np.resize(known, (crop, 2)), np.resize(wav, crop * hop)
            starts = [
                start
                for start in range(len(known) - crop + 1)
                if (known[start : start + crop] == codes).all()
            ]
            audio = batch["audio"][row].numpy()
            [start] = [s for s in starts if np.allclose(wav[s * hop : (s + crop) * hop], audio)]
            at = (start + np.arange(crop)) % length
            pitch = batch["f0"][row * crop : (row + 1) * crop, 0]
            assert pitch.tolist() == f0[at // 4, 0].tolist()
            units, durations = deduplicate(opened.codes[utt])
            mine = slice(ends[row], ends[row + 1])
            np.testing.assert_array_equal(batch["units"][mine], units)
            np.testing.assert_array_equal(batch["durations"][mine], durations)
            seen.add((utt, start))
    assert len({utt for utt, _ in seen}) == 6 and len(seen) > 12
    assert batch["units"].shape == (ends[-1], 2)


@pytest.mark.parametrize("surplus", [-2 * 320, -320 - 1, 2 * 320, 5000])
def test_audio_of_another_length_is_refused_by_name(tmp_path, task, surplus):
    from codec_ssl.tasks.vocoder_data import check_audio

    toy_vocoder.make_set(tmp_path, "test")
    codes = TokenStore(tmp_path / "codes/test")
    utt, frames = codes.utt_ids[1], codes.num_frames(codes.utt_ids[1])
    data_dir = DataDir(tmp_path / "data/test")
    assert check_audio(codes, data_dir, 16000, codes.utt_ids) == codes.utt_ids
    wav = np.zeros(frames * 320 + surplus)
    soundfile.write(data_dir.source(utt).path, wav, 16000)
    with pytest.raises(
        DataError, match=f"{utt}: expected .* frames.*found {frames} .1 such.*token"
    ):
        check_audio(codes, data_dir, 16000, codes.utt_ids)
    assert utt not in check_audio(codes, data_dir, 16000, [codes.utt_ids[0]])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"data": "codes"}, ConfigError, "found no audio"),
        ({"data": "audio"}, ConfigError, "found no codes"),
        ({"train": "other"}, DataError, "audio of every utterance.*found none of bob-train1"),
        ({"more": ("--speakers", "table"), "valid": "eve"}, ConfigError, "found 'eve'"),
        ({"more": ("--loss_conf", "mil=1")}, ConfigError, "loss_conf.*mil"),
        ({"more": ("--discriminator_conf", "x=1")}, ConfigError, "discriminator_conf.*x"),
        ({"more": ("--skip_discriminator_prob", "0.5")}, ConfigError, "no use for vocoders"),
        ({"more": ("--vocoder_conf", "hop=256")}, ConfigError, "vocoder_conf.*hop"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(tmp_path, task, root, options, error, message):
    make_odd_sets(root)
    more = options.pop("more", ())
    with pytest.raises(error, match=message):
        run(task, toy_vocoder.command(root, tmp_path / "exp", *more, **options))


def make_odd_sets(root):
    """``other``: a recording is missing; ``eve``: a speaker that training doesn't have."""
    if (root / "data/other").exists():
        return
    source = DataDir(root / "data/train")
    few = [utt for utt in source.utt_ids if utt != "bob-train1"]
    subset(source, few, root / "data/other")
    (root / "codes/other").symlink_to(root / "codes/train")
    source = DataDir(root / "data/valid")
    strangers = dict.fromkeys(source.utt_ids, "eve")
    DataDir.write(root / "data/eve", wav=source.wav_scp, utt2spk=strangers)
    (root / "codes/eve").symlink_to(root / "codes/valid")


def test_going_on_with_other_data_is_refused(tmp_path, task, root):
    more = ["--max_epoch", 1, "--speakers", "table"]
    run(task, toy_vocoder.command(root, tmp_path, *more))
    with pytest.raises(CheckpointError, match="train data"):
        run(task, toy_vocoder.command(root, tmp_path, "--speakers", "table", train="test"))
    vocoder = load_vocoder(tmp_path)
    assert vocoder.facts.speakers == ["ann", "bob"] and vocoder.facts.pitch is None
    assert vocoder.facts.tokens["maker"] == "of pitch"
    state = load_weights(tmp_path, "best", "vocoder.")[1]
    model = build_vocoder(vocoder.config)
    model.load_state_dict(state)
    codes, counts = torch.randint(4, (1, 5, 2)), torch.tensor([5])
    with torch.no_grad():
        pair = [each.eval()(codes, counts, torch.tensor([1])) for each in (model, vocoder.model)]
    torch.testing.assert_close(*pair, rtol=1e-4, atol=1e-6)


def test_vectors_of_speakers_are_found_once_and_kept(tmp_path, task, root, monkeypatch):
    from codec_ssl.tasks import vocoder

    heard = []

    def embedder():
        def embed(wav):
            heard.append(len(wav))
            return np.array([wav.std(), 1.0, len(wav) / 16000], dtype=np.float32)

        return embed

    monkeypatch.setattr(vocoder, "resemblyzer_embedder", embedder)
    more = ["--speakers", "resemblyzer", "--speaker_utterances", 2]
    run(task, toy_vocoder.command(root, tmp_path, *more, "--max_epoch", 1))
    assert len(heard) == 4
    run(task, toy_vocoder.command(root, tmp_path, *more))
    assert len(heard) == 4 and len(history(tmp_path)) == 2
    found = load_vocoder(tmp_path)
    assert found.facts.speaker_dim == 3 and found.vectors.names == ["ann", "bob"]
    given = found.speaker_input(["u", "v"], ["bob", "ann"])
    np.testing.assert_array_equal(given, found.vectors.vectors[[1, 0]])


@pytest.fixture
def model():
    from codec_ssl.tasks.vocoder_model import ESPnetVocoder, LossConf, build_discriminator
    from codec_ssl.vocoder.generator import UnitGenerator

    torch.manual_seed(0)
    more = {"durations": True, "duration_params": {"channels": 4}}
    vocoder = UnitGenerator(toy_vocoder.SIZES, **toy_vocoder.SMALL, **more)
    judge = build_discriminator("multi_scale_multi_period", toy_vocoder.DISCRIMINATOR)
    losses = LossConf.from_plain({"adversarial": 0.5, "duration": 3.0})
    return ESPnetVocoder(vocoder, judge, 16000, losses)


def toy_batch():
    torch.manual_seed(1)
    frames, hop = toy_vocoder.CROP, toy_vocoder.HOP
    return {
        "audio": torch.randn(3, frames * hop) * 0.1,
        "codes": torch.randint(4, (3 * frames, 2)),
        "lengths": torch.full((3,), frames),
        "units": torch.randint(4, (9, 2)),
        "durations": torch.randint(1, 9, (9,)),
        "units_lengths": torch.tensor([5, 1, 3]),
    }


def test_each_turn_trains_its_own_network_and_the_generator_runs_once(model):
    made, batch = [], toy_batch()
    model.vocoder.register_forward_hook(lambda *_: made.append(1))
    model.train()
    for generator, part in ((False, model.discriminator), (True, model.vocoder)):
        model.zero_grad(set_to_none=True)
        result = model(forward_generator=generator, **batch, utt_id=["a", "b", "c"])
        result["loss"].sum().backward()
        assert result["optim_idx"] == int(not generator)
        assert all(p.grad is not None for p in part.parameters())
        if not generator:
            assert all(p.grad is None for p in model.vocoder.parameters())
    assert len(made) == 1
    model(**batch)
    assert len(made) == 2  # nothing is left of the step before


def test_discriminators_join_at_their_step_and_cost_nothing_before(model):
    model.losses = replace(model.losses, discriminator_start=2)
    optimizer = torch.optim.AdamW(model.discriminator.parameters(), weight_decay=0.0)
    before = [p.clone() for p in model.discriminator.parameters()]
    judged, made, told = [], [], []
    model.discriminator.register_forward_hook(lambda *_: judged.append(1))
    model.vocoder.register_forward_hook(lambda *_: made.append(1))
    model.train()
    for step in range(3):
        stats = {}
        batch = toy_batch()
        for generator in (False, True):
            result = model(forward_generator=generator, **batch)
            stats |= result["stats"]
            result["loss"].sum().backward()
            if not generator:
                optimizer.step()
            model.zero_grad()
        told.append("adversarial_loss" in stats and "discriminator_real_loss" in stats)
        moved = any(
            not torch.equal(*pair)
            for pair in zip(before, model.discriminator.parameters(), strict=True)
        )
        assert (len(judged), len(made), moved) == (4 * (step == 2), step + 1, step == 2)
        with torch.no_grad():
            asked = "adversarial_loss" in model.eval()(**toy_batch())["stats"]
        assert asked == (step == 2) and model.steps == step + 1  # validation is no training
        judged.clear()
        made.pop()
        model.train()
    assert told == [False, False, True]


def test_a_generator_that_goes_first_is_shown_its_own_batch(model):
    model.eval()
    first, second = toy_batch(), toy_batch()
    second["codes"] = (second["codes"] + 1) % 4
    second["audio"] = second["audio"].clone()
    with torch.no_grad():
        expected = model(**second)["loss"]
        for batch in (first, second):
            found = model(forward_generator=True, **batch)["loss"]
            model(forward_generator=False, **batch)
    torch.testing.assert_close(found, expected)


def test_losses_are_hifigans(model):
    """The sums of Kong et al. 2020 (eq. 3 to 6) and their mel loss, from the parts themselves."""
    batch = toy_batch()
    model.eval()
    with torch.no_grad():
        stats = {
            k: v.item() for turn in (False, True) for k, v in model(turn, **batch)["stats"].items()
        }
        codes = batch["codes"].view(3, -1, 2)
        made, true = model.vocoder(codes, batch["lengths"])[:, None], batch["audio"][:, None]
        fake, real = model.discriminator(made), model.discriminator(true)
        verdicts = [(f[-1], r[-1]) for f, r in zip(fake, real, strict=True)]
        judged = sum(((r - 1) ** 2).mean() + (f**2).mean() for f, r in verdicts)
        fooled = sum(((f - 1) ** 2).mean() for f, _ in verdicts)
        pairs = [(f, r) for a, b in zip(fake, real, strict=True) for f, r in zip(a, b, strict=True)]
        matched = sum((f - r).abs().mean() for f, r in pairs)
        mels = [log_mel(wav[:, 0].double().numpy()) for wav in (made, true)]
        errors = []
        for row, units in enumerate(batch["units"].split([5, 1, 3])):
            x = model.vocoder.embed(units[None])
            told = batch["durations"].split([5, 1, 3])[row]
            found = model.vocoder.durations(x, torch.tensor([len(units)]))[0]
            errors.append((found - torch.log1p(told.float())) ** 2)
    expected = {
        "discriminator_loss": judged,
        "adversarial_loss": fooled,
        "feat_match_loss": matched,
        "mel_loss": np.abs(mels[0] - mels[1]).mean(),
        "duration_loss": torch.cat(errors).mean(),
    }
    for name, value in expected.items():
        assert stats[name] == pytest.approx(float(value), rel=2e-3), name
    weights = {"adversarial": 0.5, "feat_match": 2.0, "mel": 45.0, "duration": 3.0}
    total = sum(weight * stats[f"{name}_loss"] for name, weight in weights.items())
    assert stats["generator_loss"] == pytest.approx(total, rel=1e-5)


def log_mel(wavs):
    """Natural logarithms of librosa's mel magnitudes above 1e-5, 1024 points every 256."""
    import librosa

    basis = librosa.filters.mel(sr=16000, n_fft=1024, n_mels=80, fmin=0, fmax=8000)
    spectra = np.abs(librosa.stft(wavs, n_fft=1024, hop_length=256, pad_mode="reflect"))
    return np.log(basis @ np.maximum(spectra, 1e-5))
