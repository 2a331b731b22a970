"""egs2/mini/codec1 end to end at its smallest size; its study on a folder of sounds, planned."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from recipes import EGS, bash, finish_recipe

from codec_ssl.codecs.base import load_codec
from codec_ssl.data.bad_audio import BadAudioLog
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import read_table
from codec_ssl.report.results import Result, find_results
from codec_ssl.tokens.store import TokenStore

RECIPE = EGS / "mini/codec1"

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(1800)]


def codec1(folder: Path, *options: str) -> str:
    """Run the recipe with its output folders elsewhere; return what it logged."""
    smallest = ["--size", "ci", "--nj", "1", "--metrics", "none"]
    return finish_recipe("mini/codec1", folder, *smallest, *options)


def results(folder: Path) -> dict[str, Result]:
    found = [result for _, file in find_results([folder]) for result in file.results]
    return {result.metric: result for result in found}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("codec") / "a run"
    codec1(folder)
    return folder


def test_a_run_trains_a_codec_that_codes_decodes_and_is_reported(finished: Path):
    codec = load_codec(finished / "exp/soundstream")
    assert (codec.sample_rate, codec.frame_rate, codec.num_codebooks) == (16000, 50, 8)
    store = TokenStore(finished / "dump/soundstream/test")
    assert store.meta.maker["fingerprint"] == codec.fingerprint
    # A fresh codec must not put everything into a few entries.
    used = [int((counts > 0).sum()) for counts in store.meta.counts()]
    assert min(used) > 20, used
    original, decoded = (
        DataDir(finished / folder / "test") for folder in ("data", "exp/decoded/soundstream")
    )
    assert decoded.utt_ids == original.utt_ids and decoded.text == original.text
    for utt_id in decoded.utt_ids[:5]:
        lengths = [soundfile.info(each.wav_scp[utt_id]).frames for each in (original, decoded)]
        assert lengths[0] == lengths[1]
    report = (finished / "exp/report/REPORT.md").read_text()
    assert "reencode_agreement" in report and "hours_by" in report and "Code usage" in report


def test_codes_decoded_and_coded_again_agree_in_part(finished: Path):
    agreement = results(finished / "exp/agreement")["reencode_agreement"]
    assert 0.02 < agreement.value <= 1
    told = {key: agreement.scored[key] for key in ("recipe", "set", "codec", "num_codebooks")}
    assert told == {
        "recipe": "egs2/mini/codec1",
        "set": "test",
        "codec": "soundstream",
        "num_codebooks": 8,
    }


def test_a_second_run_does_nothing_and_says_so(finished: Path):
    assert "nothing to do: every stage is current" in codec1(finished)


def test_fewer_codebooks_are_a_codec_of_their_own_and_a_codec_that_is_there_is_scored(
    finished: Path, tmp_path: Path
):
    codec1(finished, "--num_codebooks", "2", "--stop_stage", "tokens")
    part = load_codec(finished / "exp/soundstream_2cb.yaml")
    assert part.num_codebooks == 2
    two, eight = (TokenStore(finished / f"dump/soundstream{end}/test") for end in ("_2cb", ""))
    utt_id = two.utt_ids[0]
    assert np.array_equal(two[utt_id], eight[utt_id][:, :2])
    options = [f"--datadir={finished / 'data'}", "--codec", str(finished / "exp/soundstream")]
    codec1(tmp_path, "--decode_codebooks", "1 4", "--stop_stage", "decode", *options)
    folders = sorted(p.name for p in (tmp_path / "exp/decoded/soundstream").glob("test*"))
    assert folders == ["test_1cb", "test_4cb"]
    assert not (tmp_path / "exp/stats").exists()


def test_a_config_without_a_rate_and_one_that_is_not_there_are_named(tmp_path: Path):
    config = tmp_path / "train_odd.yaml"
    config.write_text("# A codec of no rate.\ncodec: soundstream\n")
    for given, message in ((config, "expected sampling_rate:"), ("no.yaml", "no such file")):
        done = bash(RECIPE / "run.sh", "--dry_run", "true", "--train_config", str(given))
        assert done.returncode == 1 and message in done.stderr


def test_a_condition_that_the_study_does_not_have_is_named_before_anything_is_trained(folder):
    options = ["--audio_dir", str(folder), "--manifest", str(folder / "manifest.tsv")]
    options += ["--conditions", "english klingon", "--out", str(folder / "study")]
    done = bash(RECIPE / "local/study.sh", *options)
    assert done.returncode == 1 and "multilingual_audio, not 'klingon'" in done.stderr
    assert not (folder / "study").exists()


def test_clips_that_cannot_be_read_are_listed_and_left_out_or_stop_before_the_training(folder):
    broken = {"en0", "en1", "en2"}
    for utt_id in broken:
        (folder / f"{utt_id}.wav").write_bytes(b"RIFF, and then nothing")
    places = [f"--{name}dir={folder / name}" for name in ("data", "dump", "exp")]
    options = ["--size", "ci", "--audio_dir", str(folder), "--stop_stage", "stats", *places]
    done = bash(RECIPE / "run.sh", *options, "--max_bad_rate", "0.01")
    assert done.returncode != 0
    assert "bad audio: " in done.stderr and "unreadable" in done.stderr
    done = bash(RECIPE / "run.sh", *options, "--max_bad_rate", "0.5")
    assert done.returncode == 0, done.stderr
    for name in ("train", "valid"):
        stats, utt_ids = folder / "exp/stats" / name, set(DataDir(folder / "data" / name).utt_ids)
        bad = BadAudioLog.read(stats / "bad_audio.tsv").entries
        assert {(each.utt_id, each.reason) for each in bad} == {
            (utt_id, "unreadable") for utt_id in broken & utt_ids
        }
        assert set(read_table(stats / "num_samples")) == utt_ids - broken
    assert broken & set(DataDir(folder / "data/train").utt_ids)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Recordings of ten speakers each of two languages, one of another, and of other sounds."""
    rng = np.random.default_rng(0)
    rows = ["utt_id\tpath\tspeaker\tlanguage"]
    for language, count in (("en", 12), ("de", 12), ("es", 2), ("", 12)):
        for number in range(count):
            name = f"{language or 'noise'}{number}"
            wav = 0.1 * rng.standard_normal(16000)
            soundfile.write(tmp_path / f"{name}.wav", wav, 16000)
            rows.append(f"{name}\t{name}.wav\t{f'spk{name}' if language else ''}\t{language}")
    (tmp_path / "manifest.tsv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_the_study_gives_every_condition_the_same_hours_and_tests(folder: Path):
    out = folder / "a study"
    options = ["--audio_dir", str(folder), "--manifest", str(folder / "manifest.tsv")]
    # In whole seconds it is 6 of one group, 3 of each of two or 2 of each of three.
    options += ["--hours", str(5.4 / 3600), "--out", str(out)]
    done = bash(RECIPE / "local/study.sh", *options, "--", "--stop_stage", "stats", "--size", "ci")
    # Nothing is trained, so there is nothing to report either.
    assert done.returncode == 0, done.stderr[-2000:]
    sets = {}
    for condition in ("english", "multilingual", "multilingual_audio"):
        data = out / "data" / f"{condition}_codec"
        assert len(DataDir(data / "train")) == 6
        stats = find_results([out / "exp" / condition / "stats/train"])
        counted = [each for _, file in stats for each in file.results]
        hours = {each.scored.get("lang", "all"): each.value * 3600 for each in counted}
        assert hours == pytest.approx(
            {
                "english": {"all": 6, "en": 6},
                "multilingual": {"all": 6, "en": 3, "de": 3},
                "multilingual_audio": {"all": 6, "en": 2, "de": 2, "none": 2},
            }[condition]
        )
        tests = ("speech", "unseen_languages", "unseen_sounds")
        sets[condition] = [DataDir(data / name).utt_ids for name in tests]
        heard = set(DataDir(data / "train").utt2spk.values())
        heard |= set(DataDir(data / "valid").utt2spk.values())
        for name in tests:
            assert not heard & set(DataDir(data / name).utt2spk.values())
        kinds = {utt_id.rstrip("0123456789") for utt_id in DataDir(data / "train").utt_ids}
        wanted = {"english": {"en"}, "multilingual": {"en", "de"}}
        assert kinds == wanted.get(condition, {"en", "de", "noise"})
    assert sets["english"] == sets["multilingual"] == sets["multilingual_audio"]
    assert sets["english"][1] == ["es0", "es1"]
