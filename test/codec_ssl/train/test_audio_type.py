"""Promises of the data type that reads a data dir at one rate."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError
from codec_ssl.train.audio_type import AudioSet, register


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    folder = tmp_path / "a set"
    folder.mkdir()
    wavs = {"a": (8000, 1), "b": (16000, 2)}
    for name, (rate, channels) in wavs.items():
        soundfile.write(folder / f"{name}.wav", rng.uniform(-0.5, 0.5, (rate, channels)), rate)
    (folder / "c.wav").write_bytes(b"RIFF")
    (folder / "wav.scp").write_text("".join(f"{u} {folder / u}.wav\n" for u in "abc"))
    (folder / "utt2spk").write_text("".join(f"{u} s\n" for u in "abc"))
    return folder


def test_every_file_comes_at_the_asked_rate_and_mono(data_dir: Path):
    audio = AudioSet(data_dir, 16000)
    assert {len(audio[u]) for u in "ab"} == {16000}
    assert audio["a"].dtype == np.float32
    stereo = soundfile.read(data_dir / "b.wav")[0]
    np.testing.assert_allclose(audio["b"], stereo.mean(axis=1), atol=1e-6)


def test_single_word_is_repeated_to_a_second_instead_of_being_dropped(data_dir: Path):
    word = np.linspace(-0.5, 0.5, 4000)
    soundfile.write(data_dir / "a.wav", word, 16000, subtype="FLOAT")
    wav = AudioSet(data_dir, 16000)["a"]
    np.testing.assert_array_equal(wav, np.tile(word.astype(np.float32), 4))


def test_broken_file_is_replaced_and_named(data_dir: Path, caplog: pytest.LogCaptureFixture):
    audio = AudioSet(data_dir, 16000)
    np.testing.assert_array_equal(audio["c"], audio["a"])
    assert "c.wav" in caplog.text


def test_only_broken_files_stop_with_the_stage_to_rerun(data_dir: Path):
    for name in "ab":
        (data_dir / f"{name}.wav").write_bytes(b"")
    with pytest.raises(DataError, match="stage 'data'"):
        AudioSet(data_dir, 16000)["a"]


def test_espnet_finds_the_type_by_its_rate(data_dir: Path):
    from espnet2.train.dataset import ESPnetDataset

    register()
    dataset = ESPnetDataset([(str(data_dir), "audio", "audio_16000")])
    _, values = dataset["a"]
    assert values["audio"].shape == (16000,)
    assert list(DataDir(data_dir).utt_ids) == ["a", "b", "c"]
