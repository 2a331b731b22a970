"""The data scripts of superb/superb1, on tiny copies of the corpora's layouts, and mini/superb1."""

import os
import subprocess
from pathlib import Path

import pytest
import soundfile
import superb_corpora

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb.tables import read_symbols

EGS = Path(__file__).resolve().parents[2] / "egs2"

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(900)]


def make_data(
    recipe: str, out: Path, *options: str, **corpora: str | Path
) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", "local/data.sh", "--datadir", str(out), *options],
        cwd=EGS / recipe,
        env=os.environ | {name: str(path) for name, path in corpora.items()},
        capture_output=True,
        text=True,
        check=False,
    )


def librispeech(root: Path) -> Path:
    for number, part in enumerate(("train-clean-100", "dev-clean", "test-clean")):
        folder = root / part / f"{10 + number}" / "7"
        utt = f"{10 + number}-7-0000"
        folder.mkdir(parents=True)
        soundfile.write(folder / f"{utt}.flac", [0.0] * 1600, 16000)
        superb_corpora.lines(folder / f"{10 + number}-7.trans.txt", f"{utt} SOME WORDS")
    superb_corpora.lines(root / "SPEAKERS.TXT", ";ID |SEX|", "10 | F |")
    return root


def test_a_corpus_that_is_not_given_is_named_with_its_task(tmp_path: Path):
    nowhere = dict.fromkeys(("LIBRISPEECH", "LEXICON", "VOXCELEB1", "IEMOCAP"), "")
    failed = make_data("superb/superb1", tmp_path, "--tasks", "pr,sv er", **nowhere)
    assert failed.returncode == 1
    expected = "pr: LIBRISPEECH=DIR; pr: LEXICON=FILE; sv: VOXCELEB1=DIR; er: IEMOCAP=DIR"
    assert expected in failed.stderr
    assert make_data("superb/superb1", tmp_path, "--tasks", "xx").returncode == 1


def test_all_ten_tasks_get_their_data_dirs(tmp_path: Path):
    corpora = {
        "SPEECH_COMMANDS": superb_corpora.speech_commands(tmp_path / "a corpus" / "ks"),
        "QUESST14": superb_corpora.quesst14(tmp_path / "a corpus" / "qbe"),
        "VOXCELEB1": superb_corpora.voxceleb1(tmp_path / "a corpus" / "vox", speakers=24),
        "LIBRIMIX": superb_corpora.librimix(tmp_path / "a corpus" / "sd") / "data",
        "IEMOCAP": superb_corpora.iemocap(tmp_path / "a corpus" / "er", ("neu", "sad")),
        "FLUENT": superb_corpora.fluent(tmp_path / "a corpus" / "ic"),
        "AUDIO_SNIPS": superb_corpora.snips(tmp_path / "a corpus" / "sf"),
        "LIBRISPEECH": librispeech(tmp_path / "a corpus" / "LibriSpeech"),
        "LEXICON": tmp_path / "a corpus" / "lexicon.txt",
    }
    superb_corpora.lines(corpora["LEXICON"], "SOME\tS AH1 M", "WORDS W ER1 D Z", "WORDS W O")
    out = tmp_path / "a data"
    done = make_data("superb/superb1", out, **corpora)
    assert done.returncode == 0, done.stderr
    for task in ("pr", "asr", "ks", "sid", "sv", "sd", "er/fold5", "ic", "sf"):
        for name in ("train", "valid", "test"):
            assert len(DataDir(out / task / name))
    phones = read_symbols(DataDir(out / "pr" / "valid"), "phones")
    assert phones == {"11-7-0000": "S AH1 M W ER1 D Z".split()}  # noqa: SIM905
    assert len(DataDir(out / "qbe" / "docs")) == 2


def test_recordings_are_spelt_by_espeak(tmp_path: Path):
    rows = ["utt_id\tpath\tcorpus\tspeaker\ttext\tnote"]
    for number, part in enumerate(("train-clean-100", "dev-clean", "test-other")):
        rows.append(f"{number}-0\t{number}.wav\tlibrispeech\t{number}\tSEVEN WINDOWS\t{part}")
        superb_corpora.noise(tmp_path / f"{number}.wav")
    superb_corpora.lines(tmp_path / "manifest.tsv", *rows)
    options = ("--recordings", str(tmp_path), "--tasks", "pr")
    done = make_data("mini/superb1", tmp_path / "out", *options)
    assert done.returncode == 0, done.stderr
    phones = read_symbols(DataDir(tmp_path / "out" / "pr" / "train"), "phones")
    assert phones["0-0"][:2] == ["s", "ɛ"] and "sil" not in phones["0-0"]
