import os
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from codec_ssl.data import audio
from codec_ssl.data.audio import AudioSource, BadAudio, audio_info, read_audio, stream_audio

RATE = 16000
REAL = Path(__file__).parents[4] / "shared" / "data" / "real_audio"


def tone(seconds: float, rate: int = RATE) -> np.ndarray:
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * rate)) / rate
    noise = 0.05 * rng.standard_normal(len(time))
    return (0.3 * np.sin(2 * np.pi * 440 * time) + noise).astype(np.float32)


def save(path: Path, wav: np.ndarray, rate: int = RATE, **kwargs) -> Path:
    soundfile.write(path, wav, rate, **kwargs)
    return path


def reason(path: Path | str, **kwargs) -> str:
    """The reason for which reading whole and reading as a stream both refuse the file."""
    with pytest.raises(BadAudio) as whole:
        read_audio(path, **kwargs)
    with pytest.raises(BadAudio) as streamed:
        list(stream_audio(path, **kwargs))
    assert whole.value.reason == streamed.value.reason
    assert str(path) in str(whole.value)
    return whole.value.reason


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3", "opus"])
def test_reads_what_soundfile_reads_whatever_the_extension(tmp_path, kind):
    options = {"format": "OGG", "subtype": "OPUS"} if kind == "opus" else {}
    path = save(tmp_path / f"a.{kind}", tone(3.0), **options)
    expected, _ = soundfile.read(path, dtype="float32")
    misnamed = tmp_path / ("b.raw" if kind != "wav" else "b.flac")
    misnamed.write_bytes(path.read_bytes())
    for each in (path, misnamed):
        wav, rate = read_audio(each)
        assert rate == RATE
        assert wav.dtype == np.float32
        np.testing.assert_allclose(wav, expected, atol=1e-7)  # MP3 decoding rounds by its state
        np.testing.assert_array_equal(wav, read_audio(each)[0])
        assert audio_info(each) == audio.AudioInfo(len(expected), RATE, 1)


@pytest.mark.parametrize("channels", [2, 6])
def test_channels_become_their_mean(tmp_path, channels):
    wav = np.stack([tone(1.0) * (index + 1) / channels for index in range(channels)], axis=1)
    path = save(tmp_path / "a.wav", wav, subtype="FLOAT")
    np.testing.assert_allclose(read_audio(path)[0], wav.mean(axis=1), atol=1e-7)
    assert audio_info(path).channels == channels


@pytest.mark.parametrize(
    ("rate_in", "rate_out"),
    [(8000, 16000), (44100, 16000), (96000, 24000), (22050, 16000), (16000, 44100)],
)
def test_resampling_in_blocks_equals_resampling_at_once(tmp_path, monkeypatch, rate_in, rate_out):
    wav = tone(3.3, rate_in)
    path = save(tmp_path / "a.wav", wav, rate_in, subtype="FLOAT")
    whole, rate = read_audio(path, rate_out)
    assert rate == rate_out
    np.testing.assert_allclose(whole, soxr.resample(wav, rate_in, rate_out), atol=1e-6)
    for read_frames in (700, 5000):
        monkeypatch.setattr(audio, "_READ_FRAMES", read_frames)
        blocks = list(stream_audio(path, rate_out, 1234))
        assert all(len(block) == 1234 for block in blocks[:-1])
        np.testing.assert_array_equal(np.concatenate(blocks), whole)


def test_resampling_is_logged_once_for_each_pair_of_rates(tmp_path, caplog):
    audio._say_resampling.cache_clear()
    path = save(tmp_path / "a.wav", tone(0.1))
    with caplog.at_level("INFO"):
        for rate in (8000, 8000, 24000, None):
            read_audio(path, rate)
    assert [record.args for record in caplog.records] == [(16000, 8000), (16000, 24000)]


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_a_segment_is_a_slice_of_the_whole(tmp_path, kind):
    path = save(tmp_path / f"a.{kind}", tone(5.0))
    whole, _ = read_audio(path)
    source = AudioSource("u", str(path), 1.23, 3.456)
    expected = whole[round(1.23 * RATE) : round(3.456 * RATE)]
    np.testing.assert_allclose(read_audio(source)[0], expected, atol=1e-6)
    assert audio_info(source).num_samples == len(expected)
    to_end = read_audio(AudioSource("u", str(path), 4.0))[0]
    np.testing.assert_allclose(to_end, whole[4 * RATE :], atol=1e-6)


def test_reading_a_segment_decodes_only_the_segment(tmp_path, monkeypatch):
    path = save(tmp_path / "a.flac", tone(60.0))
    decoded = []
    read = soundfile.SoundFile.read

    def counting(self, *args, **kwargs):
        block = read(self, *args, **kwargs)
        decoded.append(len(block))
        return block

    monkeypatch.setattr(soundfile.SoundFile, "read", counting)
    read_audio(AudioSource("u", str(path), 50.0, 51.0))
    assert sum(decoded) == RATE


def test_a_segment_may_end_a_little_after_the_file_and_not_much(tmp_path):
    path = str(save(tmp_path / "a.wav", tone(2.0)))
    assert len(read_audio(AudioSource("u", path, 1.0, 2.3))[0]) == RATE
    for source in (AudioSource("u", path, 1.0, 3.0), AudioSource("u", path, 1.0, 300.0)):
        with pytest.raises(BadAudio, match=r"segment ends at .* the file at 2 s") as error:
            read_audio(source)
        assert error.value.reason == "truncated"
    with pytest.raises(BadAudio) as error:
        read_audio(AudioSource("u", path, 2.5, 2.6))
    assert error.value.reason in ("empty", "truncated")


def test_streaming_a_long_file_needs_flat_memory(tmp_path):
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for _ in range(10):
            file.write(tone(30.0))
    tracemalloc.start()
    total = sum(len(block) for block in stream_audio(path, 8000, 4000))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == 300 * 8000
    assert peak < 5e6, "the whole file is 19 MB of float32"


def test_zero_bytes_are_empty(tmp_path):
    path = tmp_path / "a.wav"
    path.touch()
    assert reason(path) == "empty"


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
def test_a_header_without_samples_is_empty(tmp_path, kind):
    path = save(tmp_path / f"a.{kind}", np.zeros(0, np.float32))
    assert reason(path) == "empty"


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_truncated_file_is_never_read_as_a_shorter_one(tmp_path, kind, share):
    path = save(tmp_path / f"a.{kind}", tone(10.0))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    assert reason(path) in ("truncated", "unreadable", "empty")
    if share > 0.1:
        assert reason(path) == "truncated"


def test_a_wav_from_a_pipe_has_an_unknown_size_and_is_not_truncated(tmp_path):
    path = save(tmp_path / "a.wav", tone(1.0))
    content = bytearray(path.read_bytes())
    position = content.index(b"data")
    content[position + 4 : position + 8] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    assert len(read_audio(path)[0]) == RATE


def without_length(path: Path) -> None:
    """Blank the 36 bits of a FLAC header that hold the number of samples."""
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)


def test_a_flac_from_a_pipe_has_no_length_and_is_read_to_its_end(tmp_path):
    path = save(tmp_path / "a.flac", tone(10.0))
    expected, _ = read_audio(path)
    without_length(path)
    np.testing.assert_array_equal(read_audio(path)[0], expected)
    assert audio_info(path).num_samples == len(expected)
    segment = read_audio(AudioSource("u", str(path), 9.0, 9.5))[0]
    np.testing.assert_array_equal(segment, expected[9 * RATE : 9 * RATE + RATE // 2])


def test_an_mp3_without_length_is_read_to_its_end_not_to_a_guess(tmp_path):
    path = save(tmp_path / "a.mp3", tone(10.0))
    content = path.read_bytes()
    second = content.index(content[:2], 4)  # the first frame only holds the length
    path.write_bytes(content[second:])
    assert soundfile.info(path).frames < 9 * RATE, "libsndfile's guess is now wrong"
    wav, _ = read_audio(path)
    assert 10 * RATE <= len(wav) < 10.2 * RATE
    assert audio_info(path).num_samples == len(wav)
    segment = read_audio(AudioSource("u", str(path), 8.0, 8.5))[0]
    np.testing.assert_allclose(segment, wav[8 * RATE : 8 * RATE + RATE // 2], atol=1e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("position", [0, 200_000])
def test_nan_and_infinity_are_nonfinite(tmp_path, value, position):
    wav = tone(15.0)
    wav[position] = value
    assert reason(save(tmp_path / "a.wav", wav, subtype="FLOAT")) == "nonfinite"


def test_silence_is_not_bad(tmp_path):
    wav, _ = read_audio(save(tmp_path / "a.wav", np.zeros(RATE)), 24000)
    assert len(wav) == 24000
    assert not wav.any()


def test_one_sample_is_read_and_is_too_short_where_more_are_needed(tmp_path):
    path = save(tmp_path / "a.wav", tone(1.0)[:1])
    assert len(read_audio(path)[0]) == 1
    assert reason(path, min_samples=320) == "too_short"
    two_seconds = save(tmp_path / "b.wav", tone(2.0))
    assert reason(two_seconds, sample_rate=8000, min_samples=16001) == "too_short"


def test_a_missing_file_is_missing_and_a_folder_or_text_is_unreadable(tmp_path):
    assert reason(tmp_path / "nowhere.wav") == "missing"
    assert reason(tmp_path) == "unreadable"
    text = tmp_path / "a.wav"
    text.write_text("no audio at all, only text " * 50)
    assert reason(text) == "unreadable"


def test_a_file_that_may_not_be_read_is_unreadable(tmp_path, monkeypatch):
    path = save(tmp_path / "a.wav", tone(0.1))
    real = os.open

    def refuse(name, *args, **kwargs):  # a superuser may read everything, so the refusal is acted
        if str(name) == str(path):
            raise PermissionError(13, "Permission denied", str(name))
        return real(name, *args, **kwargs)

    monkeypatch.setattr(os, "open", refuse)
    assert reason(path) == "unreadable"


def test_a_path_may_hold_blanks_and_any_script(tmp_path):
    folder = tmp_path / "mes enregistrements żółć 音声"
    folder.mkdir()
    assert len(read_audio(save(folder / "a b\tc.wav", tone(0.5)))[0]) == RATE // 2


def test_bad_audio_comes_home_from_a_worker_process_whole():
    error = BadAudio("/a.wav", "truncated", "expected 5, found 3", "utt1")
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.path, copy.reason, copy.detail, copy.utt_id, str(copy)) == (
        "/a.wav",
        "truncated",
        "expected 5, found 3",
        "utt1",
        str(error),
    )


def test_no_descriptor_is_left_open(tmp_path):
    path = save(tmp_path / "a.mp3", tone(1.0))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        read_audio(path)
        next(stream_audio(path, 8000, 100))
        with pytest.raises(BadAudio):
            read_audio(tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.skipif(not REAL.is_dir(), reason="recorded speech is not here")
def test_real_recordings_have_the_length_and_rate_that_their_manifest_says():
    rows = [line.split("\t") for line in (REAL / "manifest.tsv").read_text().split("\n")[1:-1]]
    for row in rows[::20]:
        info = audio_info(REAL / row[1])
        wav, _ = read_audio(REAL / row[1])
        assert info.num_samples == len(wav)
        assert info.sample_rate == int(row[9])
        assert abs(info.duration - float(row[8])) < 1e-3
