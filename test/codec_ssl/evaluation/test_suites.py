"""Suites: what corpora allow, and that their names are those of the recipes' own scripts."""

import re
from pathlib import Path

import pytest
import superb_corpora

from codec_ssl.errors import ConfigError
from codec_ssl.evaluation.suites import NAMES, SCALES, Corpus, get_suite

ROOT = Path(__file__).resolve().parents[3]
SUPERB = get_suite("superb", "public")


def test_a_corpus_lacks_what_its_variable_or_its_folder_lacks(tmp_path: Path):
    corpus = Corpus("BOOKS", (("a.txt", "inside/a.txt"), ("wav*",)))
    assert corpus.lack({}) == corpus.lack({"BOOKS": ""}) == "BOOKS is not set"
    given = {"BOOKS": str(tmp_path)}
    assert corpus.lack({"BOOKS": f"{tmp_path}/x"}) == f"BOOKS={tmp_path}/x is not there"
    (tmp_path / "wav1").mkdir()
    assert corpus.lack(given) == f"BOOKS={tmp_path} has no a.txt or inside/a.txt"
    superb_corpora.lines(tmp_path / "inside" / "a.txt", "x")
    assert corpus.lack(given) is None


def test_the_public_layouts_of_superbs_corpora_are_known(tmp_path: Path):
    """Given as the folder or the one above, where the reader takes either."""
    given = {
        "SPEECH_COMMANDS": superb_corpora.speech_commands(tmp_path / "ks"),
        "QUESST14": superb_corpora.quesst14(tmp_path / "qbe"),
        "VOXCELEB1": superb_corpora.voxceleb1(tmp_path / "vox"),
        "LIBRIMIX": superb_corpora.librimix(tmp_path / "sd") / "data",
        "IEMOCAP": superb_corpora.iemocap(tmp_path / "er", ("neu",)),
        "FLUENT": superb_corpora.fluent(tmp_path / "ic") / "fluent_speech_commands_dataset",
        "AUDIO_SNIPS": superb_corpora.snips(tmp_path / "sf"),
    }
    environment = {name: str(path) for name, path in given.items()}
    lacks = SUPERB.lacks(environment)
    assert {task for task, lack in lacks.items() if lack} == {"pr", "asr"}
    (given["VOXCELEB1"] / "veri_test2.txt").unlink()
    lacks = SUPERB.lacks(environment)
    assert lacks["sid"] is None and "voxceleb1_test_v2.txt" in str(lacks["sv"])


def test_tasks_of_one_corpus_stand_together():
    assert SUPERB.groups(["pr", "asr", "ks", "sid", "sv"]) == [["pr", "asr"], ["ks"], ["sid", "sv"]]
    assert get_suite("superb", "mini").groups(["ks", "sid"]) == [["ks", "sid"]]


@pytest.mark.parametrize("name", ["superb", "hear"])
def test_the_variables_are_those_that_the_recipe_reads(name: str):
    suite = get_suite(name, "public")
    script = (ROOT / str(suite.recipe) / "local" / "data.sh").read_text()
    read = set(re.findall(r"[$]{([A-Z][A-Z0-9_]*):-", script)) - {"LIBRIMIX_AUDIO"}
    assert {corpus.variable for needed in suite.tasks.values() for corpus in needed} == read


@pytest.mark.parametrize("name", NAMES)
def test_every_suite_is_run_by_a_recipe_that_is_there(name: str):
    for scale in SCALES:
        try:
            suite = get_suite(name, scale)
        except ConfigError as error:
            assert name == "probe" and "--scale mini" in str(error)
            continue
        assert suite.recipe is None or (ROOT / suite.recipe).is_dir()
