"""Whole utterances of a data dir: exactly their audio, or an error that names them."""

import pickle

import numpy as np
import pytest
import soundfile

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.waveforms import Waveforms
from codec_ssl.errors import DataError


@pytest.fixture
def made(tmp_path):
    """Utterances of 0.1 s, 0.2 s, ... at 8 kHz."""
    random, wav = np.random.default_rng(0), {}
    for number in range(1, 5):
        path = tmp_path / f"u{number}.wav"
        soundfile.write(path, 0.1 * random.normal(size=800 * number), 8000, subtype="FLOAT")
        wav[f"u{number}"] = str(path)
    DataDir.write(tmp_path / "data", wav=wav, utt2spk=dict.fromkeys(wav, "s"))
    return tmp_path


def test_audio_is_neither_repeated_nor_cut(made):
    found = Waveforms(made / "data", 8000)
    assert list(found) == found.utt_ids == ["u1", "u2", "u3", "u4"] and len(found) == 4
    assert found.lengths.tolist() == [800, 1600, 2400, 3200]
    for utt, wav in found.items():
        np.testing.assert_array_equal(wav, soundfile.read(made / f"{utt}.wav", dtype="float32")[0])
    assert Waveforms(made / "data", 16000).num_samples["u1"] == 1600
    assert len(Waveforms(made / "data", 16000)["u1"]) == 1600


def test_it_is_pickled_as_its_path_and_tells_another_set_apart(made):
    found = Waveforms(made / "data", 8000)
    again = pickle.loads(pickle.dumps(found))
    assert again.content == found.content and again.num_samples == found.num_samples
    assert Waveforms(made / "data", 16000).content != found.content


def test_files_that_cannot_be_read_are_left_out_or_named(made, caplog):
    (made / "u2.wav").write_bytes(b"no audio")
    with pytest.raises(DataError, match="1 of 4"):
        len(Waveforms(made / "data", 8000))
    found = Waveforms(made / "data", 8000, max_bad_rate=0.5)
    assert found.utt_ids == ["u1", "u3", "u4"] and "left out" in caplog.text
    whole = Waveforms(made / "data", 8000, max_bad_rate=0.5)
    assert "u3" in whole and "u2" not in whole
    (made / "u3.wav").write_bytes((made / "u3.wav").read_bytes()[:100])
    with pytest.raises(DataError, match="u3"):
        whole["u3"]
