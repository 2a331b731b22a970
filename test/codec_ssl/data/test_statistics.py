"""What a data dir holds, by its files' headers."""

import numpy as np
import pytest
import soundfile

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.statistics import measure


@pytest.fixture
def data_dir(tmp_path):
    """Two seconds of English at 16 kHz, one of German at 8 kHz, one of something, two bad files."""
    wav = {}
    for utt_id, rate, seconds in (
        ("a", 16000, 1.5),
        ("b", 16000, 0.5),
        ("c", 8000, 1),
        ("d", 8000, 1),
    ):
        wav[utt_id] = str(tmp_path / f"{utt_id}.wav")
        soundfile.write(wav[utt_id], np.zeros(round(rate * seconds)), rate)
    (tmp_path / "e.wav").write_bytes(b"RIFF")
    wav |= {"e": str(tmp_path / "e.wav"), "f": str(tmp_path / "gone.wav")}
    labels = {"lang": {"a": "en", "b": "en", "c": "de"}}
    return DataDir.write(
        tmp_path / "data", wav=wav, utt2spk={utt: utt for utt in wav}, labels=labels
    )


def test_hours_lengths_and_what_is_bad(data_dir):
    found = measure(data_dir)
    assert found.seconds == {"a": 1.5, "b": 0.5, "c": 1.0, "d": 1.0}
    assert found.hours == pytest.approx(4 / 3600) and found.rates == {16000: 2, 8000: 2}
    assert found.num_samples(24000) == {"a": 36000, "b": 12000, "c": 24000, "d": 24000}
    assert found.bad.reasons() == {"unreadable": 1, "missing": 1}
    groups = found.hours_by(data_dir.labels("lang"))
    assert list(groups) == ["en", "de", "none"]
    assert groups["en"] == (2, pytest.approx(2 / 3600))


def test_segments_count_with_their_own_length(data_dir, tmp_path):
    segments = {"x": ("a", 0.0, 0.25), "y": ("a", 0.5, None)}
    wav = {"a": data_dir.wav_scp["a"]}
    cut = DataDir.write(tmp_path / "cut", wav=wav, utt2spk={"x": "s", "y": "s"}, segments=segments)
    assert measure(cut).seconds == {"x": 0.25, "y": 1.0}
