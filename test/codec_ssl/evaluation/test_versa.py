"""The adapter to VERSA, against a package with VERSA's own interface and habits."""

import sys

import numpy as np
import pytest
import stand_in_versa
from voice import RATE, noisy, voice

from codec_ssl.errors import ConfigError
from codec_ssl.evaluation import versa
from codec_ssl.evaluation.pair import Alignment, make_pair
from codec_ssl.evaluation.scorer_options import ScorerOptions
from codec_ssl.evaluation.scorers import make_scorers
from codec_ssl.report.codec_metrics import GROUPS

WAV = voice(1.0)
SPEECH = GROUPS["speech"]


def forget():
    for name in [name for name in sys.modules if name.partition(".")[0] == "versa"]:
        del sys.modules[name]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(stand_in_versa.write(tmp_path))
    yield
    forget()


def values(scorers, pair):
    found = scorers(pair)
    return {k: v if isinstance(v, str) else v.value for k, v in found.items()}


@pytest.mark.usefixtures("installed")
def test_versa_measures_the_papers_metrics_where_it_is_installed():
    scorers = make_scorers(ScorerOptions(SPEECH, backend="versa"))
    pair = make_pair("u", WAV, 0.5 * WAV[:-8], RATE, text="one two three four")
    found = values(scorers, pair)
    assert found["mcd"] == 5 and found["f0_corr"] == RATE
    assert found["pesq"] == 3.5 and found["speaker_similarity"] == 0.25
    assert found["ci_sdr"] == pytest.approx(0.5)
    assert found["dnsmos"] == pytest.approx((RATE - 8) / RATE)  # all of it, at 16 kHz
    assert scorers(pair)["wer"] == (3, 4)
    assert set(scorers.makers.values()) == {"VERSA of a checkout"}


@pytest.mark.usefixtures("installed")
def test_what_versa_cannot_do_is_a_reason_and_never_its_stand_in_number():
    scorers = make_scorers(ScorerOptions((*SPEECH, "stoi"), backend="versa"))
    assert scorers.missing["utmos"] == "VERSA: OSError: no network"
    assert "has no metric sheet_ssqa" in scorers.missing["sheet_ssqa"]
    assert scorers.missing["stoi"] == "VERSA is asked for, and has no such metric"
    found = values(scorers, make_pair("u", WAV, 0.01 * WAV, RATE))
    assert found["pesq"] == "VERSA failed (it answers 0)"
    assert found["visqol"] == "VERSA: RuntimeError: too short"
    assert found["wer"] == "no transcript"
    silent = values(scorers, make_pair("u", WAV, 0 * WAV, RATE))
    assert set(silent.values()) <= {"decoded signal is silent", "no transcript"}
    short = values(scorers, make_pair("u", WAV, WAV[:9000], RATE))
    assert "lengths differ too much" in short["mcd"] and short["speaker_similarity"] == 0.25


@pytest.mark.usefixtures("installed")
def test_what_versa_lacks_is_measured_without_it_unless_it_is_asked_for_alone():
    options = ScorerOptions(("pesq", "stoi", "utmos"))
    scorers = make_scorers(options)
    assert scorers.makers["pesq"] == "VERSA of a checkout"
    assert scorers.makers["stoi"].startswith("pystoi")
    assert scorers.missing["utmos"].startswith("needs weights: --utmos")
    own = make_scorers(ScorerOptions(("pesq",), backend="own"))
    assert own.makers["pesq"].startswith("pesq ")


@pytest.mark.usefixtures("installed")
def test_versa_gets_pairs_as_they_were_aligned():
    decoded = np.pad(noisy(WAV, 30), (100, 0))[: len(WAV)]
    pair = make_pair("u", WAV, 0.1 * decoded, RATE, Alignment(0.01, "rms"))
    assert pair.delay == 100
    scorers = make_scorers(ScorerOptions(("ci_sdr",), backend="versa"))
    assert values(scorers, pair)["ci_sdr"] == pytest.approx(1, abs=0.1)


def test_without_versa_there_is_none():
    assert versa.version() is None
    with pytest.raises(ConfigError, match="expected VERSA, found no module"):
        make_scorers(ScorerOptions(SPEECH, backend="versa"))
    with pytest.raises(ConfigError, match="backend: expected one of"):
        make_scorers(ScorerOptions(SPEECH, backend="best"))


def test_the_other_package_of_that_name_is_not_taken_for_it(tmp_path, monkeypatch):
    (tmp_path / "versa").mkdir()
    (tmp_path / "versa/__init__.py").write_text("web = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert versa.version() is None
    finally:
        forget()
