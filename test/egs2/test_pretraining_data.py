"""The data script of egs2/audioset/mae1 on tiny layouts."""

import os
import subprocess
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec_ssl.data.data_dir import DataDir

pytestmark = [pytest.mark.recipe, pytest.mark.timeout(600)]
RECIPE = Path(__file__).resolve().parents[2] / "egs2" / "audioset" / "mae1"


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Six clips of AudioSet, four of FMA, three chapters of Libri-Light of 150 s."""
    root = tmp_path_factory.mktemp("the corpora")
    rows = [f'clip{i:07d}, 30.000, 40.000, "/m/04rlf"\n' for i in range(6)]
    files = [root / "as" / f"Y{row[:11]}.wav" for row in rows]
    files += [root / "fma_large" / "000" / f"{i:06d}.mp3" for i in range(4)]
    chapters = [root / "ll" / part / "1" / "b" / f"c{part}.flac" for part in ("small", "medium")]
    chapters.append(root / "ll" / "medium" / "2" / "b" / "c.flac")
    for file in (*files, *chapters):
        file.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(file, np.zeros(8000 * (150 if file in chapters else 1)), 8000)
    (root / "as" / "unbalanced_train_segments.csv").write_text("# YTID, ...\n" + "".join(rows))
    names = {"AUDIOSET": "as", "FMA": "fma_large", "LIBRILIGHT": "ll"}
    return {name: str(root / folder) for name, folder in names.items()}


def make_data(corpora: dict[str, str], out: Path, *options: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        ["bash", "local/data.sh", "--datadir", str(out), "--num_valid", "3", *options],
        cwd=RECIPE,
        env=os.environ | corpora,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_mixture_has_all_corpora_and_holds_out_whole_recordings(corpora, tmp_path):
    done = make_data(corpora, tmp_path / "a b")
    assert done.returncode == 0, done.stderr
    train, valid = (DataDir(tmp_path / "a b" / split) for split in ("train", "valid"))
    recordings = [{source.segments[u][0] for u in source.utt_ids} for source in (train, valid)]
    assert not recordings[0] & recordings[1] and sum(map(len, recordings)) == 13
    assert len(recordings[1]) == 3
    pieces = [u for source in (train, valid) for u in source.utt_ids if "-b-c" in u]
    assert len(pieces) == 9
    assert any(u.startswith("fma") for u in train.utt_ids)
    assert any(u.startswith("Yclip") for u in train.utt_ids)


def test_as_many_recordings_are_held_out_as_wanted_spread_over_all(tmp_path):
    """Of 13, five are more than every third and fewer than every second; half is the most."""
    clips = tmp_path / "fma_large" / "000"
    clips.mkdir(parents=True)
    for number in range(13):
        (clips / f"{number:06d}.mp3").touch()  # nothing opens them
    for wanted, found in ((5, 5), (200, 6)):
        out = tmp_path / f"{wanted}"
        options = ("--size", "fma", "--num_valid", f"{wanted}")
        done = make_data({"FMA": str(clips.parent)}, out, *options)
        assert done.returncode == 0, done.stderr
        every = [line.split()[0] for line in (out / "all" / "wav.scp").read_text().splitlines()]
        held = (out / "all" / "valid_recordings.list").read_text().split()
        places = [every.index(recording) for recording in held]
        assert len(held) == found and {b - a for a, b in pairwise(places)} <= {2, 3}


def test_one_corpus_alone_needs_no_other(corpora, tmp_path):
    one = {"FMA": corpora["FMA"], "AUDIOSET": "", "LIBRILIGHT": ""}
    done = make_data(one, tmp_path, "--size", "fma")
    assert done.returncode == 0, done.stderr
    assert all(u.startswith("fma") for u in DataDir(tmp_path / "train").utt_ids)
    missing = make_data(one, tmp_path, "--size", "librilight")
    assert missing.returncode == 1 and "LIBRILIGHT=DIR" in missing.stderr
    assert make_data(one, tmp_path, "--size", "all").returncode == 1
