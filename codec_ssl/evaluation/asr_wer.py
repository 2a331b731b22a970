"""Word and character error rates, with the tables that users of Kaldi and ESPnet know.

jiwer aligns; this module counts by utterance, so that rates of subsets (languages, speakers) and
intervals come from the same alignments.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jiwer
import numpy as np

from codec_ssl.errors import DataError
from codec_ssl.evaluation.bootstrap import ratio_interval
from codec_ssl.report.render import render

_SHOWN = 5
HEADER = ("", "# Snt", "# {}", "Corr", "Sub", "Del", "Ins", "Err", "S.Err")
ALIGNERS: dict[str, Callable[..., Any]] = {
    "word": jiwer.process_words,
    "character": jiwer.process_characters,
}
SHORT = {"word": "Wrd", "character": "Chr"}
_COLUMNS = {"equal": 0, "substitute": 1, "delete": 2, "insert": 3}


@dataclass(frozen=True)
class ErrorCounts:
    """Counts of a set of utterances.

    Attributes:
        utterances: How many; those with an error are ``wrong``.
        wrong: Utterances with an error.
        correct: Tokens that are right.
        substitutions: Tokens in place of others.
        deletions: Tokens that are missing.
        insertions: Tokens too many.
    """

    utterances: int
    wrong: int
    correct: int
    substitutions: int
    deletions: int
    insertions: int

    @property
    def tokens(self) -> int:
        """Tokens of the references."""
        return self.correct + self.substitutions + self.deletions

    @property
    def errors(self) -> int:
        """All errors."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors a token of the references; may exceed 1."""
        return self.errors / self.tokens

    def cells(self) -> list[str]:
        """Cells of a row, rates in percent."""
        counts = (self.correct, self.substitutions, self.deletions, self.insertions, self.errors)
        rates = [f"{100 * count / self.tokens:.1f}" for count in counts]
        wrong = f"{100 * self.wrong / self.utterances:.1f}"
        return [str(self.utterances), str(self.tokens), *rates, wrong]


@dataclass(frozen=True)
class Scored:
    """Alignments of a set of utterances, U of them.

    Attributes:
        unit: ``word`` or ``character``.
        utt_ids: The utterances.
        output: What jiwer made of them.
    """

    unit: str
    utt_ids: list[str]
    output: Any

    @cached_property
    def table(self) -> np.ndarray:
        """Correct, substituted, deleted and inserted tokens of each utterance: (U, 4) int64."""
        table = np.zeros((len(self.utt_ids), len(_COLUMNS)), dtype=np.int64)
        for row, chunks in zip(table, self.output.alignments, strict=True):
            for chunk in chunks:
                spans = (
                    chunk.ref_end_idx - chunk.ref_start_idx,
                    chunk.hyp_end_idx - chunk.hyp_start_idx,
                )
                row[_COLUMNS[chunk.type]] += max(spans)
        return table

    def counts(self, utt_ids: Sequence[str] | None = None) -> ErrorCounts:
        """Counts of all utterances, or of some.

        Raises:
            DataError: Their references are empty.
        """
        table = self.table if utt_ids is None else self.table[self._rows(utt_ids)]
        found = ErrorCounts(
            len(table), int((table[:, 1:].sum(1) > 0).sum()), *table.sum(0).tolist()
        )
        if not found.tokens:
            raise DataError(f"expected {self.unit}s in the references, found none", stage="data")
        return found

    def interval(self) -> tuple[float, float]:
        """95 % interval of the rate, utterances resampled."""
        return ratio_interval(self.table[:, 1:].sum(1), self.table[:, :3].sum(1))

    def worst(self, count: int) -> str:
        """Alignments of the utterances with the most errors, as text."""
        errors = self.table[:, 1:].sum(1)
        order = sorted(range(len(errors)), key=lambda row: (-errors[row], self.utt_ids[row]))
        return "\n".join(self._aligned(row) for row in order[:count] if errors[row])

    def _aligned(self, row: int) -> str:
        correct, substituted, deleted, inserted = self.table[row].tolist()
        reference, hypothesis = self.output.references[row], self.output.hypotheses[row]
        joint = "" if self.unit == "character" else " "
        alone = ALIGNERS[self.unit](joint.join(reference), joint.join(hypothesis))
        shown = jiwer.visualize_alignment(alone, show_measures=False)
        lines = [line for line in shown.split("\n") if line and not line.startswith("===")]
        scores = f"#C {correct} #S {substituted} #D {deleted} #I {inserted}"
        return "\n".join([f"{self.utt_ids[row]}  {scores}", *lines]) + "\n"

    def _rows(self, utt_ids: Sequence[str]) -> list[int]:
        return [self._row_of[utt_id] for utt_id in utt_ids]

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {utt_id: row for row, utt_id in enumerate(self.utt_ids)}


def align(references: Mapping[str, str], hypotheses: Mapping[str, str], unit: str) -> Scored:
    """Align hypotheses with references.

    Args:
        references: Transcripts by utterance.
        hypotheses: What was recognised, of exactly the same utterances.
        unit: ``word`` or ``character``; blanks are characters.

    Raises:
        DataError: Utterances are missing, unknown, or there is none.
    """
    for what, some, others in (
        ("hypotheses of the references' utterances", references, hypotheses),
        ("references of the hypotheses' utterances", hypotheses, references),
    ):
        missing = [utt_id for utt_id in some if utt_id not in others]
        if missing:
            names = ", ".join(missing[:_SHOWN]) + ", ..." * (len(missing) > _SHOWN)
            raise DataError(f"expected {what}, found none of {len(missing)}: {names}", "decode")
    if not references:
        raise DataError("expected utterances to score, found none", stage="data")
    utt_ids = sorted(references)
    output = ALIGNERS[unit](
        [references[utt_id] for utt_id in utt_ids], [hypotheses[utt_id] for utt_id in utt_ids]
    )
    return Scored(unit, utt_ids, output)


def groups_of(labels: Mapping[str, str], utt_ids: Sequence[str]) -> dict[str, list[str]]:
    """Utterances by label, labels sorted; utterances without one are left out."""
    groups: dict[str, list[str]] = {}
    for utt_id in utt_ids:
        if utt_id in labels:
            groups.setdefault(labels[utt_id], []).append(utt_id)
    return dict(sorted(groups.items()))


def score_table(rows: Mapping[str, ErrorCounts], unit: str, style: str = "text") -> str:
    """The table of Corr, Sub, Del, Ins, Err and S.Err in percent.

    Args:
        rows: Counts by name.
        unit: ``word`` or ``character``.
        style: Of ``codec_ssl.report.render.render``.
    """
    header = [title.format(SHORT[unit]) for title in HEADER]
    return render(header, [[name, *counts.cells()] for name, counts in rows.items()], style)
