"""Embeddings on disk: found again only for the same encoder, sounds and length."""

import os

import numpy as np
import pytest
import soundfile
import torch
import toy_waves

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError
from codec_ssl.evaluation.hear import embeddings as room
from codec_ssl.evaluation.hear.embedder import Embedder
from codec_ssl.evaluation.hear.embeddings import read_embeddings, write_embeddings


def make_set(root, lengths, rate=24000):
    wav = {}
    for number, length in enumerate(lengths):
        path = root / f"u{number}.wav"
        samples = np.random.default_rng(number).uniform(-0.5, 0.5, length)
        soundfile.write(path, samples, rate, subtype="FLOAT")
        wav[f"u{number}"] = str(path)
    return DataDir.write(root / "data" / "train", wav=wav, utt2spk={u: u for u in wav})


@pytest.fixture
def sounds(tmp_path):
    return make_set(tmp_path, [5000, 320, 12000, 700, 9999])


def folders(cache):
    return sorted(path.name for path in cache.iterdir())


def test_each_sound_has_the_embedding_that_the_embedder_gives_it(sounds, tmp_path):
    embedder = Embedder(toy_waves.Windows(), 0)
    found = read_embeddings(embedder, sounds, tmp_path / "cache")
    assert found.utt_ids == sounds.utt_ids
    for utt, vector in zip(found.utt_ids, found.vectors, strict=True):
        wav, _ = soundfile.read(sounds.wav_scp[utt], dtype="float32")
        expected = embedder.scenes([torch.from_numpy(wav)])[0]
        np.testing.assert_allclose(vector, expected.numpy(), rtol=1e-5, atol=1e-6)


def test_sounds_are_brought_to_the_length_of_the_task(sounds, tmp_path):
    embedder = Embedder(toy_waves.Windows(), 0)
    found = read_embeddings(embedder, sounds, tmp_path / "cache", seconds=0.25)
    for utt, vector in zip(found.utt_ids, found.vectors, strict=True):
        wav, _ = soundfile.read(sounds.wav_scp[utt], dtype="float32")
        fixed = np.zeros(6000, np.float32)
        fixed[: len(wav[:6000])] = wav[:6000]
        expected = embedder.scenes([torch.from_numpy(fixed)])[0]
        np.testing.assert_allclose(vector, expected.numpy(), rtol=1e-5, atol=1e-6)


def test_what_is_there_is_not_made_again(sounds, tmp_path, monkeypatch):
    embedder = Embedder(toy_waves.Windows(), 0)
    first = read_embeddings(embedder, sounds, tmp_path / "cache")
    monkeypatch.setattr(embedder.encoder, "encode", None)
    again = read_embeddings(embedder, sounds, tmp_path / "cache")
    np.testing.assert_array_equal(first.vectors, again.vectors)


def test_whatever_changes_gets_a_folder_of_its_own(sounds, tmp_path):
    cache = tmp_path / "cache"
    first = Embedder(toy_waves.Windows(), 0)
    read_embeddings(first, sounds, cache)
    read_embeddings(Embedder(toy_waves.Windows(), 1), sounds, cache)
    read_embeddings(Embedder(toy_waves.Windows(width=100), 0), sounds, cache)
    read_embeddings(Embedder(toy_waves.Windows(), 0, pooling="mean_std"), sounds, cache)
    read_embeddings(first, sounds, cache, seconds=1.0)
    assert len(folders(cache)) == 5
    path = sounds.wav_scp["u0"]
    wav, rate = soundfile.read(path)
    soundfile.write(path, -wav, rate, subtype="FLOAT")
    os.utime(path, ns=(1, 1))
    read_embeddings(first, sounds, cache)
    assert len(folders(cache)) == 6 and all(
        name.startswith("data_train-") for name in folders(cache)
    )


def test_jobs_share_the_parts_and_a_killed_one_goes_on(sounds, tmp_path, monkeypatch):
    monkeypatch.setattr(room, "_PART_SOUNDS", 2)
    embedder = Embedder(toy_waves.Windows(), 0)
    whole = read_embeddings(embedder, sounds, tmp_path / "one")
    cache = tmp_path / "many"
    write_embeddings(embedder, sounds, cache, job=2, num_jobs=2)
    [folder] = cache.iterdir()
    assert [path.name for path in sorted(folder.glob("part*"))] == ["part-00001.safetensors"]
    write_embeddings(embedder, sounds, cache, job=1, num_jobs=2)
    (folder / "part-00002.safetensors").unlink()
    found = read_embeddings(embedder, sounds, cache)
    assert found.utt_ids == whole.utt_ids
    np.testing.assert_allclose(found.vectors, whole.vectors, rtol=1e-6, atol=1e-7)


def test_bad_audio_is_left_out_listed_and_limited(sounds, tmp_path):
    (tmp_path / "u3.wav").write_bytes(b"RIFF")
    (tmp_path / "u1.wav").unlink()
    embedder = Embedder(toy_waves.Windows(), 0)
    found = read_embeddings(embedder, sounds, tmp_path / "cache", max_bad_rate=0.5)
    assert found.utt_ids == ["u0", "u2", "u4"] and len(found.vectors) == 3
    [folder] = (tmp_path / "cache").iterdir()
    listed = (folder / "bad_audio.tsv").read_text()
    assert "u1" in listed and "missing" in listed and "u3" in listed
    with pytest.raises(DataError, match="2 of 5 utterances"):
        read_embeddings(embedder, sounds, tmp_path / "cache")


def test_embeddings_that_are_no_numbers_are_refused_with_their_sound(sounds, tmp_path):
    class Broken(toy_waves.Windows):
        def encode(self, inputs, lens, layers):
            found, frames = super().encode(inputs, lens, layers)
            return {layer: x * torch.nan for layer, x in found.items()}, frames

    with pytest.raises(DataError, match=r"train: u0: expected a finite embedding"):
        read_embeddings(Embedder(Broken(), 0), sounds, tmp_path / "cache")
