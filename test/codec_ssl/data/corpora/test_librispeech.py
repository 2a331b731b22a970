from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec_ssl.data.audio import BadAudio, read_audio
from codec_ssl.data.corpora import librispeech
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError

LAYOUT = {
    "train-clean-100": {"19/198": 3, "19/227": 1},
    "train-clean-360": {"100/121669": 2},
    "train-other-500": {"20/205": 2},
    "dev-clean": {"84/121123": 2},
}


@pytest.fixture
def corpus(tmp_path):
    """A few utterances in the layout that LibriSpeech unpacks to."""
    root = tmp_path / "LibriSpeech"
    for part, chapters in LAYOUT.items():
        for chapter, count in chapters.items():
            folder = root / part / chapter
            folder.mkdir(parents=True)
            stem = chapter.replace("/", "-")
            lines = []
            for index in range(count):
                utt_id = f"{stem}-{index:04d}"
                soundfile.write(folder / f"{utt_id}.flac", np.full(1600, 0.01 * index), 16000)
                lines.append(f"{utt_id} CHAPTER {stem} LINE {index}\n")
            (folder / f"{stem}.trans.txt").write_text("".join(lines))
    (root / "SPEAKERS.TXT").write_text(";ID |SEX|\n19 | F |\n")
    return tmp_path


def remove(path):
    path.unlink()
    return "missing"


def empty(path):
    path.write_bytes(b"")
    return "empty"


def cut_in_the_header(path):
    path.write_bytes(path.read_bytes()[:20])
    return "unreadable"


@pytest.fixture(params=[remove, empty, cut_in_the_header])
def break_file(request):
    """Makes a file unusable; returns the reason that the house has for it."""
    return request.param


@pytest.mark.parametrize("below", ["", "LibriSpeech"])
def test_parts_and_train_960_with_the_ids_of_the_corpus(corpus, tmp_path, below):
    made = {each.path.name: each for each in librispeech.prepare(corpus / below, tmp_path / "out")}
    assert made.keys() == {*LAYOUT, "train-960"}
    train = made["train-clean-100"]
    assert train.utt_ids == ["19-198-0000", "19-198-0001", "19-198-0002", "19-227-0000"]
    assert set(train.utt2spk.values()) == {"19"}
    assert train.text["19-198-0001"] == "CHAPTER 19-198 LINE 1"
    assert not train.segments
    assert len(made["train-960"]) == 8
    assert len(read_audio(made["train-960"].source("100-121669-0001"))[0]) == 1600
    made["train-960"].validate(require_text=True)


def test_chosen_parts_only(corpus, tmp_path):
    made = librispeech.prepare(corpus, tmp_path / "out", ["dev-clean"])
    assert [each.path.name for each in made] == ["dev-clean"]


def test_unusable_files_stay_to_be_reported_as_those_of_a_folder(corpus, tmp_path, break_file):
    broken = corpus / "LibriSpeech/dev-clean/84/121123/84-121123-0000.flac"
    reason = break_file(broken)
    (made,) = librispeech.prepare(corpus, tmp_path / "out", ["dev-clean"])
    assert made.utt_ids == ["84-121123-0000", "84-121123-0001"]
    assert Path(made.wav_scp["84-121123-0000"]) == broken
    assert DataDir(made.path).text["84-121123-0000"] == "CHAPTER 84-121123 LINE 0"
    assert set(made.utt2spk.values()) == {"84"}
    assert made.labels("lang").keys() == set(made.utt_ids)
    assert not made.segments
    made.validate(require_text=True)
    with pytest.raises(BadAudio) as error:
        read_audio(made.source("84-121123-0000"))
    assert error.value.reason == reason
    assert len(read_audio(made.source("84-121123-0001"))[0]) == 1600


def test_a_part_without_one_usable_file_is_still_a_data_dir(corpus, tmp_path):
    for path in (corpus / "LibriSpeech/dev-clean").rglob("*.flac"):
        path.write_bytes(b"")
    (made,) = librispeech.prepare(corpus, tmp_path / "out", ["dev-clean"])
    assert len(made) == 2


def test_wrong_folders_and_parts_are_named(corpus, tmp_path):
    with pytest.raises(DataError, match="found 'dev-dirty'"):
        librispeech.prepare(corpus, tmp_path / "out", ["dev-dirty"])
    with pytest.raises(DataError, match=r"test-clean: expected .*trans\.txt"):
        librispeech.prepare(corpus, tmp_path / "out", ["test-clean"])
    with pytest.raises(DataError, match="expected folders such as dev-clean"):
        librispeech.prepare(tmp_path / "out", tmp_path / "out")


def test_download_is_lhotses(monkeypatch, tmp_path):
    calls = []

    def fake(target_dir, dataset_parts):
        calls.append((target_dir, dataset_parts))
        return target_dir / "LibriSpeech"

    monkeypatch.setattr(librispeech.recipe, "download_librispeech", fake)
    assert librispeech.download(tmp_path, ("dev-clean",)) == tmp_path / "LibriSpeech"
    assert calls == [(tmp_path, ["dev-clean"])]
    with pytest.raises(DataError, match="found 'x'"):
        librispeech.download(tmp_path, ["x"])
