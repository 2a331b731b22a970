"""egs2/mls/tok1/local/data.sh on tiny copies of the two corpora's layouts."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from toy_mls import make_mls

from codec_ssl.data.data_dir import DataDir

pytestmark = [pytest.mark.plan]

RECIPE = Path(__file__).resolve().parents[2] / "egs2/mls/tok1"


def make_librispeech(root: Path) -> None:
    for number, part in enumerate(("train-clean-100", "dev-clean", "test-clean")):
        folder = root / part / f"{10 + number}" / "7"
        folder.mkdir(parents=True)
        for index in range(3):
            utt = f"{10 + number}-7-{index:04d}"
            soundfile.write(folder / f"{utt}.flac", np.zeros(1600), 16000)
        lines = [f"{10 + number}-7-{index:04d} SOME WORDS\n" for index in range(3)]
        (folder / f"{10 + number}-7.trans.txt").write_text("".join(lines))
    (root / "SPEAKERS.TXT").write_text(";ID |SEX|\n10 | F |\n")


def test_three_languages_become_sets_of_their_own_and_together(tmp_path: Path):
    make_librispeech(tmp_path / "LibriSpeech")
    make_mls(tmp_path / "mls corpus", ["french", "spanish"])
    env = {**os.environ, "LIBRISPEECH": str(tmp_path / "LibriSpeech"), "MLS": ""}
    command = ["bash", "local/data.sh", "--datadir", str(tmp_path / "a data")]

    def run(*options: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [*command, *options], cwd=RECIPE, env=env, capture_output=True, text=True, check=False
        )

    without = run()
    assert without.returncode == 1 and "MLS=DIR" in without.stderr
    done = run("--mls", str(tmp_path / "mls corpus"), "--hours", "0.02")
    assert done.returncode == 0, done.stderr
    sizes = {path.name: len(DataDir(path)) for path in (tmp_path / "a data").glob("*_*")}
    assert sizes == {
        "librispeech_train": 3,
        "librispeech_dev_clean": 3,
        "librispeech_test_clean": 3,
        **{f"{lang}_train": 2 for lang in ("french", "spanish")},
        **{f"{lang}_{part}": 4 for lang in ("french", "spanish") for part in ("dev", "test")},
    }
    for name, parts in {"train": "train", "valid": "dev"}.items():
        whole = DataDir(tmp_path / "a data" / name)
        assert len(whole) == sum(n for each, n in sizes.items() if f"_{parts}" in each)
