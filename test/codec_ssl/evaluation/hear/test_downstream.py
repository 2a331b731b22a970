"""The protocol: HEAR's splits, one choice for all of them, and scores that can be told apart."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.evaluation.hear.downstream import Grid, Protocol, run
from codec_ssl.evaluation.hear.embeddings import Embeddings
from codec_ssl.evaluation.hear.mlp import Schedule
from codec_ssl.evaluation.hear.tasks import (
    HearTask,
    Labelled,
    Split,
    find_sets,
    label_sets,
    read_task,
    splits_of,
    task_names,
)

QUICK = Protocol(
    Grid(hidden_dim=(16,), lr=(1e-2,), points=2),
    Schedule(max_epochs=12, patience=2, batch_size=32),
    num_resamples=200,
)


def labelled(num_sounds, seed, noise):
    rng = np.random.default_rng(seed)
    targets = rng.integers(3, size=num_sounds)
    vectors = 2 * np.eye(3, 6)[targets] + noise * rng.normal(size=(num_sounds, 6))
    utts = [f"u{seed}-{number}" for number in range(num_sounds)]
    return Labelled(utts, vectors.astype(np.float32), targets)


def folds(noise=0.3, sizes=(30, 32, 34, 36)):
    return {f"fold{n:02d}": labelled(size, n, noise) for n, size in enumerate(sizes)}


def test_every_fold_is_tested_once_and_the_next_one_validates():
    assert splits_of(["fold02", "fold00", "fold01", "fold03"]) == [
        Split(("fold02", "fold03"), "fold01", "fold00"),
        Split(("fold00", "fold03"), "fold02", "fold01"),
        Split(("fold00", "fold01"), "fold03", "fold02"),
        Split(("fold01", "fold02"), "fold00", "fold03"),
    ]
    assert splits_of(["test", "train", "valid"]) == [Split(("train",), "valid", "test")]


@pytest.mark.parametrize("names", [["fold00", "fold01"], ["train", "test"], ["a", "b", "c"]])
def test_other_sets_are_refused(names):
    with pytest.raises(ConfigError, match="three folds or more"):
        splits_of(names)


def test_scores_are_means_over_folds_and_seeds_with_an_interval_around():
    protocol = Protocol(QUICK.grid, QUICK.schedule, seeds=(0, 1), num_resamples=300)
    task = HearTask("toy", "label", ("accuracy", "map"))
    found = run(task, folds(noise=1.0), ["a", "b", "c"], protocol)
    for metric in task.metrics:
        by_fold = found.by_split[metric]
        assert sorted(by_fold) == ["fold00", "fold01", "fold02", "fold03"]
        assert found.scores[metric] == pytest.approx(np.mean(list(by_fold.values())))
        assert found.scores[metric] == pytest.approx(np.mean(found.by_seed[metric]))
        low, high = found.intervals[metric]
        assert 0.4 < low < found.scores[metric] < high < 1
    assert (found.num_train, found.num_test, len(found.chosen)) == (34 + 36, 132, 2)
    assert 0.4 < found.valid_score <= 1


def test_labels_that_embeddings_tell_are_found_and_others_are_not():
    task = HearTask("toy", "label")
    told = run(task, folds(), ["a", "b", "c"], QUICK)
    assert told.scores["accuracy"] > 0.9
    assert 0.2 < told.majority < 0.5
    rng = np.random.default_rng(0)
    mixed = {
        name: Labelled(each.utt_ids, each.vectors, rng.permutation(each.targets))
        for name, each in folds().items()
    }
    assert run(task, mixed, ["a", "b", "c"], QUICK).scores["accuracy"] < 0.6


def test_several_labels_a_sound_are_scored_by_average_precision():
    rng = np.random.default_rng(0)

    def made(count):
        vectors = rng.normal(size=(count, 6)).astype(np.float32)
        return Labelled([f"u{n}" for n in range(count)], vectors, vectors[:, :3] > 0.5)

    sets = {name: made(count) for name, count in (("train", 300), ("valid", 60), ("test", 80))}
    task = HearTask("toy", "label", ("map",), multilabel=True)
    found = run(task, sets, ["a", "b", "c"], QUICK)
    assert found.scores["map"] > 0.7 and found.majority is None
    assert list(found.by_split["map"]) == ["test"]


def write(path, labels, *others):
    wav = {utt: f"/nowhere/{utt}.wav" for utt in (*labels, *others)}
    return DataDir.write(path, wav=wav, utt2spk={u: u for u in wav}, labels={"label": labels})


def embedded(*utt_ids):
    return Embeddings(list(utt_ids), np.arange(len(utt_ids), dtype=np.float32)[:, None])


def test_labels_and_embeddings_meet_by_utterance(tmp_path):
    sets = {
        "train": write(tmp_path / "train", {"u1": "10", "u2": "9", "u3": "100"}),
        "valid": write(tmp_path / "valid", {"v1": "9", "v3": "10"}, "v2"),
        "test": write(tmp_path / "test", {"w1": "11"}, "w2"),
    }
    found = {
        "train": embedded("u1", "u3"),
        "valid": embedded("v1", "v2", "v3"),
        "test": embedded("w1"),
    }
    classes, made = label_sets(HearTask("toy", "label"), sets, found)
    # Numbers in their order; classes of all sets, as in HEAR.
    assert classes == ["9", "10", "11", "100"]
    assert made["train"].utt_ids == ["u1", "u3"] and made["train"].targets.tolist() == [1, 3]
    assert made["valid"].vectors[:, 0].tolist() == [0, 2]  # v2 has no label
    assert made["test"].targets.tolist() == [2]
    found["test"] = embedded("w2")
    with pytest.raises(DataError, match="no usable sound has a label"):
        label_sets(HearTask("toy", "label"), sets, found)


def test_a_sound_that_is_in_two_sets_is_refused(tmp_path):
    sets = {
        name: write(tmp_path / name, {utt: "a", f"{name}-1": "b"})
        for name, utt in (("train", "u1"), ("valid", "u2"), ("test", "u1"))
    }
    found = {name: embedded(*data_dir.utt_ids) for name, data_dir in sets.items()}
    with pytest.raises(DataError, match=r"test: utterance u1 is in .*train too"):
        label_sets(HearTask("toy", "label"), sets, found)


def test_several_labels_of_a_sound_stand_in_one_line(tmp_path):
    sets = {"train": write(tmp_path / "train", {"u1": "dog cat", "u2": "cat", "u3": "cow"})}
    task = HearTask("toy", "label", ("map",), multilabel=True)
    classes, made = label_sets(task, sets, {"train": embedded("u1", "u2", "u3")})
    assert classes == ["cat", "cow", "dog"]
    assert made["train"].targets.tolist() == [[1, 0, 1], [1, 0, 0], [0, 1, 0]]


def test_every_task_of_the_paper_is_there_as_hear_has_it():
    tasks = {name: read_task(name) for name in task_names()}
    hear = ("nsynth_pitch", "speech_commands", "crema_d", "fsd50k", "esc50", "gtzan")
    assert [tasks[name].seconds for name in hear] == [4, 1, 5, None, 5, 30]
    assert [tasks[name].metrics[0] for name in hear] == [
        *("accuracy", "accuracy", "accuracy", "map", "accuracy", "accuracy"),
    ]
    assert [name for name in hear if tasks[name].multilabel] == ["fsd50k"]


def test_tasks_come_from_files_of_ones_own_or_any_label(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("label: mood\nmetrics: [accuracy, map]\nseconds: 2.5\n")
    assert read_task(str(path)) == HearTask("mine", "mood", ("accuracy", "map"), seconds=2.5)
    assert read_task("label=mood") == HearTask("mood", "mood", data="")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("metrics: [accuracy]", "missing 1 required"),
        ("label: a\nmetrics: [f1]", "expected some of"),
        ("label: a\nmultilabel: true", "not for multilabel True"),
        ("label: a\nlength: 3", "unknown options length"),
        ("- a", "expected a task"),
    ],
)
def test_wrong_task_files_say_what_is_wrong(tmp_path, content, message):
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_task(str(path))


def test_a_task_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match=r"no task 'esc99': expected one of \['crema_d'"):
        read_task("esc99")


def test_sets_are_found_in_their_folder(tmp_path):
    labels = {"u1": "a"}
    with pytest.raises(DataError, match="there is no train"):
        find_sets(tmp_path)
    for name in ("train", "valid", "test"):
        write(tmp_path / name, labels)
    assert list(find_sets(tmp_path)) == ["train", "valid", "test"]
    for number in range(3):
        write(tmp_path / "folds" / f"fold{number:02d}", labels)
    write(tmp_path / "folds" / "train", labels)  # what they were made of
    assert list(find_sets(tmp_path / "folds")) == ["fold00", "fold01", "fold02"]
    write(tmp_path / "fold00", labels)
    with pytest.raises(DataError, match="found both"):
        find_sets(tmp_path)


def test_a_linear_head_scores_as_scikit_learns_regression_of_the_same_strength_on_train_and_valid():
    sets = folds(noise=1.5)
    found = run(HearTask("toy", "label"), sets, ["a", "b", "c"], Protocol(head="linear"))
    rights = []
    for split, chosen in zip(splits_of(list(sets)), found.chosen, strict=True):
        vectors, targets = (
            np.concatenate([getattr(sets[name], what) for name in (*split.train, split.valid)])
            for what in ("vectors", "targets")
        )
        mean, scale = vectors.mean(0), vectors.std(0)
        model = LogisticRegression(C=1 / (len(targets) * chosen["strength"]), max_iter=1000)
        model.fit((vectors - mean) / scale, targets)
        test = sets[split.test]
        rights.append(model.score((test.vectors - mean) / scale, test.targets))
    assert found.scores["accuracy"] == pytest.approx(np.mean(rights), abs=0.01)
    assert 0.5 < found.scores["accuracy"] < 1


def test_a_linear_head_refuses_several_labels_a_sound_and_several_seeds():
    many = HearTask("toy", "label", ("map",), multilabel=True)
    with pytest.raises(ConfigError, match="one label a sound"):
        run(many, folds(), ["a", "b", "c"], Protocol(head="linear"))
    with pytest.raises(ConfigError, match="one seed"):
        Protocol(head="linear", seeds=(0, 1))
    with pytest.raises(ConfigError, match="head is one of"):
        Protocol(head="forest")
