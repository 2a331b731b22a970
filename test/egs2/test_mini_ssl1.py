"""egs2/mini/ssl1 end to end at its smallest size: it ends, does nothing twice, survives SIGKILL."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "egs2" / "mini" / "ssl1"
FOLDERS = ("data", "dump", "exp")

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(2400)]


def start(folder: Path, *options: str) -> subprocess.Popen:
    """Run the recipe with its output folders elsewhere, in a process group of its own."""
    places = [f"--{name}dir={folder / name}" for name in FOLDERS]
    probes = ["--probe_args", "--max_train_frames 2000 --max_test_frames 2000 --num_clusters 40"]
    command = ["bash", str(RECIPE / "run.sh"), "--size", "ci", *places, *probes, *options]
    log = open(folder / "log.txt", "a", encoding="utf-8")  # noqa: SIM115  the child keeps it
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)


def finish(folder: Path, *options: str) -> str:
    """Run to the end; return what this run logged."""
    log = folder / "log.txt"
    before = len(log.read_text()) if log.exists() else 0
    status = start(folder, *options).wait()
    said = log.read_text()[before:]
    assert status == 0, said[-3000:]
    return said


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mini") / "a run"
    folder.mkdir()
    finish(folder)
    return folder


def test_run_ends_in_a_report_with_baselines_and_plots(finished: Path):
    report = (finished / "exp" / "report" / "REPORT.md").read_text()
    for system in ("reconstruction", "cluster_r1", "online", "codec", "logmel", "untrained"):
        assert system in report
    plots = list((finished / "exp" / "report").rglob("*.png"))
    assert len(plots) >= 3
    assert all(plot.stat().st_size > 1000 for plot in plots)


def test_second_run_does_nothing_and_says_so(finished: Path):
    files = sorted(p for p in finished.rglob("*") if p.is_file() and p.name != "log.txt")
    before = {p: p.stat().st_mtime_ns for p in files}
    said = finish(finished)
    assert "nothing to do: every stage is current" in said
    assert {p: p.stat().st_mtime_ns for p in files} == before


def content(folder: Path, pattern: str) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.glob(pattern))}


def losses(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Train and valid losses of every epoch of every training."""
    curves = {}
    for history in sorted(folder.glob("exp/*/history.json")):
        epochs = json.loads(history.read_text())
        curves[history.parent.name] = [(e["train"]["loss"], e["valid"]["loss"]) for e in epochs]
    return curves


@pytest.mark.slow
def test_killed_run_ends_with_the_same_stores_and_losses(finished: Path, tmp_path: Path):
    """SIGKILL the whole process group at random times, start again; more kills by KILLS=n."""
    folder = tmp_path / "killed"
    folder.mkdir()
    # Paths are in the wav.scp files, so only runs in one place can give the same bytes.
    rng = random.Random(int(os.environ.get("KILL_SEED", "0")))
    for _ in range(int(os.environ.get("KILLS", "2"))):
        process = start(folder)
        time.sleep(rng.uniform(5, float(os.environ.get("KILL_WITHIN", "60"))))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        print("killed in:", (folder / "log.txt").read_text().splitlines()[-1])
    finish(folder)
    for pattern in ("dump/**/*.safetensors", "dump/**/meta.json"):
        stores = content(finished, pattern)
        assert stores
        assert content(folder, pattern) == stores
    assert losses(folder) == losses(finished)
    assert len(losses(folder)) == 4
    shutil.rmtree(folder)
