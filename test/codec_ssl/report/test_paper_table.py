"""Paper tables: published beside ours, a dash for not run, blank for not known."""

import subprocess
import sys

import pytest
import yaml

from codec_ssl.errors import ConfigError
from codec_ssl.report.paper_table import Column, Published, Row, Table, check, find_ours, load_paper
from codec_ssl.report.render import paper_table, render
from codec_ssl.report.results import Result, write_results

PAPER = {
    "paper": "toy",
    "title": "Toy",
    "sources": {"paper": "the paper"},
    "tables": {
        "I": {
            "title": "Errors",
            "columns": [
                {"name": "WER", "metric": "wer", "unit": "percent", "better": "lower"},
                {"name": "ACC", "metric": "acc", "unit": "percent", "better": "higher"},
            ],
            "rows": [
                {"name": "outside", "reference": "not ours", "published": {}},
                {
                    "name": "ours",
                    "recipe": "egs2/x/ssl1",
                    "config": "conf/train.yaml",
                    "match": {"codec": "dac"},
                    "published": {"WER": {"value": 7.25, "source": "paper", "confidence": "H"}},
                },
            ],
        }
    },
}


@pytest.fixture
def paper_file(tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(PAPER))
    return path


def result(value, metric="wer", **scored):
    base = {"recipe": "egs2/x/ssl1", "config": "/somewhere/conf/train.yaml", "codec": "dac"}
    return Result(metric, value, "fraction", {**base, **scored})


@pytest.fixture
def as_file(tmp_path):
    return lambda results: results_file(tmp_path, results)


def results_file(tmp_path, results):
    return write_results(tmp_path / "results.json", results, 1.0)


def test_published_stands_beside_ours(tmp_path, paper_file):
    table = load_paper(paper_file).table("I")
    file = results_file(tmp_path, [result(0.0731), result(0.5, codec="encodec")])
    assert paper_table(table, [file]).splitlines()[2:6] == [
        "system   WER ↓  ours  ACC ↑  ours",
        "-------  -----  ----  -----  ----",
        "outside            –            –",
        "ours      7.25  7.31            –",
    ]


def test_not_run_is_a_dash_and_not_known_is_blank(paper_file):
    table = load_paper(paper_file).table("I")
    rows = paper_table(table, [], "markdown").splitlines()
    assert rows[4] == "| outside |  | – |  | – |"
    assert rows[5] == "| ours | 7.25 | – |  | – |"


def test_ours_is_the_best_layer_of_each_run_then_the_mean_over_runs(as_file):
    row = Row("a", recipe="egs2/x/ssl1", config="conf/train.yaml")
    column = Column("WER", "wer", "percent", "lower")
    results = [
        result(value, layer=layer, exp=exp)
        for exp, values in {"one": (0.3, 0.2), "two": (0.1, 0.4)}.items()
        for layer, value in enumerate(values)
    ]
    ours = find_ours(row, column, [as_file(results)])
    assert (ours.value, ours.num_runs) == (pytest.approx(15.0), 2)
    assert ours.deviation == pytest.approx(7.0710678)
    higher = Column("ACC", "wer", "percent", "higher")
    assert find_ours(row, higher, [as_file(results)]).value == pytest.approx(35.0)


@pytest.mark.parametrize(
    "other", [{"recipe": "egs2/y/ssl1"}, {"config": "conf/other.yaml"}, {"codec": "encodec"}]
)
def test_results_of_another_recipe_config_or_codec_are_not_ours(other, as_file):
    row = Row("a", recipe="egs2/x/ssl1", config="conf/train.yaml", match={"codec": "dac"})
    column = Column("WER", "wer", "percent", "lower")
    assert find_ours(row, column, [as_file([result(0.1, **other)])]) is None
    assert find_ours(row, column, [as_file([result(0.1)])]).value == pytest.approx(10)


def test_a_number_alone_has_the_source_and_confidence_of_its_table(tmp_path):
    table = {**PAPER["tables"]["I"], "published": {"source": "paper", "confidence": "M"}}
    rows = [
        {
            "name": "a",
            "reference": "r",
            "published": {"WER": 7.5, "ACC": {"value": 9, "confidence": "L"}},
        }
    ]
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump({**PAPER, "tables": {"I": {**table, "rows": rows}}}))
    (row,) = load_paper(path).table("I").rows
    assert row.published["WER"] == Published(7.5, "paper", "M")
    assert row.published["ACC"] == Published(9, "paper", "L")


def test_a_bound_is_shown_as_one(tmp_path):
    column = Column("WER", "wer", "percent", "lower")
    row = Row("a", {"WER": Published(100, "paper", "H", above=True)}, reference="r")
    assert paper_table(Table("I", "t", [column], [row]), []).splitlines()[4].split() == [
        "a",
        ">100",
        "–",
    ]


def test_a_column_asks_for_what_was_scored_and_a_row_may_ask_for_more(as_file):
    row = Row("a", recipe="egs2/x/ssl1", config="conf/train.yaml", match={"tokenizer": "vq"})
    other = Column("other", "wer", "percent", "lower", match={"set": "test_other"})
    clean = Column("clean", "wer", "percent", "lower", match={"set": "test_clean"})
    file = as_file(
        [
            result(0.2, set="test_other", tokenizer="vq"),
            result(0.1, set="test_clean", tokenizer="vq"),
            result(0.05, set="test_clean", tokenizer="kmeans"),
        ]
    )
    assert find_ours(row, other, [file]).value == pytest.approx(20)
    assert find_ours(row, clean, [file]).value == pytest.approx(10)


def test_a_column_may_be_scored_by_another_recipe_with_its_own_config(as_file):
    row = Row("ours", recipe="egs2/x/tok1", config="conf/train_vq.yaml", match={"tokenizer": "vq"})
    other = {"recipe": "egs2/x/asr2", "config": "conf/train_asr.yaml"}
    column = Column("WER", "wer", "percent", "lower", **other)
    ours = {"recipe": "egs2/x/asr2", "config": "train_asr.yaml", "tokenizer": "vq"}
    found = find_ours(row, column, [as_file([result(0.1, **ours)])])
    assert found.value == pytest.approx(10)
    for wrong in ({"tokenizer": "kmeans"}, {"config": "train_vq.yaml"}, {"recipe": "egs2/y/asr2"}):
        assert find_ours(row, column, [as_file([result(0.1, **{**ours, **wrong})])]) is None


def test_a_tokenizer_without_a_training_config_is_found_by_its_name(as_file):
    row = Row("k-means", recipe="egs2/x/tok1", config="conf/a.yaml", match={"tokenizer": "kmeans"})
    column = Column("PNMI", "wer", "percent", "higher")
    scored = {"recipe": "egs2/x/tok1", "config": None}
    found = find_ours(row, column, [as_file([result(0.2, tokenizer="kmeans", **scored)])])
    assert found.value == pytest.approx(20)
    assert find_ours(row, column, [as_file([result(0.2, tokenizer="vq", **scored)])]) is None


def test_a_codec_that_was_there_already_is_found_by_its_name(as_file):
    row = Row("theirs", recipe="egs2/x/ssl1", config="conf/a.yaml", match={"codec": "hub"})
    column = Column("MCD", "wer", "fraction", "lower")
    scored = {"codec": "hub", "config": None, "set": "test"}
    assert find_ours(row, column, [as_file([result(0.2, **scored)])]).value == 0.2
    # What was made of its codes, such as a probe, has no set.
    for other in ({"codec": "dac"}, {"config": "conf/b.yaml"}, {"set": None}):
        assert find_ours(row, column, [as_file([result(0.2, **scored | other)])]) is None


def test_a_unit_that_does_not_fit_is_refused(as_file):
    row = Row("a", recipe="egs2/x/ssl1", config="conf/train.yaml")
    column = Column("H", "wer", "hours", "lower")
    with pytest.raises(ConfigError, match="expected unit hours"):
        find_ours(row, column, [as_file([result(0.1)])])


def make_recipe(root, config=True):
    folder = root / "egs2" / "x" / "ssl1"
    (folder / "conf").mkdir(parents=True)
    (folder / "run.sh").touch()
    if config:
        (folder / "conf" / "train.yaml").touch()


def test_check_accepts_what_is_there(tmp_path, paper_file):
    make_recipe(tmp_path)
    assert check(load_paper(paper_file), tmp_path) == []


def test_check_refuses_a_missing_recipe_and_a_missing_config(tmp_path, paper_file):
    paper = load_paper(paper_file)
    problems = check(paper, tmp_path)
    assert any("recipe egs2/x/ssl1 doesn't exist" in problem for problem in problems)
    make_recipe(tmp_path, config=False)
    (problem,) = check(paper, tmp_path)
    assert "config egs2/x/ssl1/conf/train.yaml doesn't exist" in problem


def change(paper_file, edit):
    contents = yaml.safe_load(paper_file.read_text())
    edit(contents["tables"]["I"])
    paper_file.write_text(yaml.safe_dump(contents))
    return load_paper(paper_file)


def test_a_planned_recipe_must_be_missing_and_an_unplanned_one_there(tmp_path, paper_file):
    make_recipe(tmp_path)

    def plan(table, recipe, planned):
        table["columns"][0].update(recipe=recipe, planned=planned)

    known, unknown = "egs2/x/ssl1", "egs2/y/later1"
    assert check(change(paper_file, lambda t: plan(t, unknown, True)), tmp_path) == []
    (problem,) = check(change(paper_file, lambda t: plan(t, unknown, False)), tmp_path)
    assert "doesn't exist" in problem
    (problem,) = check(change(paper_file, lambda t: plan(t, known, True)), tmp_path)
    assert "exists but is marked planned" in problem


def test_a_row_needs_a_recipe_or_a_reason_and_not_both(tmp_path, paper_file):
    make_recipe(tmp_path)
    paper = change(paper_file, lambda t: t["rows"][0].pop("reference"))
    assert "no reason in 'reference'" in check(paper, tmp_path)[0]
    paper = change(paper_file, lambda t: t["rows"][0].update(reference="x", recipe="egs2/x/ssl1"))
    assert "reference only" in check(paper, tmp_path)[0]


def test_wrong_entries_are_refused_with_the_file_name(paper_file):
    with pytest.raises(ConfigError, match=r"toy\.yaml.*no columns \['PER'\]"):
        cell = {"value": 1, "source": "paper", "confidence": "H"}
        change(paper_file, lambda t: t["rows"][1]["published"].update(PER=cell))
    with pytest.raises(ConfigError, match=r"no paper 'nobody'.*codec2vec"):
        load_paper("nobody")
    with pytest.raises(ConfigError, match=r"toy\.yaml"):
        paper_file.write_text("tables: 3")
        load_paper(paper_file)


def test_an_unknown_table_lists_the_known_ones(paper_file):
    paper_file.write_text(yaml.safe_dump(PAPER))
    with pytest.raises(ConfigError, match=r"\['I'\], found IX"):
        load_paper(paper_file).table("IX")


def test_html_escapes_cells():
    page = render(["a", "b"], [["x<y", "1"]], "html", title="A & B", notes=["<i>"])
    assert "<td>x&lt;y</td>" in page
    assert "<caption>A &amp; B</caption>" in page
    assert "<li>&lt;i&gt;</li>" in page


def test_an_unknown_style_is_refused():
    with pytest.raises(ValueError, match="pdf"):
        render(["a"], [], "pdf")


def test_command_line_prints_the_table(tmp_path, paper_file):
    results_file(tmp_path / "exp", [result(0.0731)])
    command = [sys.executable, "-m", "codec_ssl.bin.paper_table", paper_file, "I", tmp_path / "exp"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "ours      7.25  7.31" in done.stdout
    command[4] = "IX"
    failed = subprocess.run(command, capture_output=True, text=True)
    assert failed.returncode == 1
    assert "error:" in failed.stderr
    assert "Traceback" not in failed.stderr
