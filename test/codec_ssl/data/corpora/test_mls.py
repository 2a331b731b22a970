"""MLS in its own layout, tiny."""

import numpy as np
import pytest
import soundfile

from codec_ssl.data.audio import read_audio
from codec_ssl.data.corpora import mls
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError

SECONDS = 36.0


@pytest.fixture(params=["", "_opus"])
def corpus(tmp_path, request):
    """French and Spanish, as FLAC or as Opus; 20 training utterances of a hundredth of an hour."""
    ending = request.param
    for language, speaker in {"french": 10, "spanish": 77}.items():
        root = tmp_path / f"mls_{language}{ending}"
        for number, (part, count) in enumerate({"train": 20, "dev": 2, "test": 1}.items()):
            folder = root / part
            texts, segments = [], []
            for index in range(count):
                utt = f"{speaker + number}_{500 + number}_{index:06d}"
                audio = folder / "audio" / str(speaker + number) / str(500 + number)
                audio.mkdir(parents=True, exist_ok=True)
                suffix = ".opus" if ending else ".flac"
                options = {"format": "OGG", "subtype": "OPUS"} if ending else {}
                wave = np.full(1600, 0.01 * index)
                soundfile.write(audio / f"{utt}{suffix}", wave, 16000, **options)
                texts.append(f"{utt}\tvoici  le texte {index}\n")
                begin = 40.0 * index
                segments.append(f"{utt}\thttp://x/y.mp3\t{begin}\t{begin + SECONDS}\n")
            (folder / "transcripts.txt").write_text("".join(texts))
            (folder / "segments.txt").write_text("".join(segments))
        (root / "metainfo.txt").write_text(
            f"SPEAKER | GENDER | PARTITION\n{speaker} | F | train\n{speaker + 1} | M | dev\n"
        )
    return tmp_path


def test_each_language_and_part_becomes_a_data_dir(corpus, tmp_path):
    made = mls.prepare(corpus, tmp_path / "data", ["french", "spanish"])
    names = [f"{lang}_{part}" for lang in ("french", "spanish") for part in mls.PARTS]
    assert [each.path.name for each in made] == names
    train = DataDir(tmp_path / "data" / "french_train")
    assert len(train) == 20
    assert train.text["10_500_000003"] == "voici le texte 3"
    assert set(train.utt2spk.values()) == {"10"}
    assert set(train.labels("lang").values()) == {"french"}
    assert set(train.labels("gender").values()) == {"F"}
    assert len(read_audio(train.source("10_500_000003"), 16000)[0]) == 1600


def test_a_subset_has_as_many_hours_as_asked_for_and_depends_on_the_seed_alone(corpus, tmp_path):
    def chosen(seed, name):
        mls.prepare(corpus, tmp_path / name, ["french"], ["train"], hours=0.055, seed=seed)
        return set(DataDir(tmp_path / name / "french_train_0.055h").utt_ids)

    first = chosen(0, "a")
    assert len(first) == 6  # 6 x 0.01 h is the first sum above 0.055 h
    assert first == chosen(0, "b") != chosen(1, "c")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"languages": ["klingon"]}, "expected languages of .* found 'klingon'"),
        ({"languages": ["polish"]}, "expected mls_polish or mls_polish_opus"),
        ({"hours": 3.0}, "expected at least 3 h, found 0.20 h"),
    ],
)
def test_what_is_not_there_is_said(corpus, tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        mls.prepare(corpus, tmp_path / "data", **{"languages": ["french"], **change})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"no tab here\n", "line 3: .* found 'no tab here'"),
        (b"11_501_000000\tagain\n", "line 3: utterance 11_501_000000 is there twice"),
        (b"11_501_000007\tf\xe9lin\n", ":3: expected UTF-8 text"),
    ],
)
def test_a_malformed_line_is_named(corpus, tmp_path, line, message):
    (path,) = corpus.glob("mls_french*/dev/transcripts.txt")
    path.write_bytes(path.read_bytes() + line)
    with pytest.raises(DataError, match=f"transcripts.txt,? ?{message}"):
        mls.prepare(corpus, tmp_path / "data", ["french"], ["dev"])


def test_a_line_ends_where_the_corpus_ends_it(corpus, tmp_path):
    (path,) = corpus.glob("mls_french*/dev/transcripts.txt")
    text = path.read_text(encoding="utf-8").replace("voici", "voi\x85ci\u2028")
    path.write_text(text, encoding="utf-8")
    assert len(mls.prepare(corpus, tmp_path / "data", ["french"], ["dev"])[0]) == 2
