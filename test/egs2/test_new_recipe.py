"""What setup.sh makes runs on a folder of audio, from the recordings to the report."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
PITCH = {"ann": 110.0, "bob": 190.0}  # Hz

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(1200)]
# The smallest size: the recipe's ci configs, an epoch each; two sets rather than three, one job.
TINY = [
    *("--size", "ci", "--nj", "1", "--test_set", "valid"),
    *("--codec_args", "--max_epoch 1", "--train_args", "--max_epoch 1"),
    *("--probe_args", "--max_train_frames 500 --max_test_frames 500 --num_clusters 10"),
]


def voice(pitch: float, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """Harmonics of a wavering pitch, louder and softer four times a second, and some noise."""
    time = np.arange(int(16000 * seconds)) / 16000
    wavering = pitch * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(1, 3) * time))
    phase = 2 * np.pi * np.cumsum(wavering) / 16000
    harmonics = sum(np.sin(number * phase) / number for number in range(1, 12))
    loudness = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * time)
    return 0.1 * harmonics * loudness + 0.005 * rng.normal(size=len(time))


@pytest.fixture(scope="module")
def audio_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six recordings, five seconds each, of both speakers."""
    folder = tmp_path_factory.mktemp("some audio")
    rng = np.random.default_rng(0)
    for speaker, pitch in PITCH.items():
        (folder / speaker).mkdir()
        for number in range(6):
            wav = voice(pitch, rng.uniform(5.0, 5.5), rng)
            soundfile.write(folder / speaker / f"{number}.wav", wav, 16000)
    return folder


@pytest.fixture(scope="module")
def run(clone: Path) -> Callable[..., subprocess.CompletedProcess]:
    """A new recipe's run.sh, as a function of its options."""
    # What the recipes of this repository run with; a clone would install its own.
    env = {"CODEC_SSL_VENV": str(ROOT / ".venv"), **os.environ, "OMP_NUM_THREADS": "1"}

    def bash(*words: str, **more: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["bash", *words],
            cwd=clone,
            env={**env, **more},
            capture_output=True,
            text=True,
            check=False,
        )

    made = bash("egs2/TEMPLATE/setup.sh", "mycorpus/ssl1")
    assert made.returncode == 0, made.stderr
    return lambda *options, **more: bash("egs2/mycorpus/ssl1/run.sh", *options, **more)


@pytest.fixture(scope="module")
def finished(clone: Path, run: Callable, audio_dir: Path) -> Path:
    """The recipe's folder, after a run."""
    done = run("--audio_dir", str(audio_dir), *TINY)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-3000:]
    return clone / "egs2/mycorpus/ssl1"


def test_a_run_ends_in_a_report_with_its_scores(finished: Path):
    report = (finished / "exp/report/REPORT.md").read_text()
    results = json.loads((finished / "exp/probe/results.json").read_text())["results"]
    scores = [each for each in results if each["metric"] == "speaker_accuracy"]
    systems = {each["scored"]["system"] for each in scores}
    assert systems == {"reconstruction", "cluster_r1", "codec", "logmel", "untrained"}
    for each in scores:
        rows = re.findall(rf"^\| {each['scored']['system']} \|.*", report, re.MULTILINE)
        assert any(f"{100 * each['value']:.1f}" in row for row in rows)
    # The pitch tells these speakers apart, so whatever sees the spectrum must.
    assert all(e["value"] > 0.9 for e in scores if e["scored"]["system"] == "logmel")
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", report)
    assert "speaker_accuracy.png" in pictures and "training_1.png" in pictures
    assert all((finished / "exp/report" / name).stat().st_size > 1000 for name in pictures)


def test_a_second_run_makes_nothing_new(finished: Path, run: Callable, audio_dir: Path):
    def files() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in finished.rglob("*") if path.is_file()}

    before = files()
    again = run("--audio_dir", str(audio_dir), *TINY)
    assert again.returncode == 0, again.stderr
    assert "nothing to do: every stage is current" in again.stderr
    assert files() == before


def test_its_reader_takes_a_folder_and_says_so_where_there_is_none(
    run: Callable, audio_dir: Path, tmp_path: Path
):
    places = [f"--{name}dir={tmp_path / name}" for name in ("data", "dump", "exp")]
    options = [*places, "--stop_stage", "data", "--size", "ci"]
    without = run(*options, AUDIO_DIR="")
    assert without.returncode == 1
    assert "say where the audio is: --audio_dir DIR" in without.stderr
    done = run(*options, AUDIO_DIR=str(audio_dir))
    assert done.returncode == 0, done.stderr
    lines = [line for path in tmp_path.glob("data/*/wav.scp") for line in path.open()]
    assert sorted(line.split()[0] for line in lines) == [
        f"{speaker}-{number}" for speaker in sorted(PITCH) for number in range(6)
    ]
