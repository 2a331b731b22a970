"""Promises of aligning speech by warping synthetic speech."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from codec_ssl.data.alignment import frame_labels
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.espeak import Request, synthesize
from codec_ssl.data.mini_corpus import phone_segments
from codec_ssl.data.synthetic_alignment import SAMPLE_RATE, align, align_data_dir
from codec_ssl.errors import DataError

TEXT = "the quick fox jumps over the lazy dog near the river"


def recording(rate: int, voice: str) -> tuple[np.ndarray, list]:
    """Say the text in another voice; its exact phone times are the truth."""
    speech = next(synthesize([Request(TEXT, voice, rate, 60)]))
    wav = soxr.resample(speech.samples / 32768, speech.sample_rate, SAMPLE_RATE)
    rng = np.random.default_rng(0)
    wav = wav * 0.3 + rng.normal(0, 1e-3, len(wav))
    return wav.astype(np.float32), phone_segments(speech, len(wav) / SAMPLE_RATE)


@pytest.mark.parametrize(("rate", "voice"), [(120, "en+m7"), (190, "en+f5")])
def test_another_voice_at_another_rate_gets_the_true_phones(rate: int, voice: str):
    wav, truth = recording(rate, voice)
    found = align(wav, list(synthesize([Request(TEXT, "en+m3", 150, 50)])))
    num_frames = int(len(wav) / SAMPLE_RATE * 50)
    pairs = zip(
        frame_labels(found, num_frames, 50), frame_labels(truth, num_frames, 50), strict=True
    )
    agreement = np.mean([a == b for a, b in pairs])
    assert agreement > 0.75  # a wrong text agrees on under 20 %


def test_segments_follow_each_other_and_cover_the_recording():
    wav, _ = recording(150, "en+f2")
    found = align(wav, list(synthesize([Request(TEXT, "en+m3", 150, 50)])))
    assert found[0].start == 0
    assert found[-1].end == pytest.approx(len(wav) / SAMPLE_RATE, abs=0.02)
    assert all(a.end == b.start for a, b in pairwise(found))


def test_far_too_slow_recording_is_refused_not_bent():
    wav, _ = recording(150, "en+f2")
    speech = next(synthesize([Request(TEXT, "en+m3", 150, 50)]))
    short = replace(speech, samples=speech.samples[: len(speech.samples) // 4])
    with pytest.raises(DataError, match="twice as fast or slow"):
        align(wav, [short])


def test_utterance_that_cannot_be_aligned_is_logged_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    wav, _ = recording(150, "en+f2")
    soundfile.write(tmp_path / "good.wav", wav, SAMPLE_RATE)
    (tmp_path / "bad.wav").write_bytes(b"")
    data_dir = DataDir.write(
        tmp_path / "set",
        wav={u: str(tmp_path / f"{u}.wav") for u in ("good", "bad")},
        utt2spk={"good": "s", "bad": "s"},
        text={"good": TEXT.upper(), "bad": TEXT},
    )
    assert list(align_data_dir(data_dir)) == ["good"]
    assert "bad is not aligned" in caplog.text


def test_data_dir_without_transcripts_is_refused(tmp_path: Path):
    data_dir = DataDir.write(tmp_path / "set", wav={"a": "a.wav"}, utt2spk={"a": "s"})
    with pytest.raises(DataError, match="transcripts"):
        align_data_dir(data_dir)
