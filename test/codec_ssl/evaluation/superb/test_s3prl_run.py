"""SUPERB by s3prl's own problems, on our data dirs: each of the nine runs, and goes on."""

import json
import os
import signal

import numpy as np
import pytest
import soundfile
import torch
import toy_waves
import yaml

from codec_ssl.data.alignment import Segment
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb.tables import Trial, write_rttm, write_symbols, write_trials
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.report.results import read_results

pytest.importorskip("sed_eval", reason="s3prl.problem imports sed_eval, which is not installed")

RATE = 16000
KINDS = ["low", "high"]
STEPS = ["train.total_steps=2", "train.eval_step=1", "train.save_step=1", "train.log_step=1"]
SMALL_LSTM = [
    f"build_downstream.model_conf.{name}={value}"
    for name, value in (("proj_size", 8), ("hidden_size", "[4,4]"))
]
CONF = {
    "sv": [*STEPS[:1], *STEPS[2:], "build_dataset.train.min_secs=0.2"],
    "asr": [*STEPS, *SMALL_LSTM, "build_batch_sampler.train.max_length=300000"],
    "sf": [*STEPS, *SMALL_LSTM],
    "sd": [*STEPS, "build_downstream.hidden_size=8"],
}


def make_set(path, task, count=6):
    """A data dir of tones of two pitches, with what each task asks for."""
    random = np.random.default_rng(0)
    wav, kinds = {}, {}
    (path / "wav").mkdir(parents=True)
    for number in range(count):
        kind = number % 2
        utt = f"{KINDS[kind]}-{number:02d}"
        samples = np.arange(int(RATE * (0.4 + 0.02 * number)))
        tone = np.sin(2 * np.pi * (200, 900)[kind] * samples / RATE)
        wav[utt], kinds[utt] = str(path / "wav" / f"{utt}.wav"), KINDS[kind]
        soundfile.write(wav[utt], 0.5 * tone + 0.01 * random.standard_normal(len(tone)), RATE)
    labels = {
        "ks": {"command": kinds},
        "er": {"emotion": kinds},
        "ic": {"action": kinds, "object": kinds, "location": dict.fromkeys(kinds, "none")},
    }
    data_dir = DataDir.write(
        path,
        wav=wav,
        utt2spk=kinds,
        labels=labels.get(task, {}),
        text={utt: f"a {kind}" for utt, kind in kinds.items()},
    )
    if task == "pr":
        write_symbols(data_dir, "phones", {utt: ["AH", kind] for utt, kind in kinds.items()})
    if task == "sf":
        marked = {utt: ["a", "B-pitch", kind, "E-pitch"] for utt, kind in kinds.items()}
        write_symbols(data_dir, "slots", marked)
    if task == "sv":
        first, *rest = data_dir.utt_ids
        trials = [Trial(kinds[first] == kinds[utt], first, utt) for utt in rest]
        write_trials(data_dir, trials)
    if task == "sd":
        turns = [Segment(0.0, 0.2, "ann"), Segment(0.1, 0.35, "bob")]
        write_rttm(data_dir, dict.fromkeys(kinds, turns))
    return path


def make_task(root, task):
    for name in ("train", "valid", "test"):
        make_set(root / "data" / task / name, task)
    return root / "data" / task


@pytest.mark.parametrize("task", ["sid", "er", "ic", "pr", "asr", "sf", "sv", "sd"])
def test_each_problem_trains_and_scores(task, tmp_path):
    from codec_ssl.evaluation.superb.s3prl_problems import BACKENDS
    from codec_ssl.evaluation.superb.s3prl_run import Upstream, run

    data = make_task(tmp_path, task)
    conf = CONF.get(task, STEPS)
    outcome = run(task, Upstream("logmel", {}), data, tmp_path / "exp", conf=conf)
    more = ["der", "der_plain"] if task == "sd" else []
    assert list(outcome.test) == more + list(BACKENDS[task].metrics.values())
    assert np.isfinite([outcome.valid, *outcome.test.values()]).all()
    assert outcome.layer_weights == [1.0]
    # The others' predictions are nowhere.
    drawn = {"pr": ["per"], "asr": ["wer", "cer"], "sf": ["slot_type_f1", "slot_value_cer"]}
    assert list(outcome.intervals) == drawn.get(task, more)
    for name, (low, high) in outcome.intervals.items():
        assert low <= outcome.test[name] <= high
    again = run(task, Upstream("logmel", {}), data, tmp_path / "exp", conf=conf)
    assert {name: tuple(ends) for name, ends in again.intervals.items()} == outcome.intervals


@pytest.fixture(scope="module")
def keywords(tmp_path_factory):
    """Keyword spotting, and an experiment of ours with its codec and kept codes."""
    root = tmp_path_factory.mktemp("keywords")
    make_task(root, "ks")
    toy_waves.make_exp(root, toy_waves.make_codec(root / "codec"))
    content = {"encoder": "exp", "codec": "codec/toy.pth", "cache": str(root / "kept")}
    (root / "toy.yaml").write_text(yaml.safe_dump(content))
    return root


def test_keywords_are_learnt_from_our_model_and_the_best_rate_is_told(keywords, call, capsys):
    from codec_ssl.bin import superb_s3prl

    options = ["--encoder", keywords / "toy.yaml", "--datadir", keywords / "data"]
    grid = ["--tasks", "ks", "--lrs", "1e-2", "1e-5", "--exp", keywords / "grid"]
    out = ["--out", keywords / "out", "--system", "ours"]
    steps = ["train.total_steps=20", "train.eval_step=20", "train.save_step=20"]
    call(superb_s3prl, *options, *grid, *out, "--conf", *steps)
    (result,) = read_results(keywords / "out" / "ks" / "results.json").results
    assert (result.metric, result.value) == ("superb_ks_accuracy", 1.0)
    assert result.scored["learning_rate"] == "1e-2" and result.scored["backend"] == "s3prl"
    assert len(result.scored["layer_weights"]) == 4
    assert abs(sum(result.scored["layer_weights"]) - 1) < 1e-5
    assert "ours ks accuracy 1.0000 lr 1e-2" in capsys.readouterr().out
    codes = sum(path.stat().st_size for path in (keywords / "kept").glob("*/*.codes"))
    # The three sets are of the same sounds; two more waveforms are s3prl's own trial of the model.
    assert codes < 12 * 200, "each content is coded once"
    # What has ended is read: nothing is trained again.
    before = (keywords / "grid" / "ks" / "lr_1e-2" / "train" / "valid_best").stat().st_mtime_ns
    call(superb_s3prl, *options, *grid, *out, "--conf", *steps)
    after = (keywords / "grid" / "ks" / "lr_1e-2" / "train" / "valid_best").stat().st_mtime_ns
    assert before == after


def test_a_killed_training_goes_on_at_its_last_whole_checkpoint(keywords, tmp_path, forked):
    from codec_ssl.evaluation.superb.s3prl_problems import BACKENDS
    from codec_ssl.evaluation.superb.s3prl_run import Upstream, run

    args = ("ks", Upstream("logmel", {}), keywords / "data" / "ks", tmp_path)
    conf = ["train.total_steps=6", "train.eval_step=2", "train.save_step=1"]

    def killed():
        problem, saved = BACKENDS["ks"].problem, []
        save = problem.save_task

        def save_and_die(self, save_task, folder, *rest):
            if "step_4" in str(folder):
                os.kill(os.getpid(), signal.SIGKILL)
            saved.append(folder)
            save(self, save_task, folder, *rest)

        problem.save_task = save_and_die
        run(*args, conf=conf)

    assert forked(killed) == -signal.SIGKILL
    assert (tmp_path / "train" / "step_4").is_dir(), "cut short"
    outcome = run(*args, conf=conf)
    stats = yaml.safe_load((tmp_path / "train" / "step_6" / "training_stats.yaml").read_text())
    assert stats["global_step"] == 6
    assert json.loads((tmp_path / "outcome.json").read_text())["valid"] == outcome.valid
    with pytest.raises(ConfigError, match="begun with another rate"):
        run(*args, rate=0.1, conf=conf)


def test_embeddings_of_units_are_trained_and_kept(keywords, tmp_path):
    from codec_ssl.evaluation.superb.s3prl_run import Upstream, run
    from codec_ssl.features.waves import make_wave_encoder

    name = f"codes:{keywords / 'codec' / 'toy.pth'}"
    upstream = Upstream(name, {"cache": str(tmp_path / "kept")})
    run("ks", upstream, keywords / "data" / "ks", tmp_path / "exp", rate=1e-2, conf=STEPS)
    state = torch.load(tmp_path / "exp" / "train" / "step_2" / "model" / "state_dict.pt")
    learnt = state["upstream.upstream.states.encoder.embeddings.table"]
    begun = make_wave_encoder(name).embeddings.table
    assert learnt.shape == begun.shape and not torch.equal(learnt, begun)
    assert list((tmp_path / "kept").glob("*/*.codes"))


@pytest.mark.parametrize(
    ("task", "conf", "words"),
    [
        ("qbe", [], "s3prl has no problem for qbe"),
        ("ks", ["colour=red"], "found colour"),
        ("ks", ["train.total_steps=1"], "expected train.eval_step of at most"),
    ],
)
def test_what_cannot_be_is_refused_before_it_begins(task, conf, words, keywords, tmp_path):
    from codec_ssl.evaluation.superb.s3prl_run import Upstream, run

    with pytest.raises(ConfigError, match=words):
        run(task, Upstream("logmel", {}), keywords / "data" / "ks", tmp_path, conf=conf)


def test_crops_of_training_are_few_so_that_their_codes_are_found_again(tmp_path):
    import pandas
    from s3prl.dataio.encoder.category import CategoryEncoder

    from codec_ssl.evaluation.superb.s3prl_problems import Crops

    ramp = np.arange(17 * RATE) / (17 * RATE)
    soundfile.write(tmp_path / "long.wav", ramp, RATE, subtype="FLOAT")
    rows = [{"id": "a", "wav_path": str(tmp_path / "long.wav"), "spk": "ann"}]
    crops = Crops(pandas.DataFrame(rows), "spk", CategoryEncoder(["ann"]), 8.0)
    items = [crops[0] for _ in range(20)]
    starts = {round(float(item["x"][0]) * 17, 3) for item in items}
    assert starts == {0.0, 4.0, 8.0} and {item["x_len"] for item in items} == {8 * RATE}


def test_sentences_with_slots_are_taken_apart():
    from codec_ssl.evaluation.superb.s3prl_tables import unmarked

    words, slots = unmarked(["add", "B-artist", "sabrina", "salerno", "E-artist", "to"], "here")
    assert words == ["add", "sabrina", "salerno", "to"]
    assert slots == ["O", "artist", "artist", "O"]
    with pytest.raises(DataError, match="expected E-artist"):
        unmarked(["B-artist", "sabrina"], "here")


def test_parts_of_files_are_written_out_and_words_that_pandas_drops_are_refused(tmp_path):
    from codec_ssl.evaluation.superb.s3prl_tables import write_table

    data = make_set(tmp_path / "data", "ks")
    (data / "segments").write_text("ann-1 low-00 0.1 0.3\nann-2 high-01 0.0 0.2\n")
    (data / "utt2spk").write_text("ann-1 ann\nann-2 ann\n")
    (data / "utt2command").write_text("ann-1 up\nann-2 down\n")
    write_table("ks", DataDir(data), tmp_path / "train.csv")
    samples, rate = soundfile.read(tmp_path / "train" / "ann-1.wav")
    whole, _ = soundfile.read(data / "wav" / "low-00.wav")
    assert rate == RATE and np.abs(samples - whole[1600:4800]).max() < 1e-4
    (data / "utt2command").write_text("ann-1 up\nann-2 null\n")
    with pytest.raises(DataError, match="'null' in label"):
        write_table("ks", DataDir(data), tmp_path / "other.csv")
