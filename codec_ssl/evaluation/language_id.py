"""Language identification: the language tokens of hypotheses against the languages spoken."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from codec_ssl.data.language_tokens import split_languages
from codec_ssl.evaluation.bootstrap import accuracy_interval

NONE = "none"


@dataclass(frozen=True)
class Identified:
    """Languages of a set of utterances, as they are and as they were found.

    Attributes:
        true: Language of each utterance.
        found: That of the hypothesis, ``none`` if it has none.
    """

    true: dict[str, str]
    found: dict[str, str]

    def right(self, utt_ids: Sequence[str] | None = None) -> list[bool]:
        """Whether each utterance, or each of some, is right."""
        chosen = self.true if utt_ids is None else utt_ids
        return [self.true[utt] == self.found[utt] for utt in chosen]

    def accuracy(self, utt_ids: Sequence[str] | None = None) -> float:
        """Share of the utterances, or of some, that are right."""
        return fmean(self.right(utt_ids))

    def interval(self, utt_ids: Sequence[str] | None = None) -> tuple[float, float]:
        """95 % interval of the accuracy, utterances resampled."""
        right = np.array(self.right(utt_ids))
        return accuracy_interval(right, np.arange(len(right)))

    def mistaken_for(self, utt_ids: Sequence[str]) -> str:
        """The wrong language most often found for some utterances; empty if all are right."""
        wrong = Counter(self.found[utt] for utt in utt_ids if self.found[utt] != self.true[utt])
        return min(wrong, key=lambda language: (-wrong[language], language), default="")


def identify(languages: Mapping[str, str], hypotheses: Mapping[str, str]) -> Identified:
    """Compare the languages of utterances with the first tokens of their hypotheses.

    Args:
        languages: Language of each utterance.
        hypotheses: What was recognised, with language tokens; of these utterances and maybe more.
    """
    tokens = {utt: split_languages(hypotheses[utt])[0] for utt in languages}
    found = {utt: some[0] if some else NONE for utt, some in tokens.items()}
    return Identified(dict(languages), found)
