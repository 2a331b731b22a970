"""Training of SUPERB's heads: batches, resuming, features from a cache, rates that diverge."""

import json
import sys
from collections import Counter
from dataclasses import asdict

import numpy as np
import pytest
import torch
import yaml
from processes import exit_code, fork, kill_in_training
from toy_asr import write_store
from toy_superb import SIZES, make_codes, make_ks, task_data, write_codes, write_data_dir

from codec_ssl.bin import superb_evaluate, superb_train
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import CheckpointError, ConfigError, DataError
from codec_ssl.evaluation.superb.classification import KeywordSpotting
from codec_ssl.evaluation.superb.items import LabelledSet
from codec_ssl.features.base import Origin
from codec_ssl.features.baselines import CodecEmbeddings
from codec_ssl.features.cache_writer import write_cache
from codec_ssl.features.factory import make_encoder
from codec_ssl.features.stack import LayerStack
from codec_ssl.report.results import read_results
from codec_ssl.tasks.superb import SuperbTask
from codec_ssl.tasks.superb_data import BatchOptions, TrainingItems
from codec_ssl.tasks.superb_model import ESPnetSuperb
from codec_ssl.tokenizers.kmeans import KMeans, KMeansOptions
from codec_ssl.tokenizers.labels import label_maker
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train.checkpoint import load_weights, read_config
from codec_ssl.train.side_by_side import StoredStream

COUNTS = {"train": 24, "valid": 8, "test": 12}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("superb")
    make_ks(folder, COUNTS)
    return folder


@pytest.fixture(scope="module")
def labelled(root):
    stream = StoredStream(TokenStore(root / "codes/ks/train"))
    data = LabelledSet(KeywordSpotting, DataDir(root / "data/ks/train"), stream, 50.0)
    return data, KeywordSpotting(KeywordSpotting.learn(data.labels))


def options_of(root, exp, *more, features=None):
    command = ["--problem", "ks", "--encoder_conf", "name=codec", "--output_dir", str(exp)]
    for split in ("train", "valid"):
        command += task_data(root, "ks", split)
        if features:
            option = f"--{split}_data_path_and_name_and_type"
            command += [option, f"{features}/{split},layers,feature_cache"]
    command += ["--num_workers", "0", "--use_tensorboard", "false", "--batch_size", "6"]
    command += ["--max_epoch", "3", "--num_iters_per_epoch", "4", "--optim_conf", "lr=0.01"]
    return [*command, *more]


def history(exp):
    keys = ("loss", "accuracy", "grad_norm")
    return [
        {part: {k: v for k, v in epoch[part].items() if k in keys} for part in ("train", "valid")}
        for epoch in json.loads((exp / "history.json").read_text())
    ]


def train(root, exp, *more, **given):
    SuperbTask.main(cmd=options_of(root, exp, *more, **given))
    return history(exp)


def test_a_killed_training_goes_on_exactly(root, tmp_path):
    whole = train(root, tmp_path / "whole")

    def killed():
        kill_in_training(ESPnetSuperb, 10)
        SuperbTask.main(cmd=options_of(root, tmp_path / "cut"))

    assert exit_code(fork(killed)) == -9
    assert len(history(tmp_path / "cut")) == 2
    assert train(root, tmp_path / "cut") == whole
    config = read_config(tmp_path / "cut")
    assert config["vocabulary"]["classes"] == [["down", "left", "stop", "up"]]
    assert config["data_record"]["train"]["count"] == COUNTS["train"]
    # Other data than it was begun with.
    make_ks(tmp_path / "other", {**COUNTS, "train": 20})
    with pytest.raises(CheckpointError, match="the train data that it was trained with"):
        train(tmp_path / "other", tmp_path / "cut", "--max_epoch", "4")


def test_cached_layers_train_as_the_encoder_does(root, tmp_path):
    for split in ("train", "valid"):
        store = TokenStore(root / "codes/ks" / split)
        encoder = LayerStack(CodecEmbeddings.from_store(store.path, 50.0))
        write_cache(encoder, store, 0, tmp_path / split, dtype="float32")
    live = train(root, tmp_path / "live", "--max_epoch", "1")
    [cached] = train(root, tmp_path / "cached", "--max_epoch", "1", features=tmp_path)
    # The head pools, so that the means of cached layers are enough: equal but for rounding.
    for split, numbers in live[0].items():
        assert cached[split] == pytest.approx(numbers, rel=1e-4)


def test_embeddings_of_codes_are_trained_and_go_on_exactly(root, tmp_path):
    codes = ("--encoder_conf", "name=codes")
    whole = train(root, tmp_path / "whole", *codes)
    assert whole != train(root, tmp_path / "frozen")
    train(root, tmp_path / "cut", *codes, "--max_epoch", "1")
    assert train(root, tmp_path / "cut", *codes) == whole


def test_features_of_what_is_learnt_are_not_cached(root, tmp_path):
    for split in ("train", "valid"):
        store = TokenStore(root / "codes/ks" / split)
        encoder = LayerStack(CodecEmbeddings.from_store(store.path, 50.0))
        write_cache(encoder, store, 0, tmp_path / split)
    learnt = LayerStack(make_encoder("codes", store, "cpu"))
    with pytest.raises(ConfigError, match="expected a frozen encoder, found embeddings of toy"):
        write_cache(learnt, store, 0, tmp_path / "learnt")
    with pytest.raises(ConfigError, match="train without a cache"):
        train(root, tmp_path / "exp", "--encoder_conf", "name=codes", features=tmp_path)


def test_a_cache_of_another_encoder_is_refused(root, tmp_path):
    for split in ("train", "valid"):
        store = TokenStore(root / "codes/ks" / split)
        write_cache(CodecEmbeddings.from_store(store.path, 50.0), store, 0, tmp_path / split)
    with pytest.raises(DataError, match="expected features of codec_stack"):
        train(root, tmp_path / "exp", features=tmp_path)


def test_every_utterance_comes_once_a_pass(labelled):
    data, problem = labelled
    items = TrainingItems(data, problem, BatchOptions(6, 4, seed=1))
    first = [utt for step in range(4) for utt in items[step][0]]
    second = [utt for step in range(4, 8) for utt in items[step][0]]
    assert sorted(first) == sorted(second) == data.utt_ids
    assert first != second
    again = TrainingItems(data, problem, BatchOptions(6, 4, seed=1))
    assert again[3][0] == items[3][0]


def test_balanced_batches_have_each_label_as_often(labelled):
    data, problem = labelled
    rare = [utt for utt in data.utt_ids if data.labels[utt] != ["up"]][:-3]
    kept = [utt for utt in data.utt_ids if utt not in rare[3:]]
    fewer = LabelledSet.__new__(LabelledSet)
    fewer.__dict__ |= data.__dict__
    fewer.utt_ids = kept
    fewer.lengths = np.array([data.lengths[data.utt_ids.index(utt)] for utt in kept])
    items = TrainingItems(fewer, problem, BatchOptions(100, 1, seed=0, balanced=True))
    counts = Counter(data.labels[utt][0] for step in range(8) for utt in items[step][0])
    shares = np.array(list(counts.values())) / 800
    assert np.allclose(shares, 1 / len(counts), atol=0.05)


def test_crops_are_of_one_length_and_buckets_of_about_one(labelled):
    data, problem = labelled
    crops = TrainingItems(data, problem, BatchOptions(6, 4, seed=0, crop_seconds=0.2))
    assert set(torch.cat([crops[n][1]["input_lengths"] for n in range(4)]).tolist()) == {10}
    buckets = TrainingItems(data, problem, BatchOptions(6, 4, seed=0, bucketed=True))
    lengths = [buckets[n][1]["input_lengths"] for n in range(4)]
    spread = max(int(each.max() - each.min()) for each in lengths)
    assert spread < int(data.lengths.max() - data.lengths.min())
    assert sorted(torch.cat(lengths).tolist()) == sorted(data.lengths.tolist())
    with pytest.raises(DataError, match=r"expected utterances of 9.0 s or more"):
        TrainingItems(data, problem, BatchOptions(6, 4, seed=0, min_seconds=9.0))


def test_ranks_share_a_batch(labelled):
    data, problem = labelled
    whole = TrainingItems(data, problem, BatchOptions(6, 4, seed=0))[2][0]
    parts = [
        TrainingItems(data, problem, BatchOptions(6, 4, seed=0, rank=rank, num_ranks=2))[2][0]
        for rank in range(2)
    ]
    assert sorted(parts[0] + parts[1]) == sorted(whole)


def test_wrong_options_are_named(root, tmp_path):
    with pytest.raises(ConfigError, match=r"batch_conf: .*crop_frames"):
        train(root, tmp_path / "a", "--batch_conf", "crop_frames=3")
    with pytest.raises(ConfigError, match=r"featurizer_conf: .*layers"):
        train(root, tmp_path / "b", "--featurizer_conf", "layers=3")


def run(command, *options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [command.__name__, *map(str, options)])
        command.main()


def make_tokens(root, out):
    """Stores of the first codebook's codes, as if a k-means had made them; returns the k-means."""
    centroids = torch.randn(SIZES[0], 8, generator=torch.Generator().manual_seed(0))
    settings = asdict(KMeansOptions(num_clusters=SIZES[0]))
    kmeans = KMeans.restore({"centroids": centroids}, settings)
    kmeans.origin = Origin("toy", "toy model", 1, 50.0)
    for split in COUNTS:
        codes = TokenStore(root / "codes/ks" / split)
        tokens = {utt: codes[utt][:, :1] for utt in codes.utt_ids}
        write_store(out / "ks" / split, tokens, label_maker(kmeans, kmeans.origin), SIZES[:1])
    return kmeans


def test_embeddings_of_tokens_are_trained_saved_and_loaded_again(root, tmp_path):
    kmeans = make_tokens(root, tmp_path / "tokens")
    kmeans.save(tmp_path / "km")
    conf = {"max_epoch": 2, "num_iters_per_epoch": 12, "batch_size": 6, "num_workers": 0}
    (tmp_path / "ks.yaml").write_text(yaml.safe_dump(conf))
    common = ["--encoder", "of the k-means", "--tokenizer", tmp_path / "km", "--exp"]
    common += [tmp_path / "exp", "--datadir", root / "data", "--codes", tmp_path / "tokens"]
    run(superb_train, *common, "--configs", f"ks={tmp_path}/ks.yaml", "--lrs", "1e-2")
    exp = tmp_path / "exp/ks/lr_1e-2"
    _, state = load_weights(exp, "best", prefix="superb.")
    learnt = state["embeddings.table"]
    assert learnt.shape == kmeans.centroids.shape
    assert (learnt - kmeans.centroids).abs().max() > 0.01
    score = ["--tasks", "ks", "--system", "toy", "--out"]
    run(superb_evaluate, *common, *score, tmp_path / "scores")
    [result] = read_results(tmp_path / "scores/ks/results.json").results
    assert result.value > 0.8 and result.scored["encoder"] == "embeddings of kmeans_stack"
    assert result.scored["tokenizer"] == str(tmp_path / "km")
    # It is the checkpoint's embeddings that are scored: without them nothing can be told apart.
    state["embeddings.table"] = torch.zeros_like(learnt)
    torch.save({f"superb.{name}": value for name, value in state.items()}, exp / "zeros.pth")
    (exp / "valid.accuracy.best.pth").unlink()
    (exp / "valid.accuracy.best.pth").symlink_to("zeros.pth")
    run(superb_evaluate, *common, *score, tmp_path / "blank")
    [result] = read_results(tmp_path / "blank/ks/results.json").results
    assert result.value == pytest.approx(0.25)


def make_speakers(root):
    """``sv``: six speakers to train on, three others for trials."""
    for number, (split, speakers) in enumerate({"train": 6, "valid": 3, "test": 3}.items()):
        random = np.random.default_rng(number)
        spoken = {f"s{n}-{split}{k}": n for n in range(speakers) for k in range(4)}
        write_data_dir(
            root / "data/sv" / split, {"spk": {u: f"s{n}{split}" for u, n in spoken.items()}}
        )
        codes = {u: make_codes(2 * n, 20, random) for u, n in spoken.items()}
        write_codes(root / "codes/sv" / split, codes)
        utts = sorted(spoken)
        lines = [
            f"{int(spoken[a] == spoken[b])} {a} {b}\n"
            for n, a in enumerate(utts)
            for b in utts[n + 1 :]
        ]
        if split != "train":
            (root / "data/sv" / split / "trials").write_text("".join(lines))


def test_tasks_and_folds_are_trained_and_scored_by_their_best_rates(root, tmp_path):
    make_speakers(tmp_path)
    for fold in ("fold1", "fold2"):
        (tmp_path / f"data/er/{fold}").mkdir(parents=True)
        (tmp_path / f"codes/er/{fold}").mkdir(parents=True)
        for split in COUNTS:
            data = tmp_path / f"data/er/{fold}/{split}"
            data.mkdir()
            for file in (root / f"data/ks/{split}").iterdir():
                name = file.name.replace("command", "emotion")
                (data / name).write_text(file.read_text())
            (tmp_path / f"codes/er/{fold}/{split}").symlink_to(root / f"codes/ks/{split}")
    conf = {"max_epoch": 2, "num_iters_per_epoch": 12, "batch_size": 6, "num_workers": 0}
    for task, head in {"er": {}, "sv": {"output_size": 16, "aggregation_size": 32}}.items():
        (tmp_path / f"{task}.yaml").write_text(yaml.safe_dump({**conf, "head_conf": head}))
    common = ["--encoder", "codec", "--datadir", tmp_path / "data", "--codes", tmp_path / "codes"]
    common += ["--exp", tmp_path / "exp"]
    grid = ["--configs", f"er={tmp_path}/er.yaml,sv={tmp_path}/sv.yaml", "--lrs", "1e-2", "1e30"]
    for job in (1, 2):
        run(superb_train, *common, *grid, "--num_jobs", 2, "--job", job, "--max_bad_steps", 2)
    assert (tmp_path / "exp/sv/lr_1e30/failed.txt").is_file()
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "exp").rglob("*") if p.is_file()}
    run(superb_train, *common, *grid, "--max_bad_steps", 2)  # nothing is left to do
    after = {p: p.stat().st_mtime_ns for p in (tmp_path / "exp").rglob("*") if p.is_file()}
    assert before == after
    out = tmp_path / "scores"
    run(superb_evaluate, *common, "--tasks", "er", "sv", "--out", out, "--system", "toy")
    [er] = read_results(out / "er/results.json").results
    assert er.value > 0.8 and er.scored["learning_rate"] == "1e-2"
    assert len(er.scored["by_fold"]) == 2 and er.scored["num_test"] == 24
    assert er.scored["layer_weights"] == [1.0]
    eer, cost = read_results(out / "sv/results.json").results
    assert (eer.metric, cost.metric) == ("superb_sv_eer", "superb_sv_min_dcf")
    assert eer.value < 0.4 and eer.interval[0] <= eer.value <= eer.interval[1]
    assert eer.scored["valid_scores"]["1e30"] is None
    assert eer.scored["num_trials"] == 66
