"""Ten sentences by heart, in a fifth of the benchmark's steps on half batches: less exactly."""

import json
from pathlib import Path

import pytest
import yaml
from benchmarks import run_benchmark

from codec_ssl.report.paper_table import REPOSITORY

CONFIG = REPOSITORY / "egs2/mini/voc1/conf/train_unit_hifigan.yaml"


@pytest.mark.plan
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_vocoder_learns_ten_sentences_and_their_pitch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = yaml.safe_load(CONFIG.read_text()) | {"batch_size": 4}
    (tmp_path / "train.yaml").write_text(yaml.safe_dump(config))
    options = ["--out", tmp_path / "out", "--config", tmp_path / "train.yaml"]
    options += ["--steps", 2000, "--gamma", 0.8]
    run_benchmark(monkeypatch, "vocoder_overfitting", *options)
    found = json.loads((tmp_path / "out/overfitting.json").read_text())
    assert found["ratio"] < 0.2
    assert found["f0_pyin"] > 0.7
    # Noise leaves the pitch as it is: of the two trackers one hears that.
    assert found["f0_pyin_noisy"] > 0.98 > found["f0_dio_noisy"]
