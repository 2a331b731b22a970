"""From a token store back to audio and a data dir."""

import json

import numpy as np
import pytest
import soundfile
import torch

from codec_ssl.codecs.dac import DACCodec
from codec_ssl.codecs.extract import extract_codes, finalize_codes
from codec_ssl.codecs.synthesis import Synthesis
from codec_ssl.data.audio import read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import CodecError, DataError, TokenError
from codec_ssl.tokens.store import TokenStore

# Hz and seconds, none of them a whole number of frames.
FILES = {"a/1": (16000, 0.51), "b 2": (8000, 0.3333), "c": (44100, 0.4711), "d": (16000, 0.02)}


@pytest.fixture(scope="module")
def codec(small_dac):
    return DACCodec(small_dac(), "small")


@pytest.fixture
def reference(tmp_path, make_signal):
    wav, names = {}, {name.replace(" ", "_"): facts for name, facts in FILES.items()}
    for number, (utt_id, (rate, seconds)) in enumerate(names.items()):
        wav[utt_id] = str(tmp_path / f"{number}.wav")
        soundfile.write(wav[utt_id], make_signal(round(rate * seconds), number), rate)
    return DataDir.write(
        tmp_path / "data",
        wav=wav,
        utt2spk=dict.fromkeys(wav, "s"),
        text={"c": "some words"},
        labels={"lang": {"c": "en", "d": "de"}},
    )


@pytest.fixture
def store(tmp_path, codec, reference):
    extract_codes(codec, reference, tmp_path / "store")
    return finalize_codes(codec, reference, tmp_path / "store")


def test_waveforms_are_what_the_codec_decodes_with_the_length_of_the_utterance(
    tmp_path, codec, store, reference
):
    synthesis = Synthesis(codec, store, tmp_path / "out", reference=reference)
    synthesis.decode()
    made = synthesis.finish()
    assert made.utt_ids == reference.utt_ids and made.text == {"c": "some words"}
    assert made.labels("lang") == reference.labels("lang") and set(made.utt2spk.values()) == {"s"}
    for utt_id in made.utt_ids:
        wav, rate = read_audio(made.source(utt_id))
        original, _ = read_audio(reference.source(utt_id), 16000)
        assert rate == 16000 and abs(len(wav) - len(original)) <= 1
        expected = codec.decode(torch.from_numpy(store[utt_id])[None])[0][0].numpy()
        assert np.abs(wav - np.clip(expected[: len(wav)], -1, 1)).max() <= 1 / 32768


def test_jobs_share_the_utterances_and_go_on_where_they_were(tmp_path, codec, store, reference):
    out = tmp_path / "out"
    with pytest.raises(DataError, match=r"4 waveforms, 4 are not there yet"):
        Synthesis(codec, store, out).finish()
    Synthesis(codec, store, out).decode(1, 3)
    first = sorted((out / "wav").iterdir())
    assert len(first) == 2
    stamps = [path.stat().st_mtime_ns for path in first]
    for job in (1, 2, 3):
        Synthesis(codec, store, out).decode(job, 3)
    made = Synthesis(codec, store, out).finish()
    assert len(made) == 4 and [path.stat().st_mtime_ns for path in first] == stamps
    # Nobody said how long the utterances are: frames stay full.
    for utt_id in made.utt_ids:
        assert soundfile.info(made.wav_scp[utt_id]).frames == 320 * store.num_frames(utt_id)
    assert made.utt2spk["c"] == "c"


def test_a_job_that_there_is_not_is_named(tmp_path, codec, store):
    for job, num_jobs in ((0, 2), (3, 2), (1, 0)):
        with pytest.raises(TokenError, match=f"job from 1 to {num_jobs}, found {job}"):
            Synthesis(codec, store, tmp_path / "out").decode(job, num_jobs)


def test_what_is_no_audio_is_not_written(tmp_path, codec, store, monkeypatch):
    nothing = torch.full((1, 320), torch.nan), torch.tensor([320])
    monkeypatch.setattr(codec, "decode", lambda codes: nothing)
    with pytest.raises(CodecError, match=r"utterance a/1: codec small decodes it to NaN"):
        Synthesis(codec, store, tmp_path / "out").decode()
    assert not list((tmp_path / "out" / "wav").iterdir())


def test_fewer_codebooks_decode_another_waveform_and_never_into_the_same_folder(
    tmp_path, codec, store
):
    whole, part = (
        Synthesis(codec, store, tmp_path / str(n), num_codebooks=n).waveform("c") for n in (None, 2)
    )
    expected = codec.decode(torch.from_numpy(store["c"][:, :2])[None])[0][0]
    assert np.allclose(part, expected) and not np.allclose(part, whole)
    with pytest.raises(DataError, match=r"holds waveforms of other num_codebooks.*decoded\.json"):
        Synthesis(codec, store, tmp_path / "2", num_codebooks=3)
    assert json.loads((tmp_path / "2" / "decoded.json").read_text())["num_codebooks"] == 2
    with pytest.raises(TokenError, match=r"num_codebooks of 1\.\.4, found 5"):
        Synthesis(codec, store, tmp_path / "5", num_codebooks=5)


def test_another_codec_and_another_data_dir_are_refused(tmp_path, small_dac, codec, store):
    other = DACCodec(small_dac(seed=1), "other")
    with pytest.raises(TokenError, match=r"made by codec small .*, not by other"):
        Synthesis(other, store, tmp_path / "out")
    wav = {"x": str(tmp_path / "0.wav")}
    foreign = DataDir.write(tmp_path / "foreign", wav=wav, utt2spk={"x": "x"})
    with pytest.raises(DataError, match=r"no utterance 'a/1' of .*\(4 such\)"):
        Synthesis(codec, store, tmp_path / "out", reference=foreign)
    assert not (tmp_path / "out").exists()


def test_audio_that_has_gone_since_leaves_the_last_frame_full(tmp_path, codec, store, reference):
    utt_id = reference.utt_ids[-1]
    (tmp_path / "3.wav").unlink()
    wav = Synthesis(codec, store, tmp_path / "out", reference=reference).waveform(utt_id)
    assert len(wav) == 320 * store.num_frames(utt_id)
    assert TokenStore(store.path).num_frames(utt_id) == 1
