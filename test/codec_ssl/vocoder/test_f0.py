"""F0 contours: where their frames lie, and normalisation by speaker against numpy."""

import pickle

import numpy as np
import pytest
import soundfile
import torch
from voice import RATE, voice

from codec_ssl.bin import f0_contours
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError
from codec_ssl.features.cache import FeatureCache
from codec_ssl.vocoder.f0 import Contours, PitchContour, PitchStatistics

SPEAKERS = {"a1": "ann", "a2": "ann", "b1": "bob", "c1": "cat"}
PITCH = {"a1": 220.0, "a2": 260.0, "b1": 110.0, "c1": 180.0}


@pytest.fixture(scope="module")
def root(tmp_path_factory, call):
    """A data dir of four utterances of glides, and their contours."""
    folder = tmp_path_factory.mktemp("f0")
    wavs = {}
    for n, utt in enumerate(SPEAKERS):
        wavs[utt] = str(folder / f"{utt}.wav")
        curve = PITCH[utt] * np.linspace(0.9, 1.1, int((0.6 + n / 10) * RATE) + 37 * n)
        soundfile.write(wavs[utt], voice(len(curve) / RATE, pitch=curve), RATE)
    DataDir.write(folder / "data", wav=wavs, utt2spk=SPEAKERS)
    call(f0_contours, "--data_dir", folder / "data", "--out", folder / "contours")
    return folder


def test_a_frame_is_of_its_eighty_samples():
    curve = np.linspace(120, 240, 12000)
    wav = torch.from_numpy(voice(len(curve) / RATE, pitch=curve))
    found, lengths = PitchContour().encode(wav[None], torch.tensor([12000]), [0])
    assert found[0].shape == (1, 150, 1) and lengths.tolist() == [150]
    middle = curve.reshape(150, 80).mean(1)
    inner = slice(10, -10)
    np.testing.assert_allclose(found[0][0, inner, 0], middle[inner], rtol=0.01)
    # It rises by 0.8 Hz a frame: half a frame beside its place would show in the mean.
    assert abs((found[0][0, inner, 0].numpy() - middle[inner]).mean()) < 0.3


def test_an_utterance_has_the_same_contour_in_any_batch():
    encoder = PitchContour()
    wavs = [torch.from_numpy(voice(seconds, seed)) for seed, seconds in enumerate((0.4, 0.3, 0.5))]
    lens = torch.tensor([len(wav) for wav in wavs])
    padded = torch.nn.utils.rnn.pad_sequence(wavs, batch_first=True, padding_value=0.7)
    together, lengths = encoder.encode(padded, lens, [0])
    for row, wav, length in zip(together[0], wavs, lengths.tolist(), strict=True):
        alone, _ = encoder.encode(wav[None], torch.tensor([len(wav)]), [0])
        assert torch.equal(alone[0][0], row[:length])
    assert [encoder.frames_of(n) for n in (1, 80, 81)] == [1, 1, 2]


def test_statistics_are_those_of_all_voiced_frames_of_a_speaker(root):
    raw = FeatureCache(root / "contours")
    contours = Contours(root / "contours", SPEAKERS)
    for speaker in set(SPEAKERS.values()):
        frames = [raw[utt][:, 0] for utt, owner in SPEAKERS.items() if owner == speaker]
        logs = np.log(np.concatenate(frames)[np.concatenate(frames) > 0].astype(float))
        found = contours.statistics.speakers[speaker]
        assert found.mean == pytest.approx(logs.mean(), abs=1e-6)
        assert found.deviation == pytest.approx(logs.std(), rel=1e-4)
        both = np.concatenate([contours[u] for u, owner in SPEAKERS.items() if owner == speaker])
        voiced = both[both[:, 1] == 1, 0]
        assert voiced.mean() == pytest.approx(0, abs=1e-3)
        assert voiced.std() == pytest.approx(1, abs=1e-3)
        assert not both[both[:, 1] == 0].any()


def test_crops_and_pickled_copies_are_parts_of_the_whole(root):
    contours = Contours(root / "contours", SPEAKERS)
    copy = pickle.loads(pickle.dumps(contours))
    for place, utt in enumerate(contours.utt_ids):
        np.testing.assert_array_equal(contours.crop(place, 20, 30), copy[utt][20:50])
        assert len(copy[utt]) == contours.lengths[place]


def test_a_speaker_whom_the_training_had_not_is_normalised_by_the_utterance(root, caplog):
    known = Contours(root / "contours", SPEAKERS).statistics
    fewer = PitchStatistics({"ann": known.speakers["ann"]})
    contours = Contours(root / "contours", SPEAKERS, fewer)
    found = contours["b1"]
    voiced = found[found[:, 1] == 1, 0]
    assert voiced.mean() == pytest.approx(0, abs=1e-3) and voiced.std() == pytest.approx(
        1, abs=0.01
    )
    # By the whole utterance, also where only a piece of it is read.
    place = contours.utt_ids.index("b1")
    np.testing.assert_array_equal(contours.crop(place, 40, 20), found[40:60])
    contours.log_unseen()
    assert "2 utterances are of 2 speakers whom the training had not" in caplog.text


def test_silence_and_one_tone_are_normalised_without_harm():
    statistics = PitchStatistics.fit([("quiet", np.zeros(50)), ("tone", np.full(50, 200.0))])
    assert list(statistics.speakers) == ["tone"]
    silent = statistics.normalize(np.zeros(5), "quiet", np.zeros(50))
    assert not silent.any()
    tone = statistics.normalize(np.array([200.0, 0, 202]), "tone", np.zeros(3))
    assert tone[:, 1].tolist() == [1, 0, 1] and 0 < tone[2, 0] < 2
    assert PitchStatistics.from_plain(statistics.to_plain()) == statistics


def test_other_features_and_missing_speakers_are_refused(root):
    with pytest.raises(DataError, match="expected a speaker of each utterance, found none of b1"):
        Contours(root / "contours", {"a1": "ann", "a2": "ann", "c1": "cat"})
    with pytest.raises(DataError, match="expected a feature cache"):
        Contours(root / "data", SPEAKERS)
