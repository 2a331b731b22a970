"""Pieces and what is done to a text before it is cut into them."""

import json
import pickle

import numpy as np
import pytest
import sentencepiece

from codec_ssl.asr.text import END, UNKNOWN, Normalization, Pieces, train_pieces
from codec_ssl.errors import ConfigError, DataError

TEXTS = ["the cat sat on the mat", "a cat and a hat", "él comió  más", "the end of the hat"] * 5
SIZE = 24


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pieces") / "some folder"
    return train_pieces(TEXTS, folder, vocab_size=SIZE, num_threads=1)


@pytest.mark.parametrize(
    ("options", "text", "wanted"),
    [
        ({}, "  two\t words\u3000here ", "two words here"),
        ({}, "ﬁne Ｆｕｌｌ", "fine Full"),
        ({"unicode": "NFC"}, "ﬁne e\u0301", "ﬁne é"),
        ({"unicode": "none"}, "e\u0301", "e\u0301"),
        ({"case": "lower"}, "ÉTÉ Straße", "été straße"),
        ({"case": "upper"}, "été", "ÉTÉ"),
        ({"remove": ".,?"}, "No, why?  . ", "No why"),
        ({"remove": "-"}, "a - b", "a b"),
    ],
)
def test_a_text_is_normalised_as_was_asked_for(options, text, wanted):
    normalize = Normalization(**options)
    assert normalize(text) == wanted
    assert normalize(normalize(text)) == wanted


@pytest.mark.parametrize("options", [{"case": "title"}, {"unicode": "NFD"}])
def test_an_unknown_normalisation_is_refused(options):
    with pytest.raises(ConfigError, match=r"expected one of .*, found"):
        Normalization(**options)


@pytest.mark.parametrize("model_type", ["unigram", "bpe", "char"])
def test_every_transcript_comes_back_as_it_was_normalised(tmp_path, model_type):
    size = 19 if model_type == "char" else SIZE
    made = train_pieces(TEXTS, tmp_path, vocab_size=size, model_type=model_type, num_threads=1)
    for text in TEXTS:
        ids = made.encode(text)
        assert ids.dtype == np.int64 and ids.max() < len(made)
        assert not np.isin(ids, [UNKNOWN, END]).any()
        assert made.decode([*ids, END, END]) == " ".join(text.split())
    assert not made.encode(" \t").size


def test_ids_are_those_of_sentencepiece_itself(pieces):
    peer = sentencepiece.SentencePieceProcessor(model_file=str(pieces.path / "pieces.model"))
    assert len(pieces) == peer.vocab_size() == SIZE
    assert peer.unk_id() == UNKNOWN and peer.eos_id() == END
    assert peer.bos_id() == peer.pad_id() == -1
    for text in TEXTS:
        assert pieces.encode(text).tolist() == peer.encode(" ".join(text.split()))


def test_characters_without_a_piece_are_named(pieces):
    assert pieces.unknown_characters("the xylo cat") == {"x", "y"}
    assert pieces.unknown_characters("the cat") == set()
    assert UNKNOWN in pieces.encode("xylo")


def test_pieces_travel_to_other_processes_as_their_path(pieces):
    assert len(pickle.dumps(pieces)) < 300
    there = pickle.loads(pickle.dumps(pieces))
    assert there.fingerprint == pieces.fingerprint
    assert there.encode("a hat").tolist() == pieces.encode("a hat").tolist()


def test_the_fingerprint_tells_model_and_normalisation_apart(pieces, tmp_path):
    options = {"vocab_size": SIZE, "num_threads": 1}
    assert train_pieces(TEXTS, tmp_path / "a", **options).fingerprint == pieces.fingerprint
    upper = Normalization(case="upper")
    others = [
        train_pieces(TEXTS, tmp_path / "b", vocab_size=SIZE - 1, num_threads=1),
        train_pieces(TEXTS, tmp_path / "c", normalization=upper, **options),
        train_pieces([t.upper() for t in TEXTS], tmp_path / "d", **options),
    ]
    assert len({each.fingerprint for each in [pieces, *others]}) == 4


def test_a_damaged_folder_is_named_with_the_stage_that_mends_it(pieces, tmp_path):
    with pytest.raises(DataError, match=r"nowhere: expected pieces.model.*stage 'pieces'"):
        Pieces(tmp_path / "nowhere")
    made = train_pieces(TEXTS, tmp_path / "p", vocab_size=SIZE, num_threads=1)
    (made.path / "pieces.model").write_bytes(b"other")
    with pytest.raises(DataError, match="expected the checksum of"):
        Pieces(made.path)
    (made.path / "pieces.json").write_text(json.dumps({"normalization": {}}))
    with pytest.raises(DataError, match="sha256"):
        Pieces(made.path)


def test_impossible_pieces_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"no 5000 unigram pieces from 20 transcripts"):
        train_pieces(TEXTS, tmp_path / "many", num_threads=1)
    with pytest.raises(ConfigError, match="unigram, bpe, char, found word"):
        train_pieces(TEXTS, tmp_path / "word", model_type="word")
    with pytest.raises(DataError, match=r"expected transcripts.*found none"):
        train_pieces([], tmp_path / "none")
    assert not list(tmp_path.iterdir())
