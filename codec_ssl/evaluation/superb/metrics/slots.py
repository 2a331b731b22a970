"""Slot-type F1 and slot-value character error rate of SUPERB's slot filling.

Sentences are marked as audio SNIPS has them: ``PLAY B-track LET IT BE E-track NOW``. Both are
counted an utterance, so that intervals come from resampled utterances: F1 is the mean of the
utterances' own, the error rate is all edits by all characters of the true values.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import editdistance

from codec_ssl.errors import DataError

# A value may hold anything; its end is the first marker that begins as its own. That E-playlist
# is also the beginning of E-playlist_owner belongs to the benchmark's numbers.
_SLOT = re.compile(r"B-(\S+) (.+?) E-\1")
_BEGIN, _END = re.compile(r"B-\S+ "), re.compile(r" E-\S+")


@dataclass(frozen=True)
class SlotScores:
    """Scores of utterances, U of them.

    Attributes:
        f1: Slot-type F1 of each (U,).
        edits: Edits between true and nearest found values of each (U,).
        characters: Characters of the true values of each (U,).
    """

    f1: list[float]
    edits: list[int]
    characters: list[int]

    @property
    def type_f1(self) -> float:
        """Mean F1 over utterances."""
        return sum(self.f1) / len(self.f1)

    @property
    def value_cer(self) -> float:
        """Edits a character of the true values; may exceed 1."""
        return sum(self.edits) / sum(self.characters)


def score_slots(references: Sequence[str], hypotheses: Sequence[str]) -> SlotScores:
    """Score marked sentences.

    Args:
        references: True ones.
        hypotheses: Recognised ones, in the same order.

    Raises:
        DataError: No reference has a slot.
    """
    f1, edits, characters = [], [], []
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        truth, found = find_slots(reference), find_slots(hypothesis, plain=True)
        f1.append(_type_f1(truth.keys(), found.keys()))
        values = [(value, found.get(kind, [""])) for kind in truth for value in truth[kind]]
        edits.append(sum(_nearest(value, candidates) for value, candidates in values))
        characters.append(sum(len(value) for value, _ in values))
    if not sum(characters):
        raise DataError("expected marked slots in the references, found none", stage="data")
    return SlotScores(f1, edits, characters)


def find_slots(sentence: str, *, plain: bool = False) -> dict[str, list[str]]:
    """Values of each kind of slot, in order.

    Args:
        sentence: With markers.
        plain: Whether markers inside values are taken away, as is done with what was recognised.
    """
    slots: dict[str, list[str]] = {}
    for kind, value in _SLOT.findall(re.sub(" +", " ", sentence)):
        slots.setdefault(kind, []).append(_END.sub("", _BEGIN.sub("", value)) if plain else value)
    return slots


def _type_f1(truth: Collection[str], found: Collection[str]) -> float:
    if not truth or not found:
        return float(not truth and not found)
    return 2 * len(set(truth) & set(found)) / (len(truth) + len(found))


def _nearest(value: str, candidates: Sequence[str]) -> int:
    return min(editdistance.eval(candidate, value) for candidate in candidates)
