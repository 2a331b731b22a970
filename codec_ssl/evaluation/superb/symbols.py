"""Symbols of transcripts as numbers, by s3prl's own tokenizers.

Number 0 is CTC's blank, 1 ends every transcript, 2 is a symbol that the training set hasn't.
"""

from collections.abc import Sequence

from s3prl.dataio.encoder.tokenizer import (
    CharacterSlotTokenizer,
    CharacterTokenizer,
    PhonemeTokenizer,
    Tokenizer,
)

BLANK = 0


class Symbols:
    """Numbers of a transcript's symbols, and back.

    Args:
        tokenizer: s3prl's.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def __len__(self) -> int:
        return len(self._tokenizer)

    def encode(self, text: str) -> list[int]:
        """Numbers of a transcript, its end included."""
        return self._tokenizer.encode(text)

    def decode(self, numbers: Sequence[int]) -> str:
        """The transcript of what CTC found: blanks and ends are left out."""
        left_out = (BLANK, self._tokenizer.eos_idx)
        return self._tokenizer.decode([number for number in numbers if number not in left_out])


class MarkedSymbols(Symbols):
    """Characters, and the markers ``B-<slot>`` and ``E-<slot>`` as one symbol each.

    Markers hold the blank between them and their value; s3prl's tokenizer makes the same numbers
    of words and a slot's name for each word.

    Args:
        characters: The characters.
        slots: Names of the slots.
    """

    def __init__(self, characters: Sequence[str], slots: Sequence[str]) -> None:
        marks = [f"{side}-{slot}" for slot in slots for side in "BE"]
        super().__init__(CharacterSlotTokenizer(list(characters), marks))
        self._marks: dict[str, int] = self._tokenizer.slot2id

    def encode(self, text: str) -> list[int]:
        """See ``Symbols.encode``; a marker of an unknown slot is taken for a word."""
        tokenizer, numbers, opened = self._tokenizer, [], True
        for word in text.split():
            closes = word in self._marks and word.startswith("E-")
            if not (opened or closes):
                numbers.append(tokenizer.space_idx)
            opened = word in self._marks and not closes
            known = self._marks.get(word)
            numbers += map(tokenizer.vocab_to_idx, word) if known is None else [known]
        return [*numbers, tokenizer.eos_idx]


def character_symbols(characters: Sequence[str]) -> Symbols:
    """Characters, of which the blank between words is one."""
    return Symbols(CharacterTokenizer(list(characters)))


def phone_symbols(phones: Sequence[str]) -> Symbols:
    """Phones, with blanks between them in a transcript."""
    return Symbols(PhonemeTokenizer(list(phones)))
