"""The command line of the extraction."""

import sys

import numpy as np
import pytest
import soundfile

from codec_ssl.bin import extract_codes
from codec_ssl.data.data_dir import DataDir
from codec_ssl.tokens.store import TokenStore


@pytest.fixture
def arguments(tmp_path):
    import dac
    import torch

    torch.manual_seed(0)
    model = dac.DAC(
        encoder_dim=4,
        encoder_rates=[2, 4, 5, 8],
        decoder_dim=32,
        decoder_rates=[8, 5, 4, 2],
        n_codebooks=3,
        codebook_size=32,
        sample_rate=16000,
    )
    model.save(tmp_path / "codec.pth", package=False)
    rng = np.random.default_rng(0)
    wav = {}
    for number in range(4):
        wav[f"utt{number}"] = str(tmp_path / f"{number}.flac")
        soundfile.write(wav[f"utt{number}"], 0.1 * rng.standard_normal(2000 + number), 16000)
    DataDir.write(tmp_path / "data", wav=wav, utt2spk={utt: "s" for utt in wav})
    return [
        *("--codec", str(tmp_path / "codec.pth"), "--data_dir", str(tmp_path / "data")),
        *("--store", str(tmp_path / "store"), "--shard_utterances", "2"),
    ]


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["extract_codes", *arguments])
    extract_codes.main()


def test_jobs_then_finalize(monkeypatch, arguments, tmp_path):
    for job in ("1", "2"):
        call(monkeypatch, *arguments, "--job", job, "--num_jobs", "2")
    assert not (tmp_path / "store" / "meta.json").exists()
    call(monkeypatch, *arguments, "--finalize", "true")
    store = TokenStore(tmp_path / "store")
    assert len(store.utt_ids) == 4
    assert store["utt3"].shape == (7, 3)


def test_one_command_does_it_all(monkeypatch, arguments, tmp_path):
    call(monkeypatch, *arguments, "--finalize", "true", "--batch_seconds", "10")
    assert TokenStore(tmp_path / "store").meta.num_utterances == 4
