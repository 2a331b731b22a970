"""LJSpeech and CSS10 in their own layouts, tiny."""

import numpy as np
import pytest
import soundfile

from codec_ssl.data.audio import read_audio
from codec_ssl.data.corpora import css10, ljspeech
from codec_ssl.data.corpora.partition import Partition
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError

COUNT = 9


@pytest.fixture
def lj(tmp_path):
    folder = tmp_path / "LJSpeech-1.1"
    (folder / "wavs").mkdir(parents=True)
    lines = []
    for index in range(COUNT):
        soundfile.write(folder / "wavs" / f"LJ001-{index:04d}.wav", np.zeros(2205), 22050)
        lines.append(f'LJ001-{index:04d}|in 19{index}, "so|in nineteen  {index}, "so\n')
    (folder / "metadata.csv").write_text("".join(lines))
    return folder


@pytest.fixture
def css(tmp_path):
    root = tmp_path / "css10"
    books = {
        "german": ("achtgesichterambiwasse", "meisterfloh"),
        "spanish": ("19demarzo", "bailen"),
    }
    for language, names in books.items():
        lines = []
        for index in range(COUNT):
            path = f"{names[index % 2]}/{names[index % 2]}_{index:04d}.wav"
            (root / language / path).parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(root / language / path, np.full(441, 0.1), 22050)
            lines.append(f"{path}|Hg. {index}|Herausgegeben  {index} äöü|0.02\n")
        (root / language / "transcript.txt").write_text("".join(lines), encoding="utf-8")
    return root


def test_ljspeech_has_its_speaker_and_normalised_texts(lj, tmp_path):
    made = ljspeech.prepare(lj, tmp_path / "data", num_eval=2)
    assert [each.path.name for each in made] == [
        f"ljspeech_{part}" for part in ("train", "valid", "test")
    ]
    train, valid, test = made
    assert [len(each) for each in made] == [5, 2, 2]
    assert train.text["LJ001-0003"] == 'in nineteen 3, "so'
    assert valid.utt_ids == ["LJ001-0005", "LJ001-0006"]
    assert test.utt_ids == ["LJ001-0007", "LJ001-0008"]
    assert set(test.utt2spk.values()) == {"LJ"} and set(test.labels("lang").values()) == {"english"}
    assert len(read_audio(test.source("LJ001-0008"), 16000)[0]) == 1600


def test_ljspeech_is_divided_as_published_lists_say(lj, tmp_path):
    record = "{{'audio': 'data/LJSpeech-1.1/wavs_16khz/{}.wav', 'hubert': '71 86'}}\n"
    (tmp_path / "val.txt").write_text(record.format("LJ001-0004") + record.format("LJ050-0001"))
    (tmp_path / "test.txt").write_text(record.format("LJ001-0001"))
    partition = Partition(lists=tmp_path)
    train, valid, test = ljspeech.prepare(lj, tmp_path / "data", partition=partition)
    assert (valid.utt_ids, test.utt_ids, len(train)) == (["LJ001-0004"], ["LJ001-0001"], 7)
    assert test.text["LJ001-0001"] == 'in nineteen 1, "so'


def test_css10_has_both_languages_and_the_last_sentences_are_the_test_set(css, tmp_path):
    made = css10.prepare(css, tmp_path / "data", ["german", "spanish"], num_eval=1)
    names = [
        f"css10_{lang}_{p}" for lang in ("german", "spanish") for p in ("train", "valid", "test")
    ]
    assert [each.path.name for each in made] == names
    test = DataDir(tmp_path / "data/css10_spanish_test")
    assert test.utt_ids == ["spanish_19demarzo_0008"]
    assert test.text["spanish_19demarzo_0008"] == "Herausgegeben 8 äöü"
    assert set(test.utt2spk.values()) == {"css10_spanish"}
    assert read_audio(test.source(test.utt_ids[0]), 16000)[0].shape == (320,)


def test_a_file_that_is_gone_stays_in_for_the_next_stage_to_report(lj, tmp_path):
    (lj / "wavs" / "LJ001-0000.wav").unlink()
    train, *_ = ljspeech.prepare(lj, tmp_path / "data", num_eval=2)
    assert "LJ001-0000" in train.utt_ids


def test_what_is_not_there_is_said(lj, css, tmp_path):
    with pytest.raises(DataError, match=r"more than 2 x 5 sentences.*found 9"):
        ljspeech.prepare(lj, tmp_path / "data", num_eval=5)
    with pytest.raises(DataError, match=r"french/transcript\.txt: cannot be read"):
        css10.prepare(css, tmp_path / "data", ["french"])
    with pytest.raises(DataError, match=r"expected languages of .* found 'klingon'"):
        css10.prepare(css, tmp_path / "data", ["klingon"])


def test_malformed_tables_are_named(lj, css, tmp_path):
    table = lj / "metadata.csv"
    table.write_text(table.read_text() + "LJ002-0001|only two\n")
    with pytest.raises(DataError, match=r"metadata\.csv, line 10: expected 3 cells.*'LJ002-0001\|"):
        ljspeech.prepare(lj, tmp_path / "data")
    table.write_text("LJ001-0001|a|a\n" * 9)
    with pytest.raises(DataError, match=r"metadata\.csv: two sentences are called 'LJ001-0001'"):
        ljspeech.prepare(lj, tmp_path / "data", num_eval=2)
    table = css / "german" / "transcript.txt"
    table.write_text(table.read_text() + "other/meisterfloh_0001.wav|a|a|1\n")
    with pytest.raises(DataError, match="two sentences are called 'german_meisterfloh_0001'"):
        css10.prepare(css, tmp_path / "data", ["german"], num_eval=1)
    table.write_text("")
    with pytest.raises(DataError, match="expected sentences, found none"):
        css10.prepare(css, tmp_path / "data", ["german"])
