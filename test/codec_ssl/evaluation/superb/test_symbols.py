"""Numbers of symbols are those that s3prl makes, and give the transcripts back."""

import random

import pytest
from s3prl.dataio.encoder.tokenizer import CharacterSlotTokenizer, load_tokenizer

from codec_ssl.evaluation.superb.symbols import MarkedSymbols, character_symbols, phone_symbols

CHARACTERS = [" ", *"'ABCDEFGH"]
SLOTS = ["album", "artist", "year"]


def sentence(draw):
    """Words, and a slot's name for each, no slot next to one of its name."""
    words, names, before = [], [], "O"
    for _ in range(draw.randint(1, 6)):
        name = draw.choice([each for each in ["O", *SLOTS] if each == "O" or each != before])
        count = draw.randint(1, 3)
        words += ["".join(draw.choices(CHARACTERS[1:], k=draw.randint(1, 4))) for _ in range(count)]
        names += [name] * count
        before = name
    return words, names


def marked(words, names):
    text = ""
    for n, (word, name) in enumerate(zip(words, names, strict=True)):
        first = name != "O" and (n == 0 or names[n - 1] != name)
        last = name != "O" and (n + 1 == len(names) or names[n + 1] != name)
        text += f" B-{name}" * first + f" {word}" + f" E-{name}" * last
    return text.strip()


def test_marked_sentences_have_the_numbers_that_s3prl_makes_of_words_and_slots():
    draw = random.Random(0)
    marks = [f"{side}-{slot}" for slot in SLOTS for side in "BE"]
    theirs, ours = CharacterSlotTokenizer(CHARACTERS, marks), MarkedSymbols(CHARACTERS, SLOTS)
    assert len(ours) == len(theirs)
    for _ in range(100):
        words, names = sentence(draw)
        text = marked(words, names)
        numbers = ours.encode(text)
        assert numbers == theirs.encode(" ".join(words), " ".join(names))
        assert ours.decode(numbers) == text


def test_neighbouring_values_of_one_slot_stay_apart():
    ours = MarkedSymbols(CHARACTERS, SLOTS)
    text = "B-year A E-year B-year B C E-year DE"
    assert ours.decode(ours.encode(text)) == text


def test_a_marker_that_training_has_not_is_taken_for_a_word():
    ours = MarkedSymbols(["A", " "], ["year"])
    assert ours.decode(ours.encode("B-track A E-track")) == "<unk>" * 7 + " A " + "<unk>" * 7


@pytest.mark.parametrize(
    ("make", "kind", "symbols", "text"),
    [
        (character_symbols, "character", CHARACTERS, "A BAD DAB"),
        (phone_symbols, "phoneme", ["AA1", "B", "ZH"], "ZH B AA1 B"),
    ],
)
def test_transcripts_have_the_numbers_of_s3prl(make, kind, symbols, text):
    ours, theirs = make(symbols), load_tokenizer(kind, vocab_list=symbols)
    assert ours.encode(text) == theirs.encode(text)
    assert ours.decode([0, *ours.encode(text), 0]) == text
    assert len(ours) == len(symbols) + 3
