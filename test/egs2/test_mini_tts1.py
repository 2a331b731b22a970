"""egs2/mini/tts1 end to end on the embedded corpus: speech, scores, report, refusals."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from recipes import finish_recipe, run_recipe

from codec_ssl.data.data_dir import DataDir
from codec_ssl.report.results import find_results
from codec_ssl.tokens.store import TokenStore
from codec_ssl.tts.phone_store import PhoneStore

ROOT = Path(__file__).resolve().parents[2]
RECIPE = "mini/tts1"

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(1200)]


# Half of the codec's training is enough here: its quality is the promise of other recipes.
SMALLEST = ("--size", "ci", "--codec_args", "--max_epoch 1")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tts") / "a run"
    finish_recipe(RECIPE, folder, *SMALLEST)
    return folder


def test_a_run_ends_in_speech_scores_and_a_report(finished: Path):
    exp = finished / "exp/codec_train_fastspeech2_codes"
    texts = DataDir(finished / "data/test").text
    for folder in (exp, finished / "exp/copy_codec"):
        spoken = DataDir(folder / "speech_test")
        spoken.validate()
        assert spoken.text == texts
        for utt in spoken.utt_ids:
            info = soundfile.info(spoken.source(utt).path)
            assert info.samplerate == 16000 and info.duration > 0.1
    files = {path.parent.name: file for path, file in find_results([finished / "exp"])}
    found = {result.metric: result for result in files["evaluate_test"].results}
    expected = {"recipe": "egs2/mini/tts1", "set": "test", "target": "codes"}
    assert {key: found["code_accuracy"].scored[key] for key in expected} == expected
    # 64 codes a stream: chance is 1.6 %.
    assert found["code_accuracy"].value > 0.03
    assert 0.6 < found["length_ratio"].value < 1.4
    report = (finished / "exp/report/REPORT.md").read_text()
    assert "## Synthesis" in report and "stream 8" in report
    pictures = re.findall(r"!\[.*?\]\((.*?)\)", report)
    assert {Path(name).name for name in pictures} >= {"durations.png", "pitch.png"}
    assert all((finished / "exp/report" / name).stat().st_size > 1000 for name in pictures)


def test_scores_tell_the_synthesis_from_the_copy(finished: Path):
    files = [file for path, file in find_results([finished / "exp"]) if "score_" in str(path)]
    scored = {file.results[0].scored["codec"]: file for file in files}
    assert scored.keys() == {"codec", "copy_codec"}
    for file in scored.values():
        [similarity] = file.results
        assert similarity.metric == "speaker_similarity" and 0.3 < similarity.value <= 1
        assert similarity.scored["num_codebooks"] == 8 and similarity.interval is not None
        # What has no weights here is a dash with its reason.
        reasons = [note.partition(":")[0] for note in file.notes if ": not scored: " in note]
        assert reasons == ["utmos", "wer"]
    assert scored["codec"].results[0].scored["config"].endswith("train_fastspeech2_codes.yaml")
    assert scored["copy_codec"].results[0].scored["config"] is None
    words = [sys.executable, "-m", "codec_ssl.bin.best_worst", str(finished / "exp")]
    counted = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert re.search(r"^test:tts1 .*speaker similarity", counted, re.MULTILINE)
    # Nothing that a model says can be nearer to the recording than its own codes.
    assert re.search(r"^test:tts1 +0 / 1 +1 / 0$", counted, re.MULTILINE)
    report = (finished / "exp/report/REPORT.md").read_text()
    assert "| copy_codec |" in report and "±" not in report


def test_frames_of_phones_add_up_to_the_codes(finished: Path):
    for name in ("train", "valid", "test"):
        phones = PhoneStore(finished / "dump/phones_codec" / name)
        codes = TokenStore(finished / "dump/codes_codec" / name)
        assert phones.utt_ids == codes.utt_ids and len(phones.symbols) > 40
        assert phones.frame_counts.tolist() == codes.lengths.tolist()
        assert all(row.durations.sum() == len(row.f0) for row in phones.values())


def test_a_second_run_does_nothing_and_says_so(finished: Path):
    again = run_recipe(RECIPE, finished, *SMALLEST)
    assert again.returncode == 0, again.stderr
    assert "nothing to do: every stage is current" in again.stderr


def test_what_is_missing_or_wrong_is_named(tmp_path: Path):
    for options, message in (
        (["--systems", "codes,vits"], "--systems: there are codes, mel, copy and mel_copy"),
        (["--reading", "letters"], "--reading is text or phones"),
        (["--codec_recipe", "../nosuch/run.sh"], "say which --codec: there is no ../nosuch"),
    ):
        done = run_recipe(RECIPE, tmp_path, "--dry_run", "true", *options)
        assert done.returncode == 1 and message in done.stderr
    done = run_recipe("css10/tts1", tmp_path, "--lang", "fr")
    assert done.returncode == 1 and "--lang is de or es, not 'fr'" in done.stderr
    for corpus, variable in (("ljspeech", "LJSPEECH"), ("css10", "CSS10")):
        done = run_recipe(f"{corpus}/tts1", tmp_path, "--stop_stage", "data")
        assert done.returncode == 1 and f"or {variable}=DIR" in done.stderr


def test_a_plan_has_what_was_asked_for(tmp_path: Path):
    def planned(*options: str, corpus: str = "mini") -> str:
        done = run_recipe(f"{corpus}/tts1", tmp_path, "--dry_run", "true", *options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    everything = planned("--systems", "codes,mel,copy,mel_copy")
    for name in ("copy_codec", "copy_mel", "codec_train_fastspeech2_codes", "fastspeech2_mel"):
        assert f"{name}/speech_test" in everything
    assert everything.count("/score_test") == 4
    assert "/score_test" not in planned("--metrics", "none")
    copies = planned("--systems", "mel_copy")
    assert "dump/mel/test" in copies
    assert "dump/mel/train" not in copies and "train_fast" not in copies
    spanish = planned("--lang", "es", "--codec", "dac_16k", corpus="css10")
    assert "codes_dac_16k/css10_spanish_train" in spanish and "codec_training" not in spanish
