"""egs2/mini/asr1 end to end on the embedded corpus: codes, log-mel frames, noise, refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recipes import finish_recipe, run_recipe

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import read_table
from codec_ssl.report.results import find_results
from codec_ssl.tokens.store import TokenStore

RECIPE = "mini/asr1"
# A quarter of the codec's training is enough here: its quality is the promise of other recipes.
SMALLEST = ("--size", "ci", "--codec_args", "--max_epoch 1")

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def noises(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data dir of two seconds of noise."""
    folder = tmp_path_factory.mktemp("noises")
    noise = 0.1 * np.random.default_rng(0).normal(size=32000)
    soundfile.write(folder / "hiss.wav", noise, 16000)
    wav, speakers = {"hiss": str(folder / "hiss.wav")}, {"hiss": "hiss"}
    DataDir.write(folder / "data", wav=wav, utt2spk=speakers)
    return folder / "data"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, noises: Path) -> Path:
    folder = tmp_path_factory.mktemp("asr") / "a run"
    noise = ("--noises", str(noises), "--snrs", "0 20", "--train_noise", "0 20")
    finish_recipe(RECIPE, folder, *SMALLEST, *noise)
    return folder


def test_a_run_ends_in_error_rates_by_noise_and_a_report(finished: Path):
    exp = finished / "exp/codec_train_codec_asr"
    files = {path.parent.name: file for path, file in find_results([exp])}
    assert files.keys() == {"score_test", "score_test_snr0", "score_test_snr20"}
    found = {result.metric: result for result in files["score_test"].results}
    expected = {"recipe": "egs2/mini/asr1", "set": "test", "input": "codec", "utterances": 40}
    assert {key: found["wer"].scored[key] for key in expected} == expected
    assert 0 < found["cer"].value < 1.5
    assert 0 < found["real_time_factor"].value < 5
    assert read_table(exp / "decode_test/text", allow_empty=True).keys() == set(
        TokenStore(finished / "dump/codes_codec/test").utt_ids
    )
    report = (finished / "exp/report/REPORT.md").read_text()
    assert "## Recognition of test" in report and "codec_train_codec_asr" in report
    assert "robustness_wer.png" in report


def test_training_has_the_clean_and_the_noisy_copies(finished: Path):
    [history] = finished.glob("exp/codec_train_codec_asr/history.json")
    # So few updates teach which letters are likely, hardly more.
    first, last = json.loads(history.read_text())
    assert np.isfinite(first["train"]["loss"])
    assert last["valid"]["loss"] < first["valid"]["loss"]
    [joined] = [path for path in finished.glob("dump/joined_codec/*") if path.is_dir()]
    clean = TokenStore(finished / "dump/codes_codec/train").utt_ids
    assert len(TokenStore(joined)) == 2 * len(clean)


def test_a_second_run_does_nothing_and_says_so(finished: Path, noises: Path):
    noise = ("--noises", str(noises), "--snrs", "0 20", "--train_noise", "0 20")
    again = run_recipe(RECIPE, finished, *SMALLEST, *noise)
    assert again.returncode == 0, again.stderr
    assert "nothing to do: every stage is current" in again.stderr


def test_log_mel_frames_are_trained_on_beside_the_codes(finished: Path):
    finish_recipe(RECIPE, finished, *SMALLEST, "--input", "audio")
    report = (finished / "exp/report/REPORT.md").read_text()
    assert "audio_train_logmel_asr" in report and "codec_train_codec_asr" in report
    one, other = (read_table(path / "lengths/valid") for path in finished.glob("exp/*_train_*_asr"))
    # Milliseconds: a codec's last frame may reach beyond the audio.
    assert one.keys() == other.keys()
    assert all(abs(int(one[utt]) - int(other[utt])) <= 40 for utt in one)


def test_what_is_missing_or_wrong_is_named(tmp_path: Path):
    for options, message in (
        (["--input", "mel"], "--input is codes or audio"),
        (["--scoring", "bleu"], "--scoring is default or ml_superb"),
        (["--train_noise", "0 20"], "--train_noise needs --noises DIR"),
        (["--codec_recipe", "../nosuch/run.sh"], "say which --codec: there is no ../nosuch"),
        (["--asr_train_config", "nosuch.yaml"], "no training config nosuch.yaml"),
    ):
        done = run_recipe(RECIPE, tmp_path, "--dry_run", "true", *options)
        assert done.returncode == 1 and message in done.stderr
    done = run_recipe("librispeech/asr1", tmp_path, "--stop_stage", "data")
    assert done.returncode == 1 and "or LIBRISPEECH=DIR" in done.stderr


def test_a_plan_has_what_was_asked_for(tmp_path: Path):
    def planned(*options: str) -> str:
        done = run_recipe(RECIPE, tmp_path, "--dry_run", "true", *options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    audio = planned("--input", "audio", "--test_sets", "test unseen")
    assert "codes_" not in audio and "exp/codec" not in audio
    assert "decode_test" in audio and "decode_unseen" in audio
    random = planned(
        "--codec", "dac_16k", "--asr_train_config", "conf/tuning/train_codec_asr_random.yaml"
    )
    assert "dac_16k_train_codec_asr_random/score_test" in random and "exp/codec" not in random
