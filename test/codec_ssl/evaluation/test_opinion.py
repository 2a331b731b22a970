"""Predicted opinions: the networks are asked for what their authors ask them for."""

import numpy as np
import pytest
import torch
from voice import RATE, noisy, voice

from codec_ssl.errors import CheckpointError
from codec_ssl.evaluation.opinion import SheetSsqa, Utmos, dnsmos
from codec_ssl.evaluation.pair import CannotScore

WAV = voice(1.5)

# Repositories in the layout and with the entry points of tarepan/SpeechMOS and unilight/sheet.
SPEECHMOS = """
import torch

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(2.0))

    def forward(self, wave, sr):
        assert wave.ndim == 2 and sr == 16000
        return self.weight + wave.abs().mean(1)

def utmos22_strong(progress=True, pretrained=True):
    return Model()
"""
SHEET = """
import torch

class Predictor:
    def __init__(self):
        self.model = torch.nn.Linear(1, 1)

    def predict(self, wav_path=None, wav=None):
        assert wav.ndim == 1 and wav.dtype == torch.float32
        return (3 + wav.abs().mean()).numpy()

def default(progress=True):
    return Predictor()
"""


def repository(folder, code):
    folder.mkdir()
    (folder / "hubconf.py").write_text(code)
    return str(folder)


class Scripted(torch.nn.Module):
    def forward(self, wave: torch.Tensor) -> torch.Tensor:
        return 1.0 + wave.abs().mean(dim=1)


def test_dnsmos_is_what_the_package_gives_for_the_peak_at_one():
    from speechmos import dnsmos as package

    expected = package.run(WAV / np.abs(WAV).max(), RATE)["ovrl_mos"]
    assert dnsmos(0.1 * WAV, RATE) == pytest.approx(float(expected), abs=1e-3)
    assert 1 <= dnsmos(noisy(WAV, 0), RATE) < expected


def test_utmos_is_the_model_of_a_clone_at_16_khz(tmp_path):
    score = Utmos(repository(tmp_path / "a clone", SPEECHMOS))
    assert score(WAV, RATE) == pytest.approx(2 + np.abs(WAV).mean(), abs=1e-5)
    twice = np.repeat(WAV, 2)
    assert score(twice, 2 * RATE) == pytest.approx(2 + np.abs(WAV).mean(), abs=0.01)


def test_utmos_may_be_a_torchscript_file(tmp_path):
    torch.jit.script(Scripted()).save(tmp_path / "utmos.pt")
    score = Utmos(str(tmp_path / "utmos.pt"))
    assert score(WAV, RATE) == pytest.approx(1 + np.abs(WAV).mean(), abs=1e-5)


def test_sheet_is_the_predictor_of_a_clone(tmp_path):
    score = SheetSsqa(repository(tmp_path / "sheet", SHEET))
    assert score(WAV, RATE) == pytest.approx(3 + np.abs(WAV).mean(), abs=1e-5)


def test_weights_that_cannot_be_loaded_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"expected hubconf\.py in the folder"):
        Utmos(str(tmp_path))
    with pytest.raises(CheckpointError, match=r"expected 'default' of torch\.hub"):
        SheetSsqa(repository(tmp_path / "other", SPEECHMOS))
    (tmp_path / "text.pt").write_text("no network")
    with pytest.raises(CheckpointError, match=r"text\.pt: expected a TorchScript file"):
        Utmos(str(tmp_path / "text.pt"))


def test_silence_and_snippets_have_no_score(tmp_path):
    utmos = Utmos(repository(tmp_path / "a", SPEECHMOS))
    sheet = SheetSsqa(repository(tmp_path / "b", SHEET))
    for score in (dnsmos, utmos, sheet):
        with pytest.raises(CannotScore, match="decoded signal is silent"):
            score(0 * WAV, RATE)
        with pytest.raises(CannotScore, match="too short: 3999 samples, needs 4000"):
            score(WAV[:3999], RATE)
