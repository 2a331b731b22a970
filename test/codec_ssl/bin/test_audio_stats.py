"""The table of a data dir's hours, and what trainings take from it."""

import numpy as np
import pytest
import soundfile
import toy_mae

from codec_ssl.bin import audio_stats
from codec_ssl.data.bad_audio import BadAudioLog
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import read_table
from codec_ssl.errors import DataError
from codec_ssl.report.results import read_results


@pytest.fixture
def data_dir(tmp_path):
    """Two seconds of English, one of German, one of something, and two bad files."""
    wav = {}
    for utt_id, samples in (("a", 24000), ("b", 8000), ("c", 16000), ("d", 16000)):
        wav[utt_id] = str(tmp_path / f"{utt_id}.wav")
        soundfile.write(wav[utt_id], np.zeros(samples), 16000)
    (tmp_path / "e.wav").write_bytes(b"RIFF")
    wav |= {"e": str(tmp_path / "e.wav"), "f": str(tmp_path / "gone.wav")}
    labels = {"lang": {"a": "en", "b": "en", "c": "de"}}
    utt2spk = {utt: utt for utt in wav}
    return DataDir.write(tmp_path / "data", wav=wav, utt2spk=utt2spk, labels=labels)


def test_the_command_writes_shapes_of_what_can_be_used_and_a_table(
    data_dir, tmp_path, call, capsys, caplog
):
    out = tmp_path / "out"
    options = ("--data_dir", data_dir.path, "--sample_rate", 16000, "--out", out)
    call(audio_stats, *options, "--max_bad_rate", 0.4, "--recipe", "egs2/x")
    assert read_table(out / "num_samples") == {
        "a": "24000",
        "b": "8000",
        "c": "16000",
        "d": "16000",
    }
    assert [entry.utt_id for entry in BadAudioLog.read(out / "bad_audio.tsv").entries] == ["e", "f"]
    results = read_results(out / "results.json").results
    assert results[0].metric == "hours" and results[0].scored["set"] == "data"
    by = {result.scored["lang"]: result.value for result in results[1:]}
    assert by == pytest.approx({"en": 2 / 3600, "de": 1 / 3600, "none": 1 / 3600})
    printed = capsys.readouterr().out
    assert "2 unusable" in printed and "50.0" in printed and "100.0" in printed
    assert "2 utterances cannot be used ({'unreadable': 1, 'missing': 1})" in caplog.text
    assert "lower rate" not in caplog.text
    call(audio_stats, *options, "--max_bad_rate", 0.4, "--sample_rate", 24000)
    assert "4 utterances have a lower rate than the codec's 24000 Hz (4 of 16000" in caplog.text


def test_a_codec_is_asked_for_its_rate(data_dir, tmp_path, call, capsys):
    toy_mae.make_codec(tmp_path / "codec.v2")
    common = ("--data_dir", data_dir.path, "--out", tmp_path / "out", "--max_bad_rate", 0.4)
    call(audio_stats, *common, "--codec", tmp_path / "codec.v2")
    assert read_table(tmp_path / "out" / "num_samples")["c"] == "24000"
    for wrong in ((), ("--codec", "dac_16k", "--sample_rate", 16000)):
        with pytest.raises(SystemExit):
            call(audio_stats, *common, *wrong)
    assert "one of the arguments --sample_rate --codec is required" in capsys.readouterr().err


def test_too_many_bad_files_stop_before_the_training(data_dir, tmp_path, call):
    options = ("--data_dir", data_dir.path, "--sample_rate", 16000, "--out", tmp_path / "out")
    with pytest.raises(DataError, match=r"2 of 6 utterances .*1 missing.*bad_audio\.tsv"):
        call(audio_stats, *options)
    assert not (tmp_path / "out/num_samples").exists()


def test_numbers_of_nothing_and_labels_that_are_not_there_are_said(
    data_dir, tmp_path, call, capsys, caplog
):
    options = ("--data_dir", data_dir.path, "--out", tmp_path / "out", "--max_bad_rate", 0.4)
    for name in ("--sample_rate", "--num_threads"):
        with pytest.raises(SystemExit):
            call(audio_stats, "--sample_rate", 16000, *options, name, 0)
        expected = f"argument {name}: expected a whole number above 0, found '0'"
        assert expected in capsys.readouterr().err
    call(audio_stats, "--sample_rate", 16000, *options, "--by", "colour")
    assert "no utt2colour: hours are counted as one group" in caplog.text
