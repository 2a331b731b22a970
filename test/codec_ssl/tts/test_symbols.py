"""Unknown symbols are named with their utterance, or left out and reported."""

import logging

import pytest

from codec_ssl.errors import DataError
from codec_ssl.tts.symbols import PADDING, Symbols

SYMBOLS = Symbols(["a", "b", "sil"])


def test_numbers_begin_behind_padding():
    assert SYMBOLS.encode("u", ["sil", "a", "b"]).tolist() == [3, 1, 2]
    assert PADDING not in SYMBOLS.encode("u", SYMBOLS.names)


def test_an_unknown_symbol_is_named_with_its_utterance():
    with pytest.raises(DataError, match=r"utterance u7: expected the 3 symbols .* found 'ʒ'"):
        SYMBOLS.encode("u7", ["a", "ʒ"])
    with pytest.raises(DataError, match=r"utterance u1: .* found 'x' \(and 1 other utterances\)"):
        SYMBOLS.known({"u0": ["a"], "u1": ["x"], "u2": ["y", "x"]})


def test_unknown_symbols_can_be_left_out_and_are_reported(caplog):
    with caplog.at_level(logging.WARNING):
        found = SYMBOLS.known({"u1": ["a", "x", "b", "x"], "u2": ["a"]}, "skip")
    assert found == {"u1": ["a", "b"], "u2": ["a"]}
    assert "u1: unknown symbol 'x' left out 2x" in caplog.text
    with pytest.raises(DataError, match="u3: expected phones to speak, found none"):
        SYMBOLS.known({"u3": ["x"]}, "skip")


def test_utterances_of_a_set_are_left_out_whole(caplog):
    phones = {"u1": ["a"], "u2": ["a", "x"]}
    with pytest.raises(DataError, match=r"utterance u2: .* \(1 of 2 utterances have such\)"):
        SYMBOLS.usable(phones)
    with caplog.at_level(logging.WARNING):
        assert SYMBOLS.usable(phones, "skip") == ["u1"]
    assert "u2 (x)" in caplog.text
    with pytest.raises(DataError, match="found none"):
        SYMBOLS.usable({"u2": ["x"]}, "skip")
