"""egs2/mini/hear1 end to end at its smallest size: its references, and a model of mae1."""

import os
from pathlib import Path

import pytest
from recipes import finish_recipe

from codec_ssl.report.results import find_results

BRIEF = [
    "--evaluate_args",
    "--hidden_dim 64 --lr 3.2e-3 --grid_points 1 --max_epochs 45 --patience 5 --batch_size 32",
]

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(2400)]


def run(folder: Path, *options: str) -> str:
    """Run the recipe with its output folders elsewhere; return what it logged."""
    return finish_recipe("mini/hear1", folder, "--size", "ci", *BRIEF, *options)


ALONE = [
    *("--encoders", "mean=logmel", "--references", "logmel"),
    *("--tasks", "notes_instrument events scenes"),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hear") / "a run"
    run(folder, *ALONE)
    return folder


def scores(folder: Path) -> dict[tuple[str, str, str], float]:
    return {
        (r.scored["system"], r.scored["task"], r.metric): r.value
        for _, file in find_results([folder / "exp/hear"])
        for r in file.results
    }


def test_a_run_ends_in_one_table_of_systems_by_tasks(finished: Path):
    found = scores(finished)
    assert {key[:2] for key in found} == {
        (system, task)
        for system in ("mean", "log-mel")
        for task in ("notes_instrument", "events", "scenes")
    }
    # Deviations tell more than means alone, and both more than nothing.
    assert found["log-mel", "events", "hear_accuracy"] > 0.5
    assert found["log-mel", "notes_instrument", "hear_accuracy"] > 0.5
    assert found["log-mel", "scenes", "hear_map"] > 0.4
    report = (finished / "exp/report/REPORT.md").read_text()
    assert "| log-mel |" in report and "| mean |" in report and "| most frequent class |" in report


def test_events_are_tested_in_every_fold(finished: Path):
    [result] = [
        r for _, file in find_results([finished / "exp/hear/log-mel/events"]) for r in file.results
    ]
    assert result.scored["folds"] == 5 == len(result.scored["by_set"])
    assert result.scored["num_test"] == 100
    assert result.scored["recipe"] == "egs2/mini/hear1"


def test_a_second_run_does_nothing_and_says_so(finished: Path):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    assert "nothing to do: every stage is current" in run(finished, *ALONE)
    after = {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}
    assert after == before


def test_models_and_their_references_are_rows_of_one_table(mini_mae1: Path, tmp_path: Path):
    exp = mini_mae1 / "exp"
    encoders = f"pretrained={exp / 'pretrain'},self-trained={exp / 'selftrain'}"
    codec = ["--codec", str(exp / "codec")]
    run(tmp_path, "--encoders", encoders, *codec, "--tasks", "notes_instrument events")
    found = scores(tmp_path)
    systems = {"pretrained", "self-trained", "log-mel", "codec latent", "untrained"}
    assert {key[:2] for key in found} == {
        (system, task) for system in systems for task in ("notes_instrument", "events")
    }
    report = (tmp_path / "exp/report/REPORT.md").read_text()
    assert all(f"| {system} |" in report for system in systems)


def test_the_public_validator_passes_with_a_trained_encoder(mini_mae1: Path):
    pytest.importorskip("hearvalidator", reason="HEAR's validator is not installed")
    from codec_ssl.evaluation.hear.validator import validate

    validate(str(mini_mae1 / "exp/selftrain"))


def test_without_an_encoder_one_is_trained_first(mini_mae1: Path, tmp_path: Path):
    codec = tmp_path / "codec"  # a list of options takes no folders with blanks
    codec.symlink_to(mini_mae1 / "exp/codec")
    brief = f"--codec {codec} --selftrain false --train_args --num_iters_per_epoch=2"
    model = ["--mae_exps", "pretrained=pretrain", "--mae_args", brief]
    model += ["--references", "untrained,untrained:1"]
    run(tmp_path, *model, "--codec", str(codec), "--tasks", "notes_instrument")
    assert {key[0] for key in scores(tmp_path)} == {"pretrained", "untrained", "untrained 1"}
    # the folders of embeddings are named after the weights
    first, second = (
        set(os.listdir(tmp_path / "dump" / name / "notes")) for name in ("untrained", "untrained_1")
    )
    assert first and second and first.isdisjoint(second)
    [result] = [
        r for _, file in find_results([tmp_path / "exp/hear/pretrained"]) for r in file.results
    ]
    assert result.scored["exp"] == str(tmp_path / "exp/mae1/pretrain")
