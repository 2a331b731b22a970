"""Which learning rate a task is scored with."""

import json

import pytest

from codec_ssl.errors import DataError
from codec_ssl.evaluation.superb.classification import EmotionRecognition, KeywordSpotting
from codec_ssl.evaluation.superb.grid import FAILED, FINISHED, Training, choose, folds_of
from codec_ssl.evaluation.superb.verification import SpeakerVerification


def write(exp, name, values, metric="accuracy", mark=FINISHED):
    folder = exp / name
    folder.mkdir(parents=True)
    epochs = [{"epoch": n, "valid": {metric: value}} for n, value in enumerate(values, 1)]
    (folder / "history.json").write_text(json.dumps(epochs))
    if mark:
        (folder / mark).write_text("")


def test_the_rate_with_the_best_epoch_wins_and_of_equals_the_lower_one(tmp_path):
    for rate, values in {"1e-2": [0.5, 0.9, 0.2], "1e-3": [0.9, 0.8], "1e-4": [0.1]}.items():
        write(tmp_path, Training("ks", "", rate).name, values)
    write(tmp_path, "ks/lr_1e-1", [None, float("nan")])
    write(tmp_path, "ks/lr_1e0", [1.0], mark=FAILED)
    found = choose(tmp_path, KeywordSpotting)
    assert (found.rate, found.score) == ("1e-3", 0.9)
    assert found.by_rate == {"1e-4": 0.1, "1e-3": 0.9, "1e-2": 0.9, "1e-1": None, "1e0": None}


def test_only_the_rates_of_the_grid_are_compared(tmp_path):
    write(tmp_path, "ks/lr_1e-2", [0.5])
    write(tmp_path, "ks/lr_1e-3", [0.4])
    write(tmp_path, "ks/lr_1e-1", [0.9])
    write(tmp_path, "ks/lr_1e0", [0.9], mark=None)  # cut short, and not asked for any more
    assert choose(tmp_path, KeywordSpotting, ["1e-2", "1e-3"]).by_rate == {"1e-3": 0.4, "1e-2": 0.5}
    with pytest.raises(DataError, match=r"lr_1e-4: expected a finished training"):
        choose(tmp_path, KeywordSpotting, ["1e-2", "1e-4"])


def test_of_errors_the_least_is_the_best(tmp_path):
    for rate, value in {"1e-3": 0.3, "1e-4": 0.2}.items():
        write(tmp_path, f"sv/lr_{rate}", [value], "eer")
    assert choose(tmp_path, SpeakerVerification).rate == "1e-4"


def test_all_folds_have_one_rate_the_best_in_the_mean(tmp_path):
    for fold, values in {"fold1": (0.9, 0.5), "fold2": (0.1, 0.6), "fold10": (0.1, 0.1)}.items():
        for rate, value in zip(("1e-3", "1e-4"), values, strict=True):
            write(tmp_path, f"er/{fold}/lr_{rate}", [value])
    assert folds_of(tmp_path / "er") == ["fold1", "fold2", "fold10"]
    found = choose(tmp_path, EmotionRecognition)
    assert (found.rate, found.score) == ("1e-4", pytest.approx(0.4))


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=r"ks: expected data of a task.*stage 'data'"):
        choose(tmp_path, KeywordSpotting)
    (tmp_path / "ks").mkdir()
    with pytest.raises(DataError, match=r"expected trainings, found none.*stage 'train'"):
        choose(tmp_path, KeywordSpotting)
    write(tmp_path, "ks/lr_1e-3", [0.5], mark=None)
    with pytest.raises(DataError, match=r"lr_1e-3: expected a finished training"):
        choose(tmp_path, KeywordSpotting)
    (tmp_path / "ks/lr_1e-3" / FAILED).write_text("")
    with pytest.raises(DataError, match=r"every training diverged, with rates 1e-3"):
        choose(tmp_path, KeywordSpotting)
