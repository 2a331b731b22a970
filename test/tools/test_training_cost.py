"""The cost benchmark, on files and codes small enough for a test."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from benchmarks import run_benchmark

from codec_ssl.data.data_dir import DataDir
from codec_ssl.report.paper_table import find_ours, load_paper
from codec_ssl.report.results import read_results
from codec_ssl.tokens.store import TokenStore, TokenStoreWriter

SECONDS = {"a": 1.2, "b": 1.3, "c": 1.4}


@pytest.fixture
def corpus(tmp_path: Path) -> tuple[DataDir, TokenStore]:
    """Three utterances as FLAC files and as codes of two codebooks."""
    rng = np.random.default_rng(0)
    for utt, seconds in SECONDS.items():
        samples = 0.1 * rng.standard_normal(int(16000 * seconds))
        soundfile.write(tmp_path / f"{utt}.flac", samples, 16000)
    folder = tmp_path / "data"
    folder.mkdir()
    lines = [f"{utt} {tmp_path / utt}.flac\n" for utt in SECONDS]
    (folder / "wav.scp").write_text("".join(lines))
    writer = TokenStoreWriter(
        tmp_path / "codes",
        utt_ids=list(SECONDS),
        sizes=[16, 16],
        frame_rate=50,
        sample_rate=16000,
        maker={"kind": "codec", "name": "test", "fingerprint": "0"},
    )
    for shard in writer.pending():
        ids = writer.shard_utt_ids(shard)
        frames = {utt: int(50 * SECONDS[utt]) for utt in ids}
        writer.write_shard(shard, ((u, rng.integers(0, 16, (frames[u], 2))) for u in ids))
    return DataDir(folder), writer.finalize()


@pytest.mark.plan
@pytest.mark.slow
def test_cost_of_a_corpus_fills_table_two(corpus, tmp_path, monkeypatch):
    data, store = corpus
    out = tmp_path / "cost" / "results.json"
    options = ["--data_dir", data.path, "--store", store.path, "--results", out]
    options += ["--num_batches", "1", "--repeats", "1", "--batch_seconds", "1"]
    options += ["--num_layers", "1", "--device", "cpu", "--json", tmp_path / "j"]
    run_benchmark(monkeypatch, "training_cost", *options)
    audio = sum(Path(path).stat().st_size for path in data.wav_scp.values())
    stored = sum(file.stat().st_size for file in store.path.iterdir())
    table = load_paper("codec2vec").table("II")
    files = [read_results(out)]
    hubert, codec2vec = (
        {column.name: find_ours(row, column, files) for column in table.columns}
        for row in table.rows
    )
    assert hubert["data GB"].value == pytest.approx(audio / 1e9)
    assert codec2vec["data GB"].value == pytest.approx(stored / 1e9)
    assert codec2vec["smaller by"].value == pytest.approx(audio / stored)
    measured = json.loads((tmp_path / "j").read_text())["fp32"]
    assert codec2vec["faster by"].value == pytest.approx(measured["ratio_median"])
    # Hours of a GPU are not guessed from a CPU.
    assert codec2vec["GPU hours"] is None and hubert["GPU hours"] is None
