"""VCTK in the layouts of both its versions, tiny, with the gaps that it really has."""

import logging

import numpy as np
import pytest
import soundfile

from codec_ssl.bin import prepare_data
from codec_ssl.data.audio import read_audio
from codec_ssl.data.corpora import vctk
from codec_ssl.data.corpora.partition import Partition
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError

SENTENCES = 40
FULL = ("p225", "p362", "s5")
TABLE_92 = """ID  AGE  GENDER  ACCENTS  REGION COMMENTS
p225  23  F    English    Southern  England
p248  23  F    Indian
p280  25  F    French     France  (mic2 files unavailable)
p315  18  M    American   New England (mic2 files unavailable)
p362  29  F    American
s5    20  M    British
"""
TABLE_80 = """ID  AGE  GENDER  ACCENTS  REGION
225  23  F    English    Southern  England
315  18  M    American   New England
"""


def write(path, seconds=0.01):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".txt":
        path.write_text(f" Words of {path.stem}. \n")
    else:
        soundfile.write(path, np.full(int(48000 * seconds), 0.25), 48000)


@pytest.fixture(scope="module")
def new(tmp_path_factory):
    """0.92: p280 without its second microphone, p315 also without transcripts, a gap in p362."""
    root = tmp_path_factory.mktemp("vctk") / "VCTK-Corpus-0.92"
    for speaker in (*FULL, "p280", "p315"):
        for number in range(1, SENTENCES + 1):
            utt = f"{speaker}_{number:03d}"
            audio = root / "wav48_silence_trimmed" / speaker
            write(audio / f"{utt}_mic1.flac")
            if speaker in FULL and utt != "p362_007":
                write(audio / f"{utt}_mic2.flac", seconds=0.02)
            if speaker != "p315":
                write(root / "txt" / speaker / f"{utt}.txt")
    (root / "speaker-info.txt").write_text(TABLE_92)
    return root


@pytest.fixture(scope="module")
def old(tmp_path_factory):
    root = tmp_path_factory.mktemp("vctk") / "VCTK-Corpus"
    for number in range(1, SENTENCES + 1):
        write(root / "wav48/p225" / f"p225_{number:03d}.wav")
        write(root / "txt/p225" / f"p225_{number:03d}.txt")
        write(root / "wav48/p315" / f"p315_{number:03d}.wav")
    (root / "speaker-info.txt").write_text(TABLE_80)
    return root


def test_every_speaker_is_in_train_valid_and_test(new, tmp_path):
    made = vctk.prepare(new, tmp_path)
    assert [each.path.name for each in made] == ["vctk_train", "vctk_valid", "vctk_test"]
    utterances = [utt for each in made for utt in each.utt_ids]
    assert len(set(utterances)) == len(utterances) == 3 * SENTENCES - 1
    for part, share in zip(made, (36, 2, 2), strict=True):
        assert set(part.utt2spk.values()) == set(FULL)
        assert len(part) == pytest.approx(3 * share, abs=2)
    again = vctk.prepare(new, tmp_path / "again")
    assert [each.utt_ids for each in again] == [each.utt_ids for each in made]
    other = vctk.prepare(new, tmp_path / "other", partition=Partition(seed=1))
    assert other[2].utt_ids != made[2].utt_ids


def test_utterances_have_text_labels_and_audio_of_the_microphone(new, tmp_path):
    train, *_ = vctk.prepare(new, tmp_path)
    utt = next(utt for utt in train.utt_ids if utt.startswith("p225"))
    assert train.text[utt] == f"Words of {utt}." and train.utt2spk[utt] == "p225"
    labels = {name: train.labels(name)[utt] for name in ("gender", "accent", "lang")}
    assert labels == {"gender": "F", "accent": "English", "lang": "english"}
    assert read_audio(train.source(utt), 16000)[0].shape == (320,)
    first, *_ = vctk.prepare(new, tmp_path / "first", microphone="mic1")
    assert read_audio(first.source(utt), 16000)[0].shape == (160,)


def test_what_the_corpus_lacks_is_left_out_and_counted(new, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        made = vctk.prepare(new, tmp_path)
    assert not {"p280", "p315"} & set(made[0].utt2spk.values())
    assert "41 utterances have no audio of the microphone" in caplog.text
    assert f"p280 {SENTENCES}, p362 1" in caplog.text
    caplog.clear()
    speakers = {
        s for d in vctk.prepare(new, tmp_path, microphone="mic1") for s in d.utt2spk.values()
    }
    assert "p280" in speakers and "p315" not in speakers
    assert f"{SENTENCES} utterances have no transcript and are left out: p315" in caplog.text


def test_the_older_version_has_one_microphone_and_speakers_without_the_letter(old, tmp_path):
    made = vctk.prepare(old, tmp_path)
    assert sum(map(len, made)) == SENTENCES
    assert set(made[0].labels("accent").values()) == {"English"}
    assert made[0].source(made[0].utt_ids[0]).path.endswith(".wav")


def test_published_lists_make_the_sets(new, tmp_path):
    lists = tmp_path / "lists"
    lists.mkdir()
    record = (
        "{{'audio': 'data/VCTK-Corpus/wav16/{}_mic2.flac', 'hubert': '71 71', 'duration': 1.5}}\n"
    )
    (lists / "val.txt").write_text(record.format("p225_003") + record.format("p999_001"))
    (lists / "test.txt").write_text("p362_001\np225_002\n")
    train, valid, test = vctk.prepare(
        new, tmp_path / "d", partition=Partition(lists=lists), without=["s5"]
    )
    assert (valid.utt_ids, test.utt_ids) == (["p225_003"], ["p225_002", "p362_001"])
    assert len(train) == 2 * SENTENCES - 4 and set(train.utt2spk.values()) == {"p225", "p362"}
    (lists / "val.txt").write_text("p225_002\n")
    with pytest.raises(DataError, match="p225_002 is in the lists of valid and test"):
        vctk.prepare(new, tmp_path / "e", partition=Partition(lists=lists))
    (lists / "val.txt").write_text("{'audio': broken\n")
    with pytest.raises(
        DataError, match=r"val\.txt:1: expected an utterance, or a record with 'audio'"
    ):
        vctk.prepare(new, tmp_path / "e", partition=Partition(lists=lists))
    (lists / "val.txt").write_text("LJ001-0001\n")
    with pytest.raises(DataError, match=r"val\.txt: expected utterances of the corpus, found none"):
        vctk.prepare(new, tmp_path / "e", partition=Partition(lists=lists))


def test_what_is_wrong_is_named(new, tmp_path):
    with pytest.raises(DataError, match="expected a folder wav48_silence_trimmed or wav48"):
        vctk.prepare(tmp_path, tmp_path / "d")
    with pytest.raises(DataError, match=r"expected speakers p1 to leave out, found p225, p362, s5"):
        vctk.prepare(new, tmp_path / "d", without=["p1", "s5"])
    (tmp_path / "wav48").mkdir()
    with pytest.raises(DataError, match="expected VCTK's utterances, found none"):
        vctk.prepare(tmp_path, tmp_path / "d")
    write(tmp_path / "wav48/p225/p225_001.wav")
    write(tmp_path / "txt/p225/p225_001.txt")
    (tmp_path / "speaker-info.txt").write_text("ID AGE GENDER\n225 23 what English\n")
    with pytest.raises(DataError, match=r"speaker-info\.txt:2: expected a speaker's age, gender"):
        vctk.prepare(tmp_path, tmp_path / "d")


def test_the_command_takes_the_sets_from_its_options(new, tmp_path, monkeypatch, capsys):
    command = ["prepare_data", "vctk", "--corpus_dir", str(new), "--out_dir", str(tmp_path)]
    monkeypatch.setattr("sys.argv", [*command, "--fractions", "0.5,0.25,0.25", "--without", "s5"])
    prepare_data.main()
    assert "vctk_train: 4" in capsys.readouterr().out
    assert set(DataDir(tmp_path / "vctk_test").utt2spk.values()) == {"p225", "p362"}
