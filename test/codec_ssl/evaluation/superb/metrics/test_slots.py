"""Scores of marked slots against s3prl's own functions, and where theirs end."""

import random

import pytest
from s3prl.metric import slot_filling

from codec_ssl.errors import DataError
from codec_ssl.evaluation.superb.metrics.slots import find_slots, score_slots

KINDS = ["artist", "playlist", "playlist_owner", "year"]
WORDS = ["A", "BEE", "SEES", "THE", "OLD", "DOG"]


def sentence(draw, mistakes=False):
    parts = []
    for _ in range(draw.randint(1, 4)):
        parts += draw.choices(WORDS, k=draw.randint(0, 2))
        if draw.random() < 0.7:
            kind, value = draw.choice(KINDS), draw.choices(WORDS, k=draw.randint(1, 3))
            parts += [f"B-{kind}", *value, f"E-{kind}"]
    if mistakes:
        # What a recogniser does: markers lost, doubled, stuck to words, blanks too many.
        parts = [part for part in parts for _ in range(draw.choice([0, 1, 1, 1, 1, 2]))]
        return "".join(part + draw.choice([" ", " ", " ", "  ", ""]) for part in parts).strip()
    return " ".join(parts)


def sentences(count, seed=0):
    draw = random.Random(seed)
    references = [sentence(draw) for _ in range(count)]
    wrong = [sentence(draw, mistakes=True) for _ in range(count)]
    near = [draw.choice([ref, ref.replace("DOG", "DOGS")]) for ref in references]
    return references, [draw.choice(pair) for pair in zip(wrong, near, strict=True)]


def test_scores_are_those_of_s3prl():
    references, hypotheses = sentences(400)
    scored = score_slots(references, hypotheses)
    assert scored.type_f1 == pytest.approx(slot_filling.slot_type_f1(hypotheses, references))
    assert scored.value_cer == pytest.approx(slot_filling.slot_value_cer(hypotheses, references))
    assert 0.1 < scored.type_f1 < 0.99
    assert 0.05 < scored.value_cer < 2


def test_the_nearest_value_of_its_kind_is_compared():
    scored = score_slots(
        ["SET B-hour TEN E-hour AND B-hour TWO E-hour", "NOTHING HERE"],
        ["SET B-hour TEA E-hour", "NOTHING B-hour THERE E-hour"],
    )
    assert scored.f1 == [1.0, 0.0]
    assert scored.edits == [1 + 2, 0]
    assert scored.characters == [6, 0]
    assert scored.value_cer == 0.5


def test_marks_and_punctuation_in_values_are_kept_apart():
    assert find_slots("AT B-time 10:30;SHARP E-time") == {"time": ["10:30;SHARP"]}
    nested = "PLAY B-track B-year OLD E-year SONG E-track"
    assert find_slots(nested) == {"track": ["B-year OLD E-year SONG"]}
    assert find_slots(nested, plain=True) == {"track": ["OLD SONG"]}


def test_sentences_without_any_slot_are_refused():
    with pytest.raises(DataError, match="slots"):
        score_slots(["PLAY IT"], ["B-track PLAY E-track"])
