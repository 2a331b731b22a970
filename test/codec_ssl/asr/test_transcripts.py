"""Transcripts by utterance: who lacks one is named."""

import logging

import pytest

from codec_ssl.asr.text import Normalization
from codec_ssl.asr.transcripts import read_transcripts
from codec_ssl.errors import DataError

PLAIN = Normalization()


@pytest.fixture
def table(tmp_path):
    (tmp_path / "text").write_text("b two words\na one  word\nc\nd ...\n")
    return tmp_path / "text"


def test_transcripts_come_in_the_order_that_was_asked_for(table):
    found = read_transcripts(table, PLAIN, utt_ids=["a", "b", "d"])
    assert list(found.items()) == [("a", "one  word"), ("b", "two words"), ("d", "...")]


def test_an_utterance_without_a_transcript_is_an_error_that_names_it(table):
    message = (
        r"text: of 4 utterances, found 2 with no transcript \(x, y\) and 1 with an empty transcript"
        r" \(c\); --unusable_text skip leaves them out .*stage 'data'"
    )
    with pytest.raises(DataError, match=message):
        read_transcripts(table, PLAIN, utt_ids=["x", "a", "c", "y"])


def test_a_transcript_that_normalises_to_nothing_is_empty(table):
    with pytest.raises(DataError, match=r"2 with an empty transcript \(c, d\)"):
        read_transcripts(table, Normalization(remove="."))


def test_utterances_without_transcripts_can_be_left_out_and_are_logged(table, caplog):
    caplog.set_level(logging.WARNING)
    wanted = [*"abcd", *(f"x{n}" for n in range(9))]
    found = read_transcripts(table, PLAIN, utt_ids=wanted, unusable="skip")
    assert list(found) == ["a", "b", "d"]
    assert "9 with no transcript (x0, x1, x2, x3, x4, ...)" in caplog.text
    assert "1 with an empty transcript (c)" in caplog.text


def test_no_transcript_at_all_is_an_error_in_any_case(table, tmp_path):
    with pytest.raises(DataError, match="expected transcripts of 1 utterances, found none"):
        read_transcripts(table, PLAIN, utt_ids=["x"], unusable="skip")
    with pytest.raises(DataError, match="nothing: cannot be read"):
        read_transcripts(tmp_path / "nothing", PLAIN)
