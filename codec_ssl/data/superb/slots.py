"""Sentences with marked slots, as SUPERB's slot filling writes them.

``ADD B-artist SABRINA SALERNO E-artist TO`` is an artist's name within a sentence.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from codec_ssl.errors import DataError


class Value(NamedTuple):
    """Words of a sentence in one slot; "" for those in none."""

    slot: str
    words: Sequence[str]


def marked(values: Iterable[Value]) -> list[str]:
    """Words, with a marker before and after those of a slot."""
    tokens: list[str] = []
    for slot, words in values:
        tokens += [f"B-{slot}", *words, f"E-{slot}"] if slot else words
    return tokens


def from_tags(words: Sequence[str], tags: Sequence[str]) -> list[Value]:
    """Group words by their tags ``O``, ``B-slot`` and ``I-slot``.

    A slot that begins with ``I-``, or goes on after words of another, is one of its own.

    Raises:
        DataError: There are not as many tags as words, or a tag is none of these.
    """
    if len(words) != len(tags):
        raise DataError(f"slots: expected a tag for each of {len(words)} words, found {len(tags)}")
    values: list[tuple[str, list[str]]] = []
    for word, tag in zip(words, tags, strict=True):
        kind, _, slot = tag.partition("-")
        if tag != "O" and not (kind in ("B", "I") and slot):
            raise DataError(f"slots: expected O, B-slot or I-slot, found {tag!r}")
        if values and kind != "B" and values[-1][0] == slot:
            values[-1][1].append(word)
        else:
            values.append((slot, [word]))
    return [Value(slot, words) for slot, words in values]
