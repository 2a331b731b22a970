"""Texts become the phones that alignments have."""

import logging

import pytest

from codec_ssl.data.espeak import synthesize
from codec_ssl.data.mini_corpus import SIZES, phone_segments, plan
from codec_ssl.errors import DataError
from codec_ssl.tts.text_to_phones import Lexicon, espeak_phones, given_phones


def test_espeak_gives_the_phones_of_the_embedded_corpus():
    utterances = plan(SIZES["ci"], 0)[75:100]
    texts = {each.utt_id: each.text for each in utterances}
    languages = {each.utt_id: each.speaker.language for each in utterances}
    found = espeak_phones(texts, languages)
    assert len(set(languages.values())) > 2
    said = synthesize([each.request for each in utterances])
    for each, speech in zip(utterances, said, strict=True):
        aligned = [s.label for s in phone_segments(speech, len(speech.samples) / 22050)]
        spoken = [label for label in found[each.utt_id] if label != "sil"]
        assert spoken == [label for label in aligned if label != "sil"]


def test_texts_without_anything_to_speak_are_named():
    with pytest.raises(DataError, match=r"utterance u2: expected a text to speak, found ' \.\.'"):
        espeak_phones({"u1": "hello", "u2": " .."}, {"u1": "en", "u2": "en"})
    with pytest.raises(DataError, match="no voice 'xx'"):
        espeak_phones({"u1": "hello"}, {"u1": "xx"})
    with pytest.raises(DataError, match="utterance u1: expected phones"):
        given_phones({"u1": " "})


def test_phones_may_be_given():
    assert given_phones({"u": "h ə SIL l əʊ <eps>"}) == {"u": ["h", "ə", "sil", "l", "əʊ", "sil"]}


@pytest.fixture
def lexicon(tmp_path):
    lines = ["the\t0.99\t0.1\t1.0\t1.0\tDH AH0", "the\tDH IY0", "cat K AE1 T", "'tis T IH1 Z"]
    (tmp_path / "words.dict").write_text("\n".join(lines) + "\n")
    return Lexicon(tmp_path / "words.dict")


def test_a_dictionary_gives_first_pronunciations_and_pauses_at_marks(lexicon):
    found = lexicon.phones({"u": "The cat, 'tis THE cat."})["u"]
    assert found == [
        "sil",
        "DH",
        "AH",
        "K",
        "AE",
        "T",
        "sil",
        "T",
        "IH",
        "Z",
        "DH",
        "AH",
        "K",
        "AE",
        "T",
        "sil",
    ]


@pytest.mark.parametrize("text", ["the-cat", "'the' cat", "‘the’ -cat-", "the cat’"])
def test_hyphens_and_quotes_do_not_hide_a_word(lexicon, text):
    assert lexicon.phones({"u": text})["u"] == ["sil", "DH", "AH", "K", "AE", "T", "sil"]


def test_a_dash_is_a_pause_and_parts_that_are_not_there_are_named(lexicon):
    found = lexicon.phones({"u": "'tis -- the"})["u"]
    assert found == ["sil", "T", "IH", "Z", "sil", "DH", "AH", "sil"]
    with pytest.raises(DataError, match="found 'dog'"):
        lexicon.phones({"u": "cat-dog"})


def test_words_that_are_not_there_are_named(lexicon, caplog):
    with pytest.raises(DataError, match=r"utterance u: expected words of .*, found 'dog'"):
        lexicon.phones({"u": "the dog"})
    with caplog.at_level(logging.WARNING):
        assert lexicon.phones({"u": "the dog"}, "skip") == {"u": ["sil", "DH", "AH", "sil"]}
    assert "u: words left out: dog" in caplog.text
    with pytest.raises(DataError, match="expected words to speak"):
        lexicon.phones({"u": "dog"}, "skip")


def test_a_line_without_phones_is_refused(tmp_path):
    (tmp_path / "bad").write_text("word\t0.5\n")
    with pytest.raises(DataError, match="bad:1: expected a word and its phones"):
        Lexicon(tmp_path / "bad")
