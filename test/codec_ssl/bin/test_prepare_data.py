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
