"""Extraction: resumable, independent of the number of jobs, and never stopped by one bad file."""

import hashlib

import numpy as np
import pytest
import soundfile
import torch
from safetensors.numpy import load_file

from codec_ssl.codecs.dac import DACCodec
from codec_ssl.codecs.extract import ExtractOptions, extract_codes, finalize_codes
from codec_ssl.data import audio_folder
from codec_ssl.data.audio import read_audio
from codec_ssl.data.corpora import librispeech
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError, TokenError
from codec_ssl.tokens.store import TokenStore

OPTIONS = ExtractOptions(shard_utterances=4, chunk_seconds=0.5)


@pytest.fixture
def codec(small_dac):
    return DACCodec(small_dac(), "dac_16k")


@pytest.fixture
def data_dir(tmp_path, make_signal):
    """Eleven utterances of many lengths; some of another rate, one stereo, two to be streamed."""
    wav = {}
    for number in range(11):
        rate = 8000 if number % 4 == 1 else 16000
        samples = make_signal(900 + 700 * number * (2 if number > 8 else 1), number)
        path = tmp_path / f"audio {number}.wav"
        stereo = np.stack([samples, samples], axis=1) if number == 3 else samples
        soundfile.write(path, stereo, rate)
        wav[f"utt{number:02d}"] = str(path)
    return DataDir.write(tmp_path / "data", wav=wav, utt2spk={utt: "s" for utt in wav})


def contents(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_codes_are_those_of_each_utterance_alone(codec, data_dir, tmp_path):
    extract_codes(codec, data_dir, tmp_path / "store", options=OPTIONS)
    store = finalize_codes(codec, data_dir, tmp_path / "store", options=OPTIONS)
    assert list(store.utt_ids) == data_dir.utt_ids
    for utt in data_dir.utt_ids:
        wav, _ = read_audio(data_dir.source(utt), 16000)
        expected = codec.encode(torch.from_numpy(wav)[None])[0][0].numpy()
        assert store[utt].shape == expected.shape
        assert (store[utt] != expected).mean() < 0.01
    assert store.meta.maker["fingerprint"] == codec.fingerprint
    assert (store.meta.frame_rate, store.meta.sample_rate) == (50, 16000)
    vectors = load_file(tmp_path / "store" / "codebook.safetensors")["vectors"]
    np.testing.assert_array_equal(vectors, codec.codebook_vectors().numpy())


def test_batches_and_jobs_do_not_change_the_codes(codec, data_dir, tmp_path):
    extract_codes(codec, data_dir, tmp_path / "one", options=OPTIONS)
    finalize_codes(codec, data_dir, tmp_path / "one", options=OPTIONS)
    for job in (3, 1, 2):
        extract_codes(codec, data_dir, tmp_path / "three", job=job, num_jobs=3, options=OPTIONS)
    finalize_codes(codec, data_dir, tmp_path / "three", options=OPTIONS)
    assert contents(tmp_path / "one") == contents(tmp_path / "three")

    batched = ExtractOptions(shard_utterances=4, chunk_seconds=60, batch_seconds=1.5)
    extract_codes(codec, data_dir, tmp_path / "batched", options=batched)
    store = finalize_codes(codec, data_dir, tmp_path / "batched", options=batched)
    single = finalize_codes(codec, data_dir, tmp_path / "one", options=OPTIONS)
    differ = np.mean(np.concatenate([(store[u] != single[u]).ravel() for u in store.utt_ids]))
    assert differ < 1e-3


def test_a_killed_job_goes_on_at_its_first_missing_shard(codec, data_dir, tmp_path, monkeypatch):
    extract_codes(codec, data_dir, tmp_path / "whole", options=OPTIONS)
    finalize_codes(codec, data_dir, tmp_path / "whole", options=OPTIONS)
    encode, calls = codec.encode, []

    class Killed(BaseException):
        pass

    def counting(*args, **kwargs):
        calls.append(1)
        if len(calls) == 7:
            raise Killed
        return encode(*args, **kwargs)

    monkeypatch.setattr(codec, "encode", counting)
    with pytest.raises(Killed):
        extract_codes(codec, data_dir, tmp_path / "store", options=OPTIONS)
    with pytest.raises(TokenError, match="missing"):
        finalize_codes(codec, data_dir, tmp_path / "store", options=OPTIONS)
    done = len(calls)
    extract_codes(codec, data_dir, tmp_path / "store", options=OPTIONS)
    finalize_codes(codec, data_dir, tmp_path / "store", options=OPTIONS)
    assert contents(tmp_path / "store") == contents(tmp_path / "whole")
    assert len(calls) - done < 11, "the first shard was coded again"
    done = len(calls)
    extract_codes(codec, data_dir, tmp_path / "store", options=OPTIONS)
    assert len(calls) == done


def break_some(tmp_path):
    (tmp_path / "audio 2.wav").write_bytes(b"")
    (tmp_path / "audio 5.wav").unlink()
    soundfile.write(tmp_path / "audio 7.wav", np.full(5000, np.nan), 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "audio 8.wav", np.zeros(100), 16000)


def test_bad_audio_is_skipped_and_listed(codec, data_dir, tmp_path):
    break_some(tmp_path)
    options = ExtractOptions(shard_utterances=4, max_bad_rate=0.5)
    extract_codes(codec, data_dir, tmp_path / "store", options=options)
    store = finalize_codes(codec, data_dir, tmp_path / "store", options=options)
    assert len(store.utt_ids) == 7
    lines = (tmp_path / "store" / "bad_audio.tsv").read_text().splitlines()
    reasons = {line.split("\t")[0]: line.split("\t")[2] for line in lines[1:]}
    assert reasons == {
        "utt02": "empty",
        "utt05": "missing",
        "utt07": "nonfinite",
        "utt08": "too_short",
    }


def in_librispeech_layout(folder, make_signal):
    """Five utterances as LibriSpeech unpacks: an empty file, one cut in its header, three good."""
    folder.mkdir(parents=True)
    for number in range(5):
        soundfile.write(folder / f"84-1-{number:04d}.flac", make_signal(2000, number), 16000)
    lines = [f"84-1-{number:04d} LINE {number}\n" for number in range(5)]
    (folder / "84-1.trans.txt").write_text("".join(lines))
    (folder / "84-1-0001.flac").write_bytes(b"")
    cut = folder / "84-1-0003.flac"
    cut.write_bytes(cut.read_bytes()[:20])


def test_broken_files_of_librispeech_are_left_out_as_those_of_a_folder(
    codec, tmp_path, make_signal
):
    audio = tmp_path / "LibriSpeech" / "dev-clean" / "84" / "1"
    in_librispeech_layout(audio, make_signal)
    (librispeech_dir,) = librispeech.prepare(tmp_path, tmp_path / "a")
    (folder_dir,) = audio_folder.prepare(audio, tmp_path / "b", fractions={"all": 1.0})
    lax = ExtractOptions(max_bad_rate=0.4)
    stores = []
    for data_dir in (librispeech_dir, folder_dir):
        with pytest.raises(DataError, match=r"2 of 5 utterances \(1 empty, 1 unreadable\)"):
            extract_codes(codec, data_dir, tmp_path / "strict" / data_dir.path.name)
        stores.append(tmp_path / "lax" / data_dir.path.name)
        extract_codes(codec, data_dir, stores[-1], options=lax)
        finalize_codes(codec, data_dir, stores[-1], options=lax)
    assert (stores[0] / "bad_audio.tsv").read_text().splitlines() == [
        "utt_id\tpath\treason\tdetail",
        f"84-1-0001\t{audio}/84-1-0001.flac\tempty\t0 bytes",
        f"84-1-0003\t{audio}/84-1-0003.flac\tunreadable\t"
        "libsndfile: File contains data in an unimplemented format.",
    ]
    assert list(TokenStore(stores[0]).utt_ids) == ["84-1-0000", "84-1-0002", "84-1-0004"]
    assert contents(stores[0]) == contents(stores[1])


def test_too_much_bad_audio_fails_and_names_the_list(codec, data_dir, tmp_path):
    break_some(tmp_path)
    with pytest.raises(DataError, match="bad audio: "):
        extract_codes(codec, data_dir, tmp_path / "store", options=OPTIONS)
    lax = ExtractOptions(shard_utterances=4, max_bad_rate=0.5)
    extract_codes(codec, data_dir, tmp_path / "lax", options=lax)
    with pytest.raises(DataError, match=r"4 of 11 .*bad_audio\.tsv"):
        finalize_codes(codec, data_dir, tmp_path / "lax", options=OPTIONS)


@pytest.mark.parametrize("batch_seconds", [0.0, 30.0])
def test_an_utterance_at_which_the_codec_fails_is_skipped(
    codec, data_dir, tmp_path, monkeypatch, batch_seconds
):
    encode = codec.encode

    def failing(wav, lens):
        if (lens == 900 + 700 * 4).any():
            raise RuntimeError("out of memory")
        return encode(wav, lens)

    monkeypatch.setattr(codec, "encode", failing)
    options = ExtractOptions(shard_utterances=20, max_bad_rate=0.1, batch_seconds=batch_seconds)
    extract_codes(codec, data_dir, tmp_path / "store", options=options)
    store = finalize_codes(codec, data_dir, tmp_path / "store", options=options)
    assert len(store.utt_ids) == 10
    assert "utt04" not in store.utt_ids
    assert store.meta.skipped == {"codec_failed": 1}


def test_codes_of_another_codec_are_not_mixed_in(codec, data_dir, tmp_path, small_dac):
    extract_codes(codec, data_dir, tmp_path / "store", options=OPTIONS)
    other = DACCodec(small_dac(seed=1), "dac_16k")
    with pytest.raises(TokenError, match="another plan"):
        extract_codes(other, data_dir, tmp_path / "store", options=OPTIONS)
