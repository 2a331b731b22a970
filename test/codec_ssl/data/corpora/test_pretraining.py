"""Readers of the corpora that EnCodecMAE is trained on, on tiny copies of their layouts."""

import json

import numpy as np
import pytest
import soundfile

from codec_ssl.data.audio import read_audio
from codec_ssl.data.corpora import fma, librilight
from codec_ssl.errors import DataError

RATE = 8000


def write(path, seconds, value=0.1, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(int(RATE * seconds), value, np.float32), RATE, **options)


def chapter(root, part, speaker, book, name, seconds, speaker_in_json=True):
    path = root / part / speaker / book / f"{name}.flac"
    write(path, seconds)
    if speaker_in_json:
        facts = {"speaker": speaker, "voice_activity": [[0.5, 1.0]], "book_meta": {"id": 1}}
        path.with_suffix(".json").write_text(json.dumps(facts))
    return path


def test_librilight_chapters_become_pieces_of_equal_length_that_cover_them(tmp_path):
    chapter(tmp_path, "small", "100", "emma_64kb_mp3", "emma_01_64kb", 25.0)
    chapter(tmp_path, "small", "200", "walden_64kb_mp3", "walden_02_64kb", 3.0, False)
    [made] = librilight.prepare(tmp_path, tmp_path / "data", max_duration=10.0)
    assert made.path.name == "small"
    stem = "100-emma_64kb_mp3-emma_01_64kb"
    lengths = [len(read_audio(made.source(f"{stem}-{i:04d}"))[0]) for i in range(3)]
    assert sum(lengths) == 25 * RATE and max(lengths) - min(lengths) <= 1
    assert made.utt2spk[f"{stem}-0002"] == "100"
    assert made.utt2spk["200-walden_64kb_mp3-walden_02_64kb-0000"] == "200"
    assert set(made.labels("lang").values()) == {"english"}


def test_librilight_lists_broken_files_and_takes_the_parts_that_are_asked_for(tmp_path):
    good = chapter(tmp_path, "medium", "1", "b", "good", 2.0)
    broken = good.with_name("broken.flac")
    broken.write_bytes(b"")
    chapter(tmp_path, "large", "2", "b", "other", 2.0)
    made = librilight.prepare(tmp_path, tmp_path / "data", ["medium"])
    assert [each.path.name for each in made] == ["medium"] and len(made[0]) == 1
    assert "1-b-broken" in (tmp_path / "data" / "medium_bad_audio.tsv").read_text()
    assert len(librilight.prepare(tmp_path, tmp_path / "all")) == 2
    with pytest.raises(DataError, match="medium"):
        librilight.prepare(tmp_path / "data", tmp_path / "x")
    with pytest.raises(DataError, match="found 'tiny'"):
        librilight.prepare(tmp_path, tmp_path / "x", ["tiny"])


HEAD = ["album", "artist", "set", "set", "track", "track"]
NAMES = ["comments", "id", "split", "subset", "genre_top", "title"]
ROWS = {2: ["0", "1", "training", "small", "Hip-Hop", "Food, again"], 140: ["", "54", "test"]}


def music(tmp_path, metadata=True):
    root = tmp_path / "fma_large"
    for name in ("000/000002", "000/000140", "123/123456"):
        write(root / f"{name}.mp3", 1.0)
    (root / "checksums").write_text("none")
    if metadata:
        lines = [["", *HEAD], ["", *NAMES], ["track_id", *[""] * 6]]
        lines += [[str(track), *row, *[""] * (6 - len(row))] for track, row in ROWS.items()]
        (tmp_path / "fma_metadata").mkdir()
        quoted = ["\t".join(line).replace("Food, again", '"Food, again"') for line in lines]
        text = "\n".join(quoted).replace("\t", ",")
        (tmp_path / "fma_metadata" / "tracks.csv").write_text(text + "\n")
    return root


def test_fma_clips_have_artists_genres_and_splits_where_the_table_tells(tmp_path):
    [made] = fma.prepare(music(tmp_path), tmp_path / "data")
    assert made.path.name == "fma_large"
    assert made.utt_ids == ["fma000002", "fma000140", "fma123456"]
    assert made.utt2spk == {
        "fma000002": "artist1",
        "fma000140": "artist54",
        "fma123456": "fma123456",
    }
    assert made.labels("genre") == {"fma000002": "Hip-Hop"}
    assert made.labels("split") == {"fma000002": "training", "fma000140": "test"}
    assert len(read_audio(made.source("fma000002"))[0]) > 0.9 * RATE


def test_fma_goes_without_its_table_but_not_with_another_one_or_without_clips(tmp_path, caplog):
    [made] = fma.prepare(music(tmp_path, metadata=False), tmp_path / "data")
    assert "neither artists nor genres" in caplog.text and len(made) == 3
    (tmp_path / "other.csv").write_text("a,b\n1,2\n3,4\n")
    with pytest.raises(DataError, match=r"other.csv: expected FMA's table"):
        fma.prepare(tmp_path / "fma_large", tmp_path / "data", tmp_path / "other.csv")
    with pytest.raises(DataError, match="found no such folder"):
        fma.prepare(tmp_path / "nothing", tmp_path / "data")
