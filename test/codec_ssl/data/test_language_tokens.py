"""Language tokens come out of a text as they went in, and nothing else does."""

import pytest

from codec_ssl.data.language_tokens import (
    add_language,
    language_token,
    language_tokens,
    split_languages,
)
from codec_ssl.errors import ConfigError


@pytest.mark.parametrize("language", ["eng", "en", "org_jpn"])
def test_a_text_with_its_language_is_told_apart_again(language):
    assert split_languages(add_language("GOOD DAY", language)) == ([language], "GOOD DAY")
    assert split_languages(add_language("", language)) == ([language], "")


def test_tokens_are_taken_out_wherever_a_recognizer_wrote_them():
    assert split_languages("[eng] A[deu]B C [eng]") == (["eng", "deu", "eng"], "A B C")
    assert split_languages("NO TOKEN") == ([], "NO TOKEN")


def test_other_brackets_stay():
    for text in ("[LAUGHTER]", "[noise]", "[e]", "[eng", "[org_jp_n]"):
        assert split_languages(text) == ([], text)


def test_a_name_that_would_not_be_known_again_is_refused():
    for name in ("english", "ENG", "pt-br", ""):
        with pytest.raises(ConfigError, match="ISO 639"):
            language_token(name)


def test_a_vocabulary_gets_each_token_once():
    assert language_tokens(["eng", "deu", "eng"]) == ["[deu]", "[eng]"]
