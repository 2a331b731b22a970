"""Pieces of noises and room responses against the files they come from."""

import numpy as np
import pytest
import soundfile

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.noise_clips import NoiseClips, RoomResponses
from codec_ssl.errors import DataError

RATE = 8000


def make(tmp_path, segments=None, **wavs):
    wav = {}
    for name, samples in wavs.items():
        wav[name] = str(tmp_path / f"{name}.wav")
        soundfile.write(wav[name], samples, RATE, subtype="FLOAT")
    utts = {utt: "s" for utt in segments or wav}
    return DataDir.write(tmp_path / "data", wav=wav, utt2spk=utts, segments=segments)


def numbers(count, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, count).astype(np.float32)


def test_pieces_of_a_long_clip_come_from_all_of_it_as_they_are(tmp_path):
    clip = numbers(1000)
    clips = NoiseClips(make(tmp_path, a=clip))
    rng = np.random.default_rng(0)
    starts = []
    for _ in range(300):
        piece = clips.draw(990, RATE, rng)
        first = round(piece.start * RATE)
        np.testing.assert_array_equal(piece.samples, clip[first : first + 990])
        starts.append(first)
    assert set(starts) == set(range(11))


def test_a_short_clip_is_repeated(tmp_path):
    clip = numbers(100)
    piece = NoiseClips(make(tmp_path, a=clip)).draw(250, RATE, np.random.default_rng(1))
    first = round(piece.start * RATE)
    np.testing.assert_array_equal(piece.samples, np.tile(clip, 5)[first : first + 250])


def test_a_clip_that_is_a_segment_stays_in_it(tmp_path):
    recording = numbers(4000)
    segments = {"a": ("r", 0.25, 0.375)}
    clips = NoiseClips(make(tmp_path, segments, r=recording))
    for seed in range(20):
        piece = clips.draw(900, RATE, np.random.default_rng(seed))
        first = 2000 + round(piece.start * RATE)
        assert 2000 <= first <= 2100
        np.testing.assert_array_equal(piece.samples, recording[first : first + 900])


def test_another_rate_is_resampled_and_all_clips_are_drawn(tmp_path):
    seconds = np.arange(RATE) / RATE
    tones = {name: np.sin(2 * np.pi * hz * seconds) for name, hz in (("a", 500), ("b", 1000))}
    clips = NoiseClips(make(tmp_path, **tones))
    for seed in range(10):
        piece = clips.draw(8000, 16000, np.random.default_rng(seed))
        assert len(piece.samples) == 8000
        peak = np.argmax(np.abs(np.fft.rfft(piece.samples))) * 2
        assert peak == {"a": 500, "b": 1000}[piece.clip]
    drawn = [clips.draw(10, RATE, np.random.default_rng(seed)).clip for seed in range(50)]
    assert min(drawn.count("a"), drawn.count("b")) > 10


def test_pauses_are_passed_over_and_a_silent_clip_is_an_error(tmp_path):
    half = np.concatenate([np.zeros(5000), numbers(5000)])
    clips = NoiseClips(make(tmp_path, half=half))
    for seed in range(20):
        assert clips.draw(100, RATE, np.random.default_rng(seed)).samples.any()
    silent = NoiseClips(make(tmp_path, mute=np.zeros(1000)))
    with pytest.raises(DataError, match=r"noise mute \(.*mute.wav\): expected sound"):
        silent.draw(100, RATE, np.random.default_rng(0))


def test_a_room_response_is_that_of_the_first_microphone(tmp_path):
    left = numbers(400) * np.exp(-np.arange(400) / 50).astype(np.float32)
    rooms = RoomResponses(make(tmp_path, room=np.stack([left, numbers(400, 1)], axis=1)))
    name, response = rooms.draw(RATE, np.random.default_rng(0))
    assert name == "room"
    np.testing.assert_array_equal(response, left)
    mute = RoomResponses(make(tmp_path, mute=np.zeros(100)))
    with pytest.raises(DataError, match="room response mute"):
        mute.draw(RATE, np.random.default_rng(0))
