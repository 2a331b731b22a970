"""Corpora of labelled sounds: small copies of their layouts on disk become data dirs."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from codec_ssl.data.audio import read_audio
from codec_ssl.data.corpora import crema_d, esc50, fsd50k, gtzan, nsynth, speech_commands
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.wav_file import write_wav
from codec_ssl.errors import DataError

COMMANDS, COMMANDS_TEST = "speech_commands_v0.02", "speech_commands_test_set_v0.02"


def touch(path: Path) -> None:
    """A file that is no audio: readers of clips open none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


def text(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def all_labels(made: list[DataDir], name: str) -> dict[str, dict[str, str]]:
    return {data_dir.path.name: data_dir.labels(name) for data_dir in made}


@pytest.fixture
def esc(tmp_path: Path) -> Path:
    rows = [
        "1-100032-A-0.wav,1,0,dog,True,100032,A",
        "2-5-A-14.wav,2,14,chirping_birds,False,5,A",
        "3-7-B-0.wav,3,0,dog,True,7,B",
    ]
    header = "filename,fold,target,category,esc10,src_file,take"
    text(tmp_path / "ESC-50-master/meta/esc50.csv", header, *rows)
    for row in rows:
        touch(tmp_path / "ESC-50-master/audio" / row.split(",")[0])
    return tmp_path


def test_esc50_keeps_its_folds_counted_from_0(esc: Path, tmp_path: Path):
    made = esc50.prepare(esc, tmp_path / "out")
    assert all_labels(made, "category") == {
        "fold00": {"1-100032-A-0": "dog"},
        "fold01": {"2-5-A-14": "chirping_birds"},
        "fold02": {"3-7-B-0": "dog"},
    }
    assert made[0].utt2spk == {"1-100032-A-0": "freesound_100032"}
    assert Path(made[0].wav_scp["1-100032-A-0"]).is_file()


def test_esc10_has_its_classes_only(esc: Path, tmp_path: Path):
    made = esc50.prepare(esc / "ESC-50-master", tmp_path / "out", esc10_only=True)
    assert [data_dir.path.name for data_dir in made] == ["fold00", "fold02"]


def test_esc50_without_its_table_says_what_is_missing(tmp_path: Path):
    with pytest.raises(DataError, match=r"meta/esc50\.csv"):
        esc50.prepare(tmp_path, tmp_path / "out")
    text(tmp_path / "meta/esc50.csv", "filename,fold", "a.wav,1")
    with pytest.raises(DataError, match="category"):
        esc50.prepare(tmp_path, tmp_path / "out")


@pytest.mark.parametrize("place", ["", "genres", "Data/genres_original"])
def test_gtzan_is_found_where_archives_unpack_it_and_divided_evenly(tmp_path: Path, place: str):
    for genre in gtzan.GENRES:
        for number in range(10):
            touch(tmp_path / "corpus" / place / genre / f"{genre}.{number:05d}.au")
    made = gtzan.prepare(tmp_path / "corpus", tmp_path / "out")
    assert len(made) == 10
    seen: set[str] = set()
    for data_dir in made:
        assert sorted(data_dir.labels("genre").values()) == sorted(gtzan.GENRES)
        assert not seen & set(data_dir.utt_ids)
        seen |= set(data_dir.utt_ids)
    assert len(seen) == 100


def test_gtzan_without_a_genre_names_it(tmp_path: Path):
    touch(tmp_path / "blues/blues.00000.wav")
    with pytest.raises(DataError, match="classical"):
        gtzan.prepare(tmp_path, tmp_path / "out")
    with pytest.raises(DataError, match="blues"):
        gtzan.prepare(tmp_path / "nothing", tmp_path / "out")


@pytest.fixture
def crema(tmp_path: Path) -> Path:
    for actor in range(1001, 1011):
        for emotion in crema_d.EMOTIONS:
            touch(tmp_path / f"AudioWAV/{actor}_DFA_{emotion}_XX.wav")
    touch(tmp_path / "AudioWAV/1001_IEO_ANG_HI.wav")
    text(
        tmp_path / "VideoDemographics.csv",
        "ActorID,Age,Sex,Race,Ethnicity",
        *(f"{actor},51,{'Male' if actor % 2 else 'Female'},x,y" for actor in range(1001, 1011)),
    )
    return tmp_path


def test_crema_d_reads_names_and_has_every_emotion_in_each_fold(crema: Path, tmp_path: Path):
    made = crema_d.prepare(crema, tmp_path / "out")
    assert [data_dir.path.name for data_dir in made] == [f"fold0{n}" for n in range(5)]
    assert sum(map(len, made)) == 61
    for data_dir in made:
        assert set(data_dir.labels("emotion").values()) == set(crema_d.EMOTIONS.values())
    whole = DataDir(tmp_path / "out/all")
    assert whole.labels("level") == {"1001_IEO_ANG_HI": "high"}
    assert whole.labels("gender")["1002_DFA_SAD_XX"] == "f"
    assert whole.utt2spk["1002_DFA_SAD_XX"] == "1002"


def test_crema_d_by_speakers_has_none_of_them_in_two_folds(crema: Path, tmp_path: Path):
    made = crema_d.prepare(crema, tmp_path / "out", split_by="speaker")
    actors = [set(data_dir.utt2spk.values()) for data_dir in made]
    assert sum(map(len, actors)) == len(set.union(*actors)) == 10


def test_crema_d_refuses_a_name_that_is_not_its_own(crema: Path, tmp_path: Path):
    touch(crema / "AudioWAV/1001_DFA_XYZ_XX.wav")
    with pytest.raises(DataError, match="1001_DFA_XYZ_XX"):
        crema_d.prepare(crema, tmp_path / "out")


@pytest.fixture
def fsd(tmp_path: Path) -> Path:
    truth = tmp_path / "FSD50K.ground_truth"
    text(
        truth / "dev.csv",
        "fname,labels,mids,split",
        '64760,"Electric_guitar,Guitar,Music","/m/02sgy,/m/0342h,/m/04rlf",train',
        "10,Bark,/m/1,val",
        f"{min(fsd50k.TOO_LONG)},Bark,/m/1,train",
    )
    text(truth / "eval.csv", "fname,labels,mids", '37199,"Bark,Dog","/m/1,/m/2"')
    info = {"64760": {"uploader": "some one"}}
    text(tmp_path / "FSD50K.metadata/dev_clips_info_FSD50K.json", json.dumps(info))
    return tmp_path


def test_fsd50k_has_all_labels_of_a_clip_in_one_line(fsd: Path, tmp_path: Path):
    made = fsd50k.prepare(fsd, tmp_path / "out")
    assert all_labels(made, "label") == {
        "train": {"fsd64760": "Electric_guitar Guitar Music"},
        "valid": {"fsd10": "Bark"},
        "test": {"fsd37199": "Bark Dog"},
    }
    assert made[0].utt2spk == {"fsd64760": "some_one"}
    assert made[2].wav_scp["fsd37199"].endswith("FSD50K.eval_audio/37199.wav")


def test_fsd50k_refuses_a_split_that_it_does_not_have(fsd: Path, tmp_path: Path):
    text(fsd / "FSD50K.ground_truth/dev.csv", "fname,labels,mids,split", "1,Bark,/m/1,tests")
    with pytest.raises(DataError, match=r"line 2: expected split train or val, found 'tests'"):
        fsd50k.prepare(fsd, tmp_path / "out")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    for part in nsynth.PARTS:
        found = {
            f"bass_{part}_{number:03d}-{pitch:03d}-100": {
                "pitch": pitch,
                "velocity": 100,
                "instrument_str": f"bass_{part}_{number:03d}",
                "instrument_family_str": "bass",
                "instrument_source_str": "synthetic",
            }
            for number, pitch in enumerate([9, 21, *range(50, 98), 108, 109])
        }
        text(tmp_path / f"nsynth-{part}" / "examples.json", json.dumps(found))
    return tmp_path


def test_nsynth_has_the_pitches_of_a_piano(notes: Path, tmp_path: Path):
    made = nsynth.prepare(notes, tmp_path / "out")
    assert [data_dir.path.name for data_dir in made] == ["train", "valid", "test"]
    pitches = sorted(map(int, made[1].labels("pitch").values()))
    assert pitches == [21, *range(50, 98), 108]
    utt = "bass_valid_001-021-100"
    assert made[1].utt2spk[utt] == "bass_valid_001" and made[1].labels("family")[utt] == "bass"
    assert made[1].wav_scp[utt].endswith(f"nsynth-valid/audio/{utt}.wav")


def test_nsynth_hours_are_shared_as_in_hear(notes: Path, tmp_path: Path):
    hours = 0.045  # of 4 s: 36 notes and 4.5
    made = nsynth.prepare(notes, tmp_path / "out", hours)
    assert [len(data_dir) for data_dir in made] == [36, 4, 4]
    assert len(DataDir(tmp_path / "out/train_all")) == 50
    again = nsynth.prepare(notes, tmp_path / "again", hours)
    assert [a.utt_ids for a in again] == [m.utt_ids for m in made]
    with pytest.raises(DataError, match="expected at least"):
        nsynth.prepare(notes, tmp_path / "out", 50)


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    train = tmp_path / COMMANDS
    for word in ("yes", "bed"):
        for speaker in ("aaaa", "bbbb", "cccc"):
            touch(train / word / f"{speaker}_nohash_0.wav")
    text(train / "validation_list.txt", "yes/bbbb_nohash_0.wav", "bed/bbbb_nohash_0.wav")
    text(train / "testing_list.txt", "yes/cccc_nohash_0.wav", "bed/cccc_nohash_0.wav")
    rng = np.random.default_rng(0)
    for noise in ("running_tap", "white_noise"):
        path = train / "_background_noise_" / f"{noise}.wav"
        write_wav(path, 0.1 * rng.standard_normal(3 * 16000), 16000)
    test = tmp_path / COMMANDS_TEST
    touch(test / "yes/cccc_nohash_0.wav")
    touch(test / "_unknown_/bed_cccc_nohash_0.wav")
    touch(test / "_silence_/0.wav")
    return tmp_path


def test_speech_commands_has_twelve_classes_and_seconds_of_noise(commands: Path, tmp_path: Path):
    made = speech_commands.prepare(commands, tmp_path / "out")
    found = all_labels(made, "command")
    silence = {f"noise_white_noise_{n:04d}": "_silence_" for n in range(4)}
    speech = {"yes_aaaa_nohash_0": "yes", "bed_aaaa_nohash_0": "_unknown_"}
    assert found["train"] == {**speech, **silence}
    assert [utt for utt in found["valid"] if "tap" in utt]
    assert found["test"] == {
        "yes_cccc_nohash_0": "yes",
        "unknown_bed_cccc_nohash_0": "_unknown_",
        "silence_0": "_silence_",
    }
    assert made[2].labels("word")["unknown_bed_cccc_nohash_0"] == "bed"
    assert made[2].utt2spk["unknown_bed_cccc_nohash_0"] == "cccc"


def test_a_piece_of_noise_is_read_from_its_place(commands: Path, tmp_path: Path):
    train = speech_commands.prepare(commands, tmp_path / "out")[0]
    whole, _ = read_audio(commands / COMMANDS / "_background_noise_/white_noise.wav")
    piece, rate = read_audio(train.source("noise_white_noise_0003"))
    assert rate == 16000
    np.testing.assert_array_equal(piece, whole[24000:40000])


PREPARE: list[Callable] = [
    crema_d.prepare,
    esc50.prepare,
    fsd50k.prepare,
    gtzan.prepare,
    nsynth.prepare,
    speech_commands.prepare,
]


@pytest.mark.parametrize("prepare", PREPARE, ids=lambda f: f.__module__.rpartition(".")[2])
def test_an_empty_folder_is_refused_by_name(prepare: Callable, tmp_path: Path):
    with pytest.raises(DataError, match=str(tmp_path / "nothing")):
        prepare(tmp_path / "nothing", tmp_path / "out")
