"""The data script of the study's recipes, egs2/{mls,audioset}/codec1, on tiny layouts."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from toy_mls import make_mls

from codec_ssl.data.corpora.mls import LANGUAGES
from codec_ssl.data.data_dir import DataDir

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(1200)]
RECIPES = Path(__file__).resolve().parents[2] / "egs2"


def make_audioset(root: Path) -> None:
    """Forty training clips and three for evaluation, one of which was not there any more."""
    for part, count in (("balanced_train", 40), ("eval", 3)):
        rows = [f'{part[:5]:_<7}{i:04d}, 30.000, 40.000, "/m/04rlf"\n' for i in range(count)]
        (root / part).mkdir(parents=True)
        (root / f"{part}_segments.csv").write_text("# YTID, ...\n" + "".join(rows))
        for row in rows[: count - (part == "eval")]:
            soundfile.write(root / part / f"Y{row[:11]}.wav", np.zeros(80000), 8000)


def make_single_speakers(root: Path) -> None:
    """LJSpeech and two languages of CSS10, 501 sentences each, without audio."""
    (root / "lj").mkdir()
    lines = [f"LJ001-{index:04d}|Words|words\n" for index in range(501)]
    (root / "lj/metadata.csv").write_text("".join(lines))
    for language in ("german", "spanish"):
        (root / "css10" / language).mkdir(parents=True)
        lines = [f"book/book_{index:04d}.wav|Words|words|1.0\n" for index in range(501)]
        (root / "css10" / language / "transcript.txt").write_text("".join(lines))


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("the corpora")
    make_mls(root / "mls", LANGUAGES)
    make_audioset(root / "audioset")
    make_single_speakers(root)
    return root


def make_data(
    corpora: Path, out: Path, coverage: str, *options: str, with_speakers: bool = False
) -> subprocess.CompletedProcess:
    recipe = RECIPES / ("audioset" if coverage == "multilingual_audio" else "mls") / "codec1"
    places = {"MLS": "mls", "AUDIOSET": "audioset"}
    if with_speakers:
        places |= {"LJSPEECH": "lj", "CSS10": "css10"}
    return subprocess.run(
        ["bash", "local/data.sh", "--datadir", str(out), "--size", coverage, *options],
        cwd=recipe,
        env=os.environ | {name: str(corpora / folder) for name, folder in places.items()},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("coverage", "train", "valid"), [("english", 4, 4), ("multilingual_audio", 32 + 36, 32 + 4)]
)
def test_a_coverage_becomes_sets_to_train_on_beside_the_sets_of_the_evaluation(
    corpora: Path, tmp_path: Path, coverage: str, train: int, valid: int
):
    done = make_data(corpora, tmp_path, coverage, with_speakers=True)
    assert done.returncode == 0, done.stderr
    parts = [DataDir(tmp_path / name) for name in ("train", "valid")]
    assert [len(part) for part in parts] == [train, valid]
    assert not set(parts[0].utt_ids) & set(parts[1].utt_ids)
    tests = ("ljspeech_test", "css10_german_test", "css10_spanish_test", "audioset_eval")
    assert [len(DataDir(tmp_path / name)) for name in tests] == [250, 250, 250, 2]
    missing = (tmp_path / "audioset/eval_missing.tsv").read_text().splitlines()
    assert len(missing) == 2 and "missing" in missing[1]


@pytest.mark.parametrize(
    ("coverage", "hours", "sentences", "clips"),
    [("multilingual", "0.12", 2 * 8, 0), ("multilingual_audio", "0.09", 8, 4)],
)
def test_hours_are_shared_among_corpora(
    corpora: Path, tmp_path: Path, coverage: str, hours: str, sentences: int, clips: int
):
    done = make_data(corpora, tmp_path, coverage, "--hours", hours)
    assert done.returncode == 0, done.stderr
    train = DataDir(tmp_path / "train")
    # A sentence is a hundredth of an hour, a clip a 360th.
    spoken = train.labels("lang")
    assert len(spoken) == sentences and len(train) == sentences + clips
    assert set(spoken.values()) == set(LANGUAGES)
    assert "LJSPEECH was not given: leave it out of --eval_sets" in done.stderr


def test_what_is_wrong_is_said_and_evaluation_needs_no_training_data(corpora: Path, tmp_path: Path):
    done = make_data(corpora, tmp_path, "english", "--hours", "1")
    assert done.returncode == 1 and "expected at least 1 h, found 0.04 h" in done.stderr
    done = make_data(corpora, tmp_path, "evaluation")
    assert done.returncode == 0, done.stderr
    assert [path.parent.name for path in tmp_path.glob("*/wav.scp")] == ["audioset_eval"]
    done = make_data(corpora, tmp_path, "klingon")
    assert done.returncode == 1 and "the coverages are english, multilingual" in done.stderr


def test_scoring_without_a_codec_is_refused_before_any_data_is_made():
    command = ["bash", str(RECIPES / "mls/codec1/run.sh"), "evaluation", "--stop_stage", "data"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "evaluation trains nothing: say --codec" in done.stderr
