"""Libri-Light on a tiny copy of its layout."""

import json

import numpy as np
import pytest
import soundfile

from codec_ssl.data.audio import read_audio
from codec_ssl.data.corpora import librilight
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
