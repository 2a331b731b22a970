"""Vectors of speakers: means of what an embedder says, kept and found again."""

import numpy as np
import pytest
import soundfile

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import CheckpointError, DataError
from codec_ssl.vocoder.speakers import FILE_NAME, SpeakerVectors, measure_speakers

RATE = 16000


@pytest.fixture
def data_dir(tmp_path):
    """Utterances that hold one number all along: of ann 0.1 to 0.3, of bob -0.5, one broken."""
    wav, speakers = {}, {}
    values = {"ann-0": 0.1, "ann-1": 0.2, "ann-2": 0.3, "bob-0": -0.5, "bob-1": 0.0}
    for utt, value in values.items():
        wav[utt], speakers[utt] = str(tmp_path / f"{utt}.wav"), utt[:3]
        soundfile.write(wav[utt], np.full(RATE // 10, value), RATE, subtype="FLOAT")
    (tmp_path / "bob-1.wav").write_bytes(b"no audio")
    return DataDir.write(tmp_path / "data", wav=wav, utt2spk=speakers)


def embed(wav):
    return np.array([wav[0], 1.0], dtype=np.float32)


def test_a_speakers_vector_is_the_mean_of_theirs_of_length_one(data_dir):
    found = measure_speakers(data_dir, data_dir.utt_ids, embed)
    assert found.names == ["ann", "bob"]
    expected = np.array([[0.2, 1.0], [-0.5, 1.0]])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found.vectors, expected, rtol=1e-6)
    np.testing.assert_allclose(found.of(["bob", "ann", "bob"]), expected[[1, 0, 1]], rtol=1e-6)


def test_so_many_utterances_of_each_are_heard(data_dir):
    heard = []
    measure_speakers(data_dir, data_dir.utt_ids, lambda wav: heard.append(wav) or embed(wav), 1)
    assert [round(float(wav[0]), 3) for wav in heard] == [0.1, -0.5]


def test_a_speaker_of_whom_nothing_can_be_read_is_an_error(data_dir):
    with pytest.raises(DataError, match="speaker bob"):
        measure_speakers(data_dir, ["ann-0", "bob-1"], embed)


def test_they_are_kept_and_a_damaged_file_is_an_error(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    SpeakerVectors(["ann", "bob"], vectors, 7).save(tmp_path)
    found = SpeakerVectors.load(tmp_path)
    assert (found.names, found.utterances) == (["ann", "bob"], 7)
    np.testing.assert_array_equal(found.vectors, vectors)
    (tmp_path / FILE_NAME).write_bytes(b"")
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(CheckpointError, match="vectors of its speakers"):
            SpeakerVectors.load(folder)
