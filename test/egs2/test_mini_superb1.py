"""egs2/mini/superb1 at its smallest: three tasks, killed on its way and begun again."""

import os
import signal
import subprocess
from pathlib import Path

import pytest
import torch
from processes import wait_for
from recipes import EGS, finish_recipe

from codec_ssl.features.base import origin_of
from codec_ssl.features.baselines import LogMel
from codec_ssl.report.results import find_results
from codec_ssl.tokenizers.kmeans import KMeans, KMeansOptions
from codec_ssl.tokens.store import TokenStore

TINY = [
    *("--size", "ci", "--ssl_recipe", "", "--references", "logmel", "--tasks", "ks sid pr"),
    *("--lrs", "1e-2", "--train_args", "--max_epoch 3 --num_iters_per_epoch 20 --num_workers 0"),
    *("--evaluate_args", "--num_resamples 100"),
]

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A run's folder and log; an earlier run was killed in the midst of its trainings."""
    folder = tmp_path_factory.mktemp("superb") / "a run"
    places = [f"--{name}dir={folder / name}" for name in ("data", "dump", "exp")]
    cut = subprocess.Popen(
        ["bash", str(EGS / "mini/superb1/run.sh"), *places, *TINY],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    first = folder / "exp/superb/log-mel/ks/lr_1e-2"
    wait_for(lambda: (first / "1epoch.pth").is_file() or cut.poll() is not None, 1200)
    os.killpg(cut.pid, signal.SIGKILL)
    assert cut.wait() == -signal.SIGKILL
    return folder, finish_recipe("mini/superb1", folder, *TINY)


def test_it_ends_in_one_table_with_the_chosen_rates(finished: tuple[Path, str]):
    folder, _ = finished
    found = {r.metric: r for _, file in find_results([folder / "exp/scores"]) for r in file.results}
    metrics = {"superb_ks_accuracy", "superb_sid_accuracy", "superb_pr_per"}
    assert found.keys() == metrics
    assert all(r.scored["learning_rate"] == "1e-2" for r in found.values())
    assert found["superb_ks_accuracy"].value > 0.3
    assert found["superb_ks_accuracy"].scored["recipe"] == "egs2/mini/superb1"
    report = (folder / "exp/report/REPORT.md").read_text()
    assert "| log-mel |" in report and "PR, PER" in report and "(1e-2)" in report


def test_a_killed_run_went_on_where_it_was(finished: tuple[Path, str]):
    folder, log = finished
    assert "stage 1 data:" in log and "is current, nothing to do" in log
    assert "was cut short, goes on" in log
    assert not list(folder.rglob("*.old-*"))
    trained = (folder / "exp/superb/log-mel/logs/train.1.log").read_text()
    # ESPnet's words of a resumed training.
    assert "The training was resumed using" in trained


def test_a_second_run_does_nothing_and_says_so(finished: tuple[Path, str]):
    folder, _ = finished
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    log = finish_recipe("mini/superb1", folder, *TINY)
    assert "nothing to do: every stage is current" in log
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    assert after == before


def test_tokens_are_made_and_their_embeddings_trained(finished: tuple[Path, str], tmp_path: Path):
    kmeans = KMeans(KMeansOptions(num_clusters=16), origin_of(LogMel(16000, 50.0), 0))
    # As loud and as spread as log-mel frames are.
    frames = torch.randn(400, 80, generator=torch.Generator().manual_seed(0)) * 4 - 4
    kmeans.fit([frames]).save(tmp_path / "a k-means")
    options = ["--tokenizers", f"units=logmel+{tmp_path / 'a k-means'}", "--references", ""]
    places = [f"--{name}dir={tmp_path / name}" for name in ("dump", "exp")]
    log = finish_recipe("mini/superb1", finished[0], *TINY, *places, *options)
    store = TokenStore(tmp_path / "dump/tokens_units/ks/train")
    assert store.meta.sizes == [16] and store.meta.maker["fingerprint"] == kmeans.fingerprint
    found = [r for _, file in find_results([tmp_path / "exp/scores"]) for r in file.results]
    metrics = {"superb_ks_accuracy", "superb_sid_accuracy", "superb_pr_per"}
    assert {r.metric for r in found} == metrics
    assert {r.scored["encoder"] for r in found} == {"embeddings of units_stack"}
    assert "| units |" in (tmp_path / "exp/report/REPORT.md").read_text()
    assert "stage 2 codes" in log
