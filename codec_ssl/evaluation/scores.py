"""A score of an utterance, and lists of them on disk.

Letters: U utterances.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

from codec_ssl.data.tables import numbered_lines, write_atomic
from codec_ssl.errors import DataError

_FIRST = ("utt_id", "seconds", "delay", "gain")
_LAST = ("transcript", "reasons")


class Score(NamedTuple):
    """A number that an utterance adds to the set's: ``sum(part) / sum(whole)``.

    Attributes:
        part: The value itself, or for an error rate the errors.
        whole: 1, or for an error rate what could be wrong: words, or frames.
    """

    part: float
    whole: float = 1.0

    @property
    def value(self) -> float:
        """The utterance's own number."""
        return self.part / self.whole


@dataclass(frozen=True)
class Record:
    """What was found of one utterance.

    Attributes:
        utt_id: The utterance.
        audio: What the audio files were: path, size and time of change of each.
        scores: By metric.
        reasons: By metric without a score.
        seconds: Length of the decoded signal.
        delay: Samples by which it lagged.
        gain: Factor that it was multiplied by.
        transcript: What a recogniser heard.
        bad: Path, reason and detail where the audio could not be read.
    """

    utt_id: str
    audio: list[Any]
    scores: Mapping[str, Score] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    delay: int = 0
    gain: float = 1.0
    transcript: str | None = None
    bad: Sequence[str] | None = None

    def to_json(self) -> str:
        """One line."""
        return json.dumps(self.__dict__, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: If the line was cut off.
            TypeError: If it is something else.
        """
        contents = json.loads(text)
        scores = {metric: Score(*pair) for metric, pair in contents.pop("scores").items()}
        return cls(scores=scores, **contents)


def write_table(path: str | Path, records: Sequence[Record], metrics: Sequence[str]) -> None:
    """Write a line of tab-separated values an utterance, with a heading.

    A metric without a value is an empty cell, and its reason stands in the last column. ``wer``
    is the utterance's own rate; ``wer_errors`` and ``wer_words`` are what the set's is made of.
    """
    counted = [metric for metric in metrics if metric == "wer"]
    header = [*_FIRST, *metrics]
    header += [f"{metric}_{what}" for metric in counted for what in ("errors", "words")] + [*_LAST]
    rows = [header]
    for record in records:
        cells = [record.utt_id, f"{record.seconds:.3f}", str(record.delay), f"{record.gain:.6g}"]
        found = record.scores
        cells += [f"{found[m].value:.6g}" if m in found else "" for m in metrics]
        for metric in counted:
            cells += [f"{number:g}" for number in found[metric]] if metric in found else ["", ""]
        reasons = "; ".join(f"{metric}: {reason}" for metric, reason in record.reasons.items())
        rows.append([*cells, _plain(record.transcript or ""), _plain(reasons)])
    write_atomic(path, "".join("\t".join(row) + "\n" for row in rows))


def _plain(text: str) -> str:
    return " ".join(text.split())


def read_table(path: str | Path) -> dict[str, dict[str, float]]:
    """Read the scores of a table back: by utterance, then by metric or count.

    Raises:
        DataError: If the file is missing or is no such table.
    """
    lines = [line.split("\t") for _, line in numbered_lines(path)]
    if not lines or tuple(lines[0][:4]) != _FIRST or any(len(x) != len(lines[0]) for x in lines):
        raise DataError(f"{path}: expected a table of scores by utterance", stage="score")
    names = lines[0][4:-2]
    return {
        cells[0]: {n: float(c) for n, c in zip(names, cells[4:-2], strict=True) if c}
        for cells in lines[1:]
    }
