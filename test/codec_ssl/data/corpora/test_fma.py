"""The Free Music Archive on a tiny copy of its layout."""

import numpy as np
import pytest
import soundfile

from codec_ssl.data.audio import read_audio
from codec_ssl.data.corpora import fma
from codec_ssl.errors import DataError

RATE = 8000
HEAD = ["album", "artist", "set", "set", "track", "track"]
NAMES = ["comments", "id", "split", "subset", "genre_top", "title"]
ROWS = {2: ["0", "1", "training", "small", "Hip-Hop", "Food, again"], 140: ["", "54", "test"]}


def music(tmp_path, metadata=True):
    root = tmp_path / "fma_large"
    for name in ("000/000002", "000/000140", "123/123456"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / f"{name}.mp3", np.full(RATE, 0.1, np.float32), RATE)
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
    with pytest.raises(DataError, match=r"other.csv: line 2: expected FMA's table"):
        fma.prepare(tmp_path / "fma_large", tmp_path / "data", tmp_path / "other.csv")
    torn = tmp_path / "torn.csv"
    head = "".join("," + ",".join(names) + "\n" for names in (HEAD, NAMES)) + "track_id\n"
    torn.write_text(head + "2,a" + "b" * 200_000 + "\n")
    with pytest.raises(DataError, match=r"torn.csv: line 4: .*field larger than field") as found:
        fma.prepare(tmp_path / "fma_large", tmp_path / "data", torn)
    assert found.value.stage == "data"
    with pytest.raises(DataError, match="found no such folder"):
        fma.prepare(tmp_path / "nothing", tmp_path / "data")
