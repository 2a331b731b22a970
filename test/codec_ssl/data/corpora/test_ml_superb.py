"""ML-SUPERB in its public layout, tiny."""

import logging
import re

import numpy as np
import pytest
import soundfile
import toy_mlsuperb

from codec_ssl.data.audio import read_audio
from codec_ssl.data.corpora import ml_superb
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError


@pytest.fixture
def corpus(tmp_path):
    toy_mlsuperb.make(tmp_path / "eighth version", spoken=False)
    return tmp_path / "eighth version"


def sets(made):
    return {each.path.name: DataDir(each.path) for each in made}


def count(data_dir, language):
    return sum(each == language for each in data_dir.labels("lang").values())


@pytest.mark.parametrize(("duration", "per_language"), [("10min", 12), ("1h", 24)])
def test_reserved_languages_have_five_utterances_to_learn_from(
    corpus, tmp_path, duration, per_language
):
    made = sets(ml_superb.prepare(corpus, tmp_path / "data", duration))
    assert list(made) == [f"train_{duration}", "dev_10min", "test_10min"]
    train = made[f"train_{duration}"]
    assert {lang: count(train, lang) for lang in ("eng", "deu")} == dict.fromkeys(
        ("eng", "deu"), per_language
    )
    few = {utt for utt, lang in train.labels("lang").items() if lang == "epo"}
    assert few == {f"cv_epo_{number:06d}" for number in (6, 39, 63, 66, 76)}
    for lang in ("eng", "deu", "epo"):
        assert count(made["dev_10min"], lang) == 4 and count(made["test_10min"], lang) == 6


def test_a_data_dir_knows_audio_text_language_and_corpus(corpus, tmp_path):
    test = sets(ml_superb.prepare(corpus, tmp_path / "data"))["test_10min"]
    utt = next(utt for utt, lang in test.labels("lang").items() if lang == "deu")
    assert test.labels("corpus")[utt] == "fleurs" and utt.startswith("fleurs_deu_")
    assert len(read_audio(test.source(utt), 16000)[0]) == 8000
    said = (corpus / "fleurs/deu/transcript_10min_test.txt").read_text().splitlines()
    written = next(line for line in said if line.startswith(utt)).split(maxsplit=2)[2]
    words = re.findall(r"\w+", written.upper())
    assert test.text[utt] == " ".join(words) and test.utt2spk[utt] == utt


def test_there_are_twenty_reserved_languages_with_five_shots_each():
    shots = {lang: ml_superb.few_shot_utterances(lang) for lang in ml_superb.RESERVED}
    assert len(shots) == 20 and all(len(utts) == 5 for utts in shots.values())
    assert all(
        re.fullmatch(rf"[\w-]+_{lang}_\d{{6}}", utt) for lang, utts in shots.items() for utt in utts
    )
    assert "voxpopuli_lit_001707" in shots["lit"] and "mexico-el_tos_000563" in shots["tos"]
    assert ml_superb.few_shot_utterances("eng") == frozenset()


def test_transcripts_are_spelt_as_the_benchmark_does():
    assert ml_superb.spell("C'est «bon», [rire] non?") == "CEST «BON» NON"
    assert ml_superb.spell("a [x] b [y] c") == "A C"
    assert ml_superb.spell("a [x] (b) [y] c") == "A B C"
    assert ml_superb.spell(" two  -  words ") == "TWO WORDS"


def test_long_training_utterances_are_left_out_and_long_test_utterances_are_not(corpus, tmp_path):
    for name in ("train", "test"):
        utt = (corpus / f"fleurs/deu/transcript_10min_{name}.txt").read_text().split()[0]
        soundfile.write(corpus / f"fleurs/deu/wav/{utt}.wav", np.zeros(16000 * 21), 16000)
    made = sets(ml_superb.prepare(corpus, tmp_path / "data"))
    assert count(made["train_10min"], "deu") == 11 and count(made["test_10min"], "deu") == 6


def test_what_cannot_be_used_is_said(corpus, tmp_path, caplog):
    eng = corpus / "commonvoice/eng"
    broken, silent = (eng / "transcript_10min_train.txt").read_text().splitlines()[:2]
    (eng / "wav" / f"{broken.split()[0]}.wav").write_bytes(b"no audio")
    lines = (eng / "transcript_10min_train.txt").read_text()
    (eng / "transcript_10min_train.txt").write_text(
        lines.replace(silent, f"{silent.split()[0]} 0.0 [noise] ?!")
    )
    epo = corpus / "commonvoice/epo/transcript_10min_train.txt"
    epo.write_text("".join(epo.read_text().splitlines(keepends=True)[1:]))
    with caplog.at_level(logging.WARNING):
        made = sets(ml_superb.prepare(corpus, tmp_path / "data"))
    train = made["train_10min"]
    # Broken audio is the tokens stage's to report.
    assert broken.split()[0] in train.utt_ids and broken.split()[0] in caplog.text
    assert silent.split()[0] not in train.utt_ids and "1 transcripts without words" in caplog.text
    assert "missing: ['cv_epo_000006']" in caplog.text


def test_corpora_and_languages_can_be_chosen(corpus, tmp_path):
    made = sets(ml_superb.prepare(corpus, tmp_path / "data", languages=["deu"]))
    assert set(made["test_10min"].labels("lang").values()) == {"deu"}
    made = sets(ml_superb.prepare(corpus, tmp_path / "data", corpora=["commonvoice"]))
    assert set(made["test_10min"].labels("lang").values()) == {"eng", "epo"}


def test_what_is_missing_is_named(corpus, tmp_path):
    out = tmp_path / "data"
    for options, message in (
        ({"duration": "2h"}, "expected a duration of"),
        ({"languages": ["fra"]}, r"languages \['fra'\], found \['deu', 'eng', 'epo'\]"),
        ({"corpora": ["mls"]}, r"corpora \['mls'\]"),
        ({"corpora": ["fleurs"], "languages": ["eng"]}, "found none"),
    ):
        with pytest.raises(DataError, match=message):
            ml_superb.prepare(corpus, out, **options)
    with pytest.raises(DataError, match="transcript_"):
        ml_superb.prepare(tmp_path, out)
    dev = corpus / "fleurs/deu/transcript_10min_dev.txt"
    dev.write_text(dev.read_text() + "alone\n")
    with pytest.raises(DataError, match=r"dev.txt:5: expected 'utterance field text'"):
        ml_superb.prepare(corpus, out)
    dev.write_text("twice 0 a\ntwice 0 b\n")
    with pytest.raises(DataError, match="twice again"):
        ml_superb.prepare(corpus, out)
    dev.unlink()
    with pytest.raises(DataError, match=r"dev.txt: cannot be read"):
        ml_superb.prepare(corpus, out)
