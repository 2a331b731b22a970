"""Streams side by side: the same frames of each, and every recording its turn."""

from collections import Counter

import numpy as np
import pytest
import soundfile
import torch
import toy_mae

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train.crops import CropOptions
from codec_ssl.train.side_by_side import AudioStream, StoredStream, put_side_by_side
from codec_ssl.train.side_crops import crop_training, crop_validation, passes_of

CROP = 40
OPTIONS = CropOptions(CROP, batch_size=3, steps=4, seed=1)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Recordings whose samples and codes both tell the frame: ramps."""
    folder = tmp_path_factory.mktemp("ramps")
    data_dir = toy_mae.make_data_dir(folder, "train")
    codes = {}
    for number, utt in enumerate(data_dir.utt_ids):
        frames = toy_mae.LENGTHS["train"][number]
        samples = np.repeat(np.arange(frames) / 256 - 0.5, toy_mae.HOP)[: -toy_mae.HOP // 2]
        soundfile.write(data_dir.source(utt).path, samples, toy_mae.RATE, subtype="FLOAT")
        codes[utt] = np.stack([np.arange(frames), np.full(frames, number)], 1)
    maker = {"kind": "codec", "name": "ramp", "fingerprint": "ramp"}
    toy_mae.write_store(folder / "codes", codes, [256, 16], maker)
    shorter = {utt: frames[:-1, :1] for utt, frames in codes.items()}
    toy_mae.write_store(folder / "labels", shorter, [256], maker)
    far = {utt: frames[:-3, :1] for utt, frames in codes.items()}
    toy_mae.write_store(folder / "far", far, [256], maker)
    few = {utt: codes[utt] for utt in list(codes)[1:]}
    toy_mae.write_store(folder / "few", few, [256, 16], maker)
    return folder


def stored(root, name):
    return StoredStream(TokenStore(root / name))


def audio(root, samples=None):
    data_dir = DataDir(root / "data" / "train")
    return AudioStream(data_dir, toy_mae.RATE, toy_mae.HOP, samples or {})


@pytest.fixture
def streams(root):
    return {name: stored(root, name) for name in ("codes", "labels")} | {"audio": audio(root)}


def test_a_crop_takes_the_same_frames_of_every_stream(streams):
    data = put_side_by_side(streams, "codes")
    assert data.lengths.tolist() == [n - 1 for n in toy_mae.LENGTHS["train"]]
    for _, batch in crop_training(data, OPTIONS).build_iter(1):
        lengths = batch["lengths"].tolist()
        assert batch["audio_lengths"].tolist() == [n * toy_mae.HOP for n in lengths]
        assert torch.equal(batch["codes"][:, :1], batch["labels"])
        places = batch["codes"][:, 0].split(lengths)
        for row, length, place in zip(batch["audio"], lengths, places, strict=True):
            assert (place.diff() == 1).all()
            middles = row[: length * toy_mae.HOP].view(length, -1)[:, toy_mae.HOP // 4]
            torch.testing.assert_close(middles, place / 256 - 0.5, atol=1e-4, rtol=0)


def test_a_recording_comes_once_for_every_crop_that_it_holds(streams):
    data = put_side_by_side(streams, "codes")
    total = passes_of(data, CROP)
    wanted = {utt: max(1, n // CROP) for utt, n in zip(data.utt_ids, data.lengths, strict=True)}
    assert total == sum(wanted.values())
    options = CropOptions(CROP, batch_size=1, steps=total, seed=1)
    seen = Counter(utts[0] for utts, _ in crop_training(data, options).build_iter(1))
    assert seen == wanted


def test_batches_depend_on_seed_and_step_alone(streams):
    data = put_side_by_side(streams, "codes")
    whole = [batch for epoch in (1, 2) for batch in crop_training(data, OPTIONS).build_iter(epoch)]
    again = list(crop_training(data, OPTIONS).build_iter(2))
    for (one, left), (other, right) in zip(whole[4:], again, strict=True):
        assert one == other and torch.equal(left["codes"], right["codes"])
    ranks = [
        list(crop_training(data, CropOptions(CROP, 3, 4, 1, rank, 2)).build_iter(2))
        for rank in (0, 1)
    ]
    for (utts, _), first, second in zip(again, *ranks, strict=True):
        assert sorted(utts) == sorted(first[0] + second[0])


def test_validation_has_one_crop_of_each_recording_and_the_same_in_every_epoch(streams):
    data = put_side_by_side(streams, "codes")
    factory = crop_validation(data, OPTIONS)
    first, second = (list(factory.build_iter(epoch)) for epoch in (1, 2))
    assert [utt for utts, _ in first for utt in utts] == list(data.utt_ids)
    for (_, one), (_, other) in zip(first, second, strict=True):
        assert torch.equal(one["codes"], other["codes"])
    ranks = [crop_validation(data, CropOptions(CROP, 7, 1, 1, rank, 2)) for rank in (0, 1)]
    found = [utt for rank in ranks for utts, _ in rank.build_iter(1) for utt in utts]
    assert sorted(found) == list(data.utt_ids)
    with pytest.raises(DataError, match="each of 9 processes"):
        crop_validation(data, CropOptions(CROP, 9, 1, 1, 0, 9))


def test_the_end_of_a_recording_is_followed_by_silence(root):
    samples = {
        utt: n * toy_mae.HOP - toy_mae.HOP // 2
        for utt, n in zip(
            DataDir(root / "data/train").utt_ids, toy_mae.LENGTHS["train"], strict=True
        )
    }
    data = put_side_by_side({"audio": audio(root, samples)}, "audio")
    assert data.lengths.tolist() == toy_mae.LENGTHS["train"]
    wav = data.crop(0, 30, 10)["audio"]
    assert len(wav) == 10 * toy_mae.HOP and (wav[-toy_mae.HOP // 2 :] == 0).all()


def test_a_segment_is_followed_by_silence_not_by_its_neighbour(root, tmp_path):
    """Two segments of one file, the first of 30 frames and a half."""
    source = DataDir(root / "data" / "train").source("train03")
    border = 30.5 * toy_mae.HOP / toy_mae.RATE
    data_dir = DataDir.write(
        tmp_path / "data",
        wav={"whole": source.path},
        utt2spk={"a": "a", "b": "b"},
        segments={"a": ("whole", 0.0, border), "b": ("whole", border, 2 * border)},
    )
    stream = AudioStream(data_dir, toy_mae.RATE, toy_mae.HOP, {})
    whole, _ = soundfile.read(source.path, dtype="float32")
    half = toy_mae.HOP // 2
    wav = stream.crop("a", 20, 15)
    kept = 10 * toy_mae.HOP + half
    np.testing.assert_array_equal(wav[:kept], whole[20 * toy_mae.HOP :][:kept])
    assert (wav[kept:] == 0).all() and len(wav) == 15 * toy_mae.HOP
    second = stream.crop("b", 0, 40)
    np.testing.assert_array_equal(second[:kept], whole[30 * toy_mae.HOP + half :][:kept])
    assert (second[30 * toy_mae.HOP + half :] == 0).all()


def test_streams_that_do_not_belong_together_are_refused_with_the_stage(root, tmp_path):
    with pytest.raises(DataError, match=r"far: expected 40 frames of train00.*found 37.*labels"):
        put_side_by_side({"codes": stored(root, "codes"), "labels": stored(root, "far")}, "codes")
    with pytest.raises(DataError, match=r"few: expected labels of every utterance.*train00"):
        put_side_by_side({"codes": stored(root, "codes"), "labels": stored(root, "few")}, "codes")
    data_dir = DataDir(root / "data" / "train")
    others = data_dir.utt_ids[1:]
    fewer = DataDir.write(
        tmp_path / "fewer",
        wav={utt: data_dir.source(utt).path for utt in others},
        utt2spk={utt: utt for utt in others},
    )
    waves = AudioStream(fewer, toy_mae.RATE, toy_mae.HOP, {})
    with pytest.raises(DataError, match=r"fewer: expected audio of every.*train00.*data") as found:
        put_side_by_side({"codes": stored(root, "codes"), "audio": waves}, "codes")
    assert found.value.stage == "data"
    some = {"codes": stored(root, "codes"), "labels": stored(root, "few")}
    assert len(put_side_by_side(some, "codes", ["train03"])) == 1


def test_a_broken_file_is_replaced_by_the_next_recording(root, tmp_path, caplog):
    data_dir = DataDir(root / "data" / "train")
    wav = {utt: data_dir.source(utt).path for utt in data_dir.utt_ids} | {"train03": "gone.wav"}
    broken = DataDir.write(tmp_path / "data", wav=wav, utt2spk={u: u for u in wav})
    stream = AudioStream(broken, toy_mae.RATE, toy_mae.HOP, {})
    data = put_side_by_side({"codes": stored(root, "codes"), "audio": stream}, "codes")
    found = [u for utts, _ in crop_validation(data, OPTIONS).build_iter(1) for u in utts]
    assert found.count("train04") == 2 and "train03" not in found
    assert "the next recording is used in its place" in caplog.text
    nothing = DataDir.write(
        tmp_path / "none", wav=dict.fromkeys(wav, "gone.wav"), utt2spk={u: u for u in wav}
    )
    stream = AudioStream(nothing, toy_mae.RATE, toy_mae.HOP, {})
    data = put_side_by_side({"codes": stored(root, "codes"), "audio": stream}, "codes")
    with pytest.raises(DataError, match="cannot be read"):
        next(iter(crop_validation(data, OPTIONS).build_iter(1)))
