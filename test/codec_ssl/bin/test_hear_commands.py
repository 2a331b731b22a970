"""HEAR's commands: from data dirs to results, the table of the report and that of the paper."""

import json

import pytest
import toy_waves

from codec_ssl.bin import hear_embed, hear_evaluate, hear_validate, prepare_data, report
from codec_ssl.errors import ConfigError
from codec_ssl.report import hear
from codec_ssl.report.paper_table import Column, Row, find_ours
from codec_ssl.report.results import Result, read_results, write_results

QUICK = (
    "--hidden_dim",
    32,
    "--grid_points",
    1,
    "--max_epochs",
    45,
    "--patience",
    5,
    "--batch_size",
    16,
)


@pytest.fixture(scope="module")
def sounds(tmp_path_factory, call):
    folder = tmp_path_factory.mktemp("some sounds")
    call(prepare_data, "sounds", "--out_dir", folder, "--sets", "notes", "scenes")
    return folder


def evaluate(call, sounds, root, task, data, *options):
    out = root / "exp" / f"{task}{len(list(root.rglob('results.json')))}"
    call(
        hear_evaluate, "--encoder", "logmel", "--task", task, "--data_dirs", sounds / data,
        "--cache", root / "cache", "--out", out, *QUICK, *options,
    )  # fmt: skip
    return read_results(out / "results.json")


def test_notes_are_told_apart_by_their_spectra_and_all_is_recorded(call, sounds, tmp_path, capsys):
    options = ("--pooling", "mean_std", "--system", "log-mel", "--role", "baseline")
    more = ("--recipe", "egs2/x/hear1", "--config", "conf/toy.yaml", "--seeds", 0, 1)
    file = evaluate(call, sounds, tmp_path, "notes_instrument", "notes", *options, *more)
    [result] = file.results
    told = {key: result.scored[key] for key in ("task", "system", "role", "layer", "pooling")}
    assert told == {
        "task": "notes_instrument",
        "system": "log-mel",
        "role": "baseline",
        "layer": 0,
        "pooling": "mean_std",
    }
    assert result.metric == "hear_accuracy" and result.unit == "fraction"
    assert result.value > 0.6 and result.interval[0] < result.value < result.interval[1] + 1e-9
    assert result.scored["num_classes"] == 8 and len(result.scored["by_seed"]) == 2
    assert "notes_instrument hear_accuracy" in capsys.readouterr().out
    row = Row("log-mel", recipe="egs2/x/hear1", config="conf/toy.yaml")
    match = {"task": "notes_instrument"}
    column = Column("notes", "hear_accuracy", "percent", "higher", match=match)
    assert find_ours(row, column, [file]).value == pytest.approx(100 * result.value)


def test_jobs_make_what_the_evaluation_takes(call, sounds, tmp_path):
    common = ("--encoder", "logmel", "--task", "notes_pitch", "--cache", tmp_path / "cache")
    made = []
    for job in (1, 2):
        given = ("--data_dirs", sounds / "notes", "--job", job, "--num_jobs", 2)
        call(hear_embed, *common, *given)
        made.append(len(list((tmp_path / "cache").rglob("*.safetensors"))))
    assert 0 < made[0] < made[1]  # each makes some, though every set is of one part
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").rglob("*.safetensors")}
    assert len(before) == 3
    evaluate(call, sounds, tmp_path, "notes_pitch", "notes")
    assert before == {p: p.stat().st_mtime_ns for p in (tmp_path / "cache").rglob("*.safetensors")}


def test_the_report_has_one_table_of_systems_by_tasks(call, sounds, tmp_path):
    for pooling in ("mean", "mean_std"):
        options = ("--system", f"log-mel {pooling}", "--pooling", pooling)
        evaluate(call, sounds, tmp_path, "notes_pitch", "notes", *options)
    options = ("--system", "log-mel mean", "--pooling", "mean")
    evaluate(call, sounds, tmp_path, "scenes", "scenes", *options)
    call(report, "--expdir", tmp_path / "exp", "--out", tmp_path / "report")
    text = (tmp_path / "report/REPORT.md").read_text()
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|")]
    cells = {row[0].strip(): [cell.strip() for cell in row[1:]] for row in rows}
    assert cells["system"] == [
        "notes pitch, accuracy %", "notes pitch, chroma accuracy %", "scenes, mAP %",
    ]  # fmt: skip
    assert cells["log-mel mean_std"][2] == "–"
    assert "[" in cells["log-mel mean"][2] and "**" in cells["log-mel mean"][2]
    assert float(cells["most frequent class"][0]) < 30 and cells["most frequent class"][2] == ""
    assert "How it was made" not in text and "3 runs" in text


def test_of_several_layers_tables_show_the_one_that_is_best_on_the_valid_set(tmp_path):
    def result(value, valid, layer):
        told = {"system": "m", "task": "notes", "recipe": "egs2/x/hear1", "config": "c.yaml"}
        scored = {**told, "exp": "exp/m", "layer": layer, "valid_score": valid}
        return Result("hear_accuracy", value, "fraction", scored)

    for layer, values in enumerate([(0.9, 0.1), (0.5, 0.8), (0.7, 0.3)]):
        write_results(tmp_path / str(layer) / "results.json", [result(*values, layer)], 0.0)
    files = [read_results(path) for path in sorted(tmp_path.rglob("results.json"))]
    rows = hear.table([each for file in files for each in file.results])
    assert rows[1] == ["m", "**50.0**"]
    row = Row("m", recipe="egs2/x/hear1", config="conf/c.yaml")
    column = Column("notes", "hear_accuracy", "percent", "higher")
    assert find_ours(row, column, files).value == pytest.approx(50)


def test_wrong_options_say_what_was_expected(call, sounds, tmp_path):
    with pytest.raises(ConfigError, match="expected a folder or name=DIR"):
        call(
            hear_evaluate, "--encoder", "logmel", "--task", "events", "--data_dirs", "nosuch",
            "--cache", tmp_path, "--out", tmp_path,
        )  # fmt: skip
    with pytest.raises(ConfigError, match="three folds or more"):
        given = f"train={sounds}/notes/train,test={sounds}/notes/test"
        call(
            hear_evaluate, "--encoder", "logmel", "--task", "notes_pitch", "--data_dirs", given,
            "--cache", tmp_path, "--out", tmp_path,
        )  # fmt: skip


def test_the_validators_command_passes_with_a_model_file(call, tmp_path, capsys):
    pytest.importorskip("hearvalidator", reason="HEAR's validator is not installed")
    codec_file = toy_waves.make_codec(tmp_path / "codec")
    toy_waves.make_exp(tmp_path, codec_file)
    content = {"encoder": "exp", "codec": "codec/toy.pth"}
    (tmp_path / "model.yaml").write_text(json.dumps(content))
    call(hear_validate, "--model", tmp_path / "model.yaml")
    assert "Looks good!" in capsys.readouterr().out
