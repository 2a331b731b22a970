"""egs2/mini/voc1 end to end on the units of egs2/mini/tok1: speech, conversion, scores, report."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
from recipes import finish_recipe, run_recipe

from codec_ssl.data.data_dir import DataDir
from codec_ssl.report.results import find_results
from codec_ssl.tokens.store import TokenStore

RECIPE = "mini/voc1"

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(2400)]


def options(tok1: Path) -> list[str]:
    """The smallest run, on two kinds of units that are there; half of the utterances are enough."""
    names = ("kmeans", "repcodec")
    tokens = ",".join(f"{name}={tok1}/dump/r0_reconstruction_l2/{name}" for name in names)
    sets = ["--train_set", "test", "--valid_set", "valid", "--test_set", "valid"]
    scores = ["--metrics", "mel_distance vde ffe", "--listen", "2"]
    units = ["--datadir", str(tok1 / "data"), "--tokenizers", "", "--tokens", tokens]
    return ["--stage", "tokens", "--size", "ci", *units, *sets, *scores]


@pytest.fixture(scope="module")
def finished(mini_tok1: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voc") / "a run"
    finish_recipe(RECIPE, folder, *options(mini_tok1))
    return folder


def test_every_unit_becomes_its_samples_in_the_voice_that_was_asked_for(
    finished: Path, mini_tok1: Path
):
    data = DataDir(mini_tok1 / "data/valid")
    for name in ("kmeans", "repcodec"):
        units = TokenStore(mini_tok1 / "dump/r0_reconstruction_l2" / name / "valid")
        for kind in ("speech", "converted"):
            made = DataDir(finished / f"exp/{name}_unit_hifigan/{kind}_valid")
            made.validate()
            assert made.text == data.text
            for utt in made.utt_ids:
                info = soundfile.info(made.source(utt).path)
                assert (info.samplerate, info.frames) == (16000, 320 * units.num_frames(utt))
            same = [made.utt2spk[utt] == data.utt2spk[utt] for utt in made.utt_ids]
            assert all(same) if kind == "speech" else not any(same)


def test_conversion_changes_the_voice_and_has_the_same_targets_for_all_units(finished: Path):
    kmeans, repcodec = (
        DataDir(finished / f"exp/{name}_unit_hifigan/converted_valid")
        for name in ("kmeans", "repcodec")
    )
    assert kmeans.utt2spk == repcodec.utt2spk
    plain = DataDir(finished / "exp/kmeans_unit_hifigan/speech_valid")
    for utt in kmeans.utt_ids[:3]:
        both = [soundfile.read(each.source(utt).path)[0] for each in (plain, kmeans)]
        assert not np.allclose(*both)
    references = DataDir(kmeans.path / "target_reference")
    assert references.utt2spk == kmeans.utt2spk


def test_scores_and_report_have_both_systems(finished: Path):
    found = {}
    for _, file in find_results([finished / "exp"]):
        for result in file.results:
            found[result.scored["codec"], result.scored["speech"], result.metric] = result
    for name in ("kmeans", "repcodec"):
        for metric in ("mel_distance", "vde", "ffe"):
            result = found[name, "resynthesis", metric]
            assert result.interval is not None and result.scored["utterances"] > 10
        told = found[name, "resynthesis", "vde"].scored
        assert (told["features"], told["tokenizer"], told["sizes"]) == (
            "r0_reconstruction_l2",
            name,
            "32",
        )
        assert told["kbps"] == 0.25 and told["recipe"] == "egs2/mini/voc1"
        assert found[name, "resynthesis", "ffe"].value >= found[name, "resynthesis", "vde"].value
        for kind in ("conversion", "conversion_source"):
            assert -1 <= found[name, kind, "speaker_similarity"].value <= 1
    # A conversion is never measured as a copy of its source.
    signal = {"mel_distance", "vde", "ffe"}
    assert not any(kind != "resynthesis" and metric in signal for _, kind, metric in found)
    report = (finished / "exp/report/REPORT.md").read_text()
    assert "## Resynthesis: valid" in report and "## Voice conversion: valid" in report
    assert re.search(r"\| original \|.*\d\.\d\d \[", report)
    assert "wer: not scored: " in report
    page = (finished / "exp/listening/index.html").read_text()
    assert len(list((finished / "exp/listening").rglob("*.wav"))) >= 6 or "data:audio" in page


def test_a_second_run_does_nothing_and_says_so(finished: Path, mini_tok1: Path):
    again = run_recipe(RECIPE, finished, *options(mini_tok1))
    assert again.returncode == 0, again.stderr
    assert "nothing to do: every stage is current" in again.stderr


def test_units_of_a_given_tokenizer_are_spoken_as_long_as_the_vocoder_says(
    finished: Path, mini_tok1: Path, tmp_path: Path
):
    exp, dump = mini_tok1 / "exp", mini_tok1 / "dump"
    given = f"kmeans={exp}/r0_reconstruction_l2/kmeans"
    units = [
        "--encoder",
        f"{exp}/ssl1/r0_reconstruction",
        "--layer",
        "2",
        "--codes",
        f"{dump}/codes",
    ]
    learnt = ["--predict_durations", "true", "--train_args", "--vocoder_conf durations=true"]
    less = ["--f0", "false", "--convert", "false", "--codecs", "", "--listen", "0"]
    common = options(mini_tok1)
    del common[common.index("--tokenizers") : common.index("--tokens") + 2]
    finish_recipe(RECIPE, tmp_path, *common, "--tokenizers", given, *units, *learnt, *less)
    stores = [
        TokenStore(folder / "valid")
        for folder in (tmp_path / "dump/kmeans", dump / "r0_reconstruction_l2/kmeans")
    ]
    timed = DataDir(tmp_path / "exp/kmeans_unit_hifigan/timed_valid")
    frames = []
    for utt in timed.utt_ids:
        np.testing.assert_array_equal(*(store[utt] for store in stores))
        samples = soundfile.info(timed.source(utt).path).frames
        runs = 1 + int((np.diff(stores[0][utt][:, 0]) != 0).sum())
        assert samples % 320 == 0 and samples >= 320 * runs
        frames.append((samples // 320, len(stores[0][utt])))
    assert any(said != told for said, told in frames)
    report = (tmp_path / "exp/report/REPORT.md").read_text()
    assert "predicted durations" in report.lower().replace("_", " ")


def test_what_is_missing_or_wrong_is_named(tmp_path: Path):
    timed = ["--predict_durations", "true"]
    for recipe, wrong, message in (
        (RECIPE, ["--tokenizers", ""], "say which units: --tokenizers, --tokens or --codec"),
        (RECIPE, ["--tokens", "x"], "--tokens: expected NAME=DIR,NAME=DIR, found 'x'"),
        (RECIPE, ["--tokens", "kmeans=x"], "two kinds of units are called kmeans"),
        (RECIPE, ["--tok_recipe", "../nosuch/run.sh"], "there is no ../nosuch/run.sh to train"),
        (RECIPE, ["--tokenizers", "a=x"], "--tokenizers a=x: say which --encoder"),
        (RECIPE, timed, "trains no durations"),
        ("ljspeech/voc1", [*timed, "--train_args", "--vocoder_conf durations=false"], "trains no"),
        ("ljspeech/voc1", ["--f0", "true"], "F0 codes say when"),
    ):
        done = run_recipe(recipe, tmp_path, "--dry_run", "true", *wrong)
        assert done.returncode == 1 and message in done.stderr, done.stderr
    for corpus in ("ljspeech", "vctk"):
        done = run_recipe(f"{corpus}/voc1", tmp_path, "--stop_stage", "data")
        assert done.returncode == 1 and f"or {corpus.upper()}=DIR" in done.stderr


def test_a_plan_has_what_was_asked_for(tmp_path: Path):
    def planned(*given: str, recipe: str = RECIPE) -> str:
        done = run_recipe(recipe, tmp_path, "--dry_run", "true", *given)
        assert done.returncode == 0, done.stderr
        return done.stdout

    whole = planned()
    for name in ("exp/tok1", "dump/f0/codes/test", "kmeans_unit_hifigan/converted_test"):
        assert name in whole
    assert "codecs/codec_2cb/score_test" in whole and "original/score_test" not in whole
    given = planned("--encoder", "logmel", "--layer", "0", "--f0", "false", "--convert", "false")
    assert "codecs/" not in given and "/f0" not in given and "converted" not in given
    assert "original/score_test" in planned("--score_args", "--whisper x")
    lj = planned(recipe="ljspeech/voc1")
    assert "repcodec_unit_hifigan/timed_ljspeech_test" in lj and "encodec_24k_2cb" in lj
    assert "dump/kmeans_sklearn/ljspeech_train" in lj and "exp/tok1" not in lj
