"""Language tokens: the symbol ``[eng]`` before a transcript, which a recognizer writes like any.

The one place that knows how they look. Training text gets them by :func:`add_language`; scores of
words and characters must not see them, and language identification sees nothing else
(:func:`split_languages`). A token is an ISO 639 code of two or three lower-case letters in
brackets; ML-SUPERB has one of two such codes, ``[org_jpn]``.
"""

import re
from collections.abc import Iterable

from codec_ssl.errors import ConfigError

_CODE = r"[a-z]{2,3}(?:_[a-z]{2,3})?"
_TOKEN = re.compile(rf"\[({_CODE})\]")


def language_token(language: str) -> str:
    """The token of a language.

    Raises:
        ConfigError: The name is not an ISO 639 code, so its token would not be known as one.
    """
    if not re.fullmatch(_CODE, language):
        raise ConfigError(
            "language tokens: expected ISO 639 codes of two or three lower-case letters in "
            f"utt2lang, found {language!r}"
        )
    return f"[{language}]"


def language_tokens(languages: Iterable[str]) -> list[str]:
    """The tokens of some languages, each once, sorted: what a vocabulary gets in addition."""
    return sorted({language_token(language) for language in languages})


def add_language(text: str, language: str) -> str:
    """A transcript with the token of its language before it."""
    return f"{language_token(language)} {text}".rstrip()


def split_languages(text: str) -> tuple[list[str], str]:
    """Take the language tokens out of a text, wherever they stand.

    Returns:
        The languages in the order of their tokens, and the text without them; it has no blanks at
        its ends and no two in a row.
    """
    return _TOKEN.findall(text), " ".join(_TOKEN.sub(" ", text).split())
