from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec_ssl.bin import prepare_data
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import CodecSSLError


def call(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["prepare_data", *map(str, arguments)])
    prepare_data.main()


@pytest.fixture
def folder(tmp_path):
    """Ten recordings and their manifest."""
    lines = ["utt_id\tpath\tcorpus\tspeaker"]
    for index in range(10):
        soundfile.write(tmp_path / f"{index}.wav", np.zeros(800), 8000)
        lines.append(f"u{index}\t{index}.wav\t{'ab'[index % 2]}\ts")
    (tmp_path / "m.tsv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_folder(folder, monkeypatch, capsys):
    out = folder / "out"
    options = ("--audio_dir", folder, "--out_dir", out)
    call(monkeypatch, "folder", *options)
    assert f"{out}/train: 8 utterances\n" in capsys.readouterr().out
    manifest = (*options, "--manifest", folder / "m.tsv")
    call(monkeypatch, "folder", *manifest, "--corpora", "a", "--fractions", "0.6,0.2,0.2")
    assert [len(DataDir(out / name)) for name in ("train", "valid", "test")] == [3, 1, 1]
    call(monkeypatch, "folder", *manifest, "--where", "corpus=a,b", "--where", "speaker=a-s")
    assert sum(len(DataDir(out / name)) for name in ("train", "valid", "test")) == 5
    call(monkeypatch, "folder", *options, "--max_duration", "0.05", "--split_by", "speaker")
    assert sum(len(DataDir(out / name)) for name in ("train", "valid", "test")) == 20


@pytest.mark.parametrize(
    "wrong",
    [
        ("--where", "corpus"),
        ("--fractions", "0.5,0.5"),
        ("--fractions", "a,b,c"),
        ("--fractions", "1,1,1"),
    ],
)
def test_wrong_options_are_errors_for_the_user(folder, monkeypatch, wrong):
    with pytest.raises(CodecSSLError):
        call(monkeypatch, "folder", "--audio_dir", folder, "--out_dir", folder / "o", *wrong)


def test_download_asks_for_parts(monkeypatch, tmp_path):
    arguments = ("--corpus_dir", tmp_path, "--out_dir", tmp_path, "--download")
    with pytest.raises(CodecSSLError, match="--parts"):
        call(monkeypatch, "librispeech", *arguments)


def test_mini_passes_its_options_on(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(prepare_data.mini_corpus, "make", lambda *args: calls.append(args) or [])
    call(monkeypatch, "mini", "--out_dir", tmp_path, "--size", "small", "--seed", "3")
    assert calls == [(tmp_path, "small", 3)]


def test_phones_of_textgrids_become_a_ctm(folder, monkeypatch, capsys):
    call(monkeypatch, "folder", "--audio_dir", folder, "--out_dir", folder / "out")
    data_dir = DataDir(folder / "out/train")
    utt = data_dir.utt_ids[0]
    grids = folder / "grids/deep down"
    with pytest.raises(CodecSSLError, match=f"such as {utt}.TextGrid"):
        call(monkeypatch, "phones", "--data_dir", data_dir.path, "--textgrids", folder)
    grids.mkdir(parents=True)
    values = (
        '0 0.1 <exists> 1 "IntervalTier" "phones" 0 0.1 3 0 0.02 "" 0.02 0.05 "AH0" 0.05 0.1 "K"'
    )
    text = f'File type = "ooTextFile"\nObject class = "TextGrid"\n{values}\n'
    (grids / f"{utt}.TextGrid").write_text(text)
    (grids / "unknown.TextGrid").write_text(text)
    call(monkeypatch, "phones", "--data_dir", data_dir.path, "--textgrids", folder / "grids")
    assert "phones of 1 of 8 utterances" in capsys.readouterr().out
    [(found, segments)] = DataDir(data_dir.path).phones.items()
    assert found == utt
    assert segments == [(0.0, 0.02, "sil"), (0.02, 0.05, "AH"), (0.05, 0.1, "K")]
    call(
        monkeypatch,
        *("phones", "--data_dir", data_dir.path, "--textgrids", folder / "grids", "--stress"),
    )
    assert DataDir(data_dir.path).phones[utt][1].label == "AH0"
    (folder / "grids" / f"{utt}.TextGrid").write_text(text)
    with pytest.raises(CodecSSLError, match="found another before it"):
        call(monkeypatch, "phones", "--data_dir", data_dir.path, "--textgrids", folder / "grids")


def test_readers_of_corpora_get_their_options(monkeypatch, tmp_path):
    wanted = {}

    def note(name):
        return lambda *values: wanted.setdefault(name, values) and []

    for name, module in (("audioset", "audioset"), ("css10", "css10"), ("ljspeech", "ljspeech")):
        monkeypatch.setattr(f"codec_ssl.data.corpora.{module}.prepare", note(name))
    common = ("--corpus_dir", "c", "--out_dir", "o")
    call(monkeypatch, "audioset", *common, "--parts", "eval", "--hours", 2, "--seed", 3)
    call(monkeypatch, "css10", *common, "--languages", "german", "spanish")
    call(monkeypatch, "ljspeech", *common, "--num_eval", 7)
    c, o = Path("c"), Path("o")
    assert wanted == {
        "audioset": (c, o, ["eval"], 2.0, 3),
        "css10": (c, o, ["german", "spanish"], 250),
        "ljspeech": (c, o, 7, None),
    }
