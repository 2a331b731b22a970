import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec_ssl.bin import data_dir as command
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError

UTILS = Path(__file__).parents[3] / "utils"


def call(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["data_dir", *map(str, arguments)])
    command.main()


@pytest.fixture
def data(tmp_path):
    """Six utterances of two speakers in a folder with a blank in its name."""
    path = tmp_path / "my data"
    path.mkdir()
    soundfile.write(path / "x.wav", np.zeros(100), 8000)
    utt2spk = {f"{spk}-{index}": spk for spk in "ab" for index in range(3)}
    wav = dict.fromkeys(utt2spk, str(path / "x.wav"))
    return DataDir.write(path, wav=wav, utt2spk=utt2spk).path


def test_validate(data, monkeypatch, capsys):
    call(monkeypatch, "validate", "--no-text", "--check-audio", data)
    assert "6 utterances, valid" in capsys.readouterr().out
    with pytest.raises(DataError, match="text: no line for utterance 'a-0'"):
        call(monkeypatch, "validate", data)
    (data / "x.wav").write_bytes(b"")
    with pytest.raises(DataError, match="6 of 6 utterances have bad audio"):
        call(monkeypatch, "validate", "--no-text", "--check-audio", data)
    assert "utterance a-0: " in capsys.readouterr().out


def test_subset(data, monkeypatch, tmp_path):
    out = tmp_path / "out"

    def utt_ids(*arguments):
        call(monkeypatch, "subset", *arguments)
        return DataDir(out).utt_ids

    assert utt_ids(data, 3, out) == ["a-0", "a-2", "b-1"]
    assert utt_ids("--first", data, 2, out) == ["a-0", "a-1"]
    assert utt_ids("--per-spk", data, 1, out) == ["a-0", "b-0"]
    (tmp_path / "list").write_text("b-2\na-1 more words\n")
    assert utt_ids("--utt-list", tmp_path / "list", data, out) == ["a-1", "b-2"]
    (tmp_path / "list").write_text("b\n")
    assert utt_ids("--spk-list", tmp_path / "list", data, out) == ["b-0", "b-1", "b-2"]
    # Files of 1/80 s: three are the first whole number above 2.5 of them.
    hours = ("--hours", 2.5 / 80 / 3600)
    drawn = utt_ids(*hours, data, out)
    assert len(drawn) == 3 and drawn == utt_ids(*hours, "--seed", 0, data, out)
    assert any(utt_ids(*hours, "--seed", seed, data, out) != drawn for seed in range(1, 6))
    with pytest.raises(DataError, match=r"expected at least 1 h, found 0\.00 h"):
        utt_ids("--hours", 1, data, out)
    with pytest.raises(DataError, match="expected a number of hours above 0, found 0"):
        utt_ids("--hours", 0, data, out)
    with pytest.raises(DataError, match="found none"):
        utt_ids(data, out)
    with pytest.raises(DataError, match="found 3 as well"):
        utt_ids("--spk-list", tmp_path / "list", data, 3, out)


def test_split_and_combine(data, monkeypatch, tmp_path):
    call(monkeypatch, "split", data, 2)
    call(monkeypatch, "split", "--per-utt", data, 3)
    assert DataDir(data / "split2" / "1").utt_ids == ["a-0", "a-1", "a-2"]
    assert [len(DataDir(data / "split3utt" / str(part))) for part in (1, 2, 3)] == [2, 2, 2]
    out = tmp_path / "out"
    call(monkeypatch, "combine", out, data / "split2" / "2", data / "split2" / "1")
    assert (out / "wav.scp").read_bytes() == (data / "wav.scp").read_bytes()


def test_the_scripts_with_kaldis_names_work_from_any_folder(data, tmp_path):
    def script(name, *arguments):
        done = subprocess.run(
            [UTILS / f"{name}_data_dir.sh", *map(str, arguments)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        return done.returncode, done.stdout, done.stderr

    assert script("validate", "--no-text", data)[:2] == (0, f"{data}: 6 utterances, valid\n")
    (data / "utt2spk").write_text("b-0 b\na-0 a\n")
    code, _, stderr = script("validate", "--no-text", data)
    assert code == 1
    assert stderr.startswith("error: ")
    assert "utt2spk: no line for utterance 'a-1'" in stderr
    assert "Traceback" not in stderr
    code, stdout, _ = script("fix", data)
    assert code == 0
    assert "removed a-1: utt2spk: no line for it" in stdout
    for name in ("subset", "split", "combine"):
        assert f'/data_dir.sh" {name} "$@"\n' in (UTILS / f"{name}_data_dir.sh").read_text()
