"""ML-SUPERB's measures (arXiv 2305.10615): CER and language accuracy, and the SUPERB score.

Public rules, as of the benchmark's recipe (ESPnet, egs2/ml_superb/asr1) and its leaderboard:

- Character errors and characters are summed over all utterances of a group of languages: the
  ``normal`` ones, and the ``few_shot`` ones that were reserved. Blanks are characters, language
  tokens are not.
- A language is identified by the first language token of a hypothesis. One without a token is
  wrong.
- The SUPERB score is 1000 times the mean over four tasks; a task's is the mean over its measures
  of the way from log-mel features (0) to the best published system (1).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from codec_ssl.data.corpora.ml_superb import RESERVED
from codec_ssl.errors import DataError
from codec_ssl.evaluation.asr_wer import ErrorCounts, Scored
from codec_ssl.evaluation.language_id import Identified
from codec_ssl.report.render import render

NORMAL, FEW_SHOT = "normal", "few_shot"
# Measures of each task, as fractions; the error rate of the monolingual track is a mean over
# languages of means over corpora.
SCORED = {
    "mono": ("cer",),
    "asr": ("cer_normal", "cer_few_shot"),
    "lid": ("language_accuracy_normal",),
    "joint": ("language_accuracy_normal", "cer_normal", "cer_few_shot"),
}
type Values = Mapping[tuple[str, str], float]
_ORDER = [(task, metric) for task, metrics in SCORED.items() for metric in metrics]


def _percent(*values: float) -> dict[tuple[str, str], float]:
    return {key: value / 100 for key, value in zip(_ORDER, values, strict=True)}


# Log-mel features: 0 points.
FBANK = {
    "10min": _percent(72.1, 62.4, 58.3, 11.1, 35.9, 62.0, 58.9),
    "1h": _percent(63.7, 59.3, 57.4, 9.3, 43.5, 58.6, 58.1),
}
# The best of each measure on the leaderboard as printed in arXiv 2406.06371 (2024): 1000 points.
BEST = {
    "10min": _percent(33.3, 21.3, 30.2, 85.3, 81.4, 26.0, 25.4),
    "1h": _percent(25.7, 18.1, 30.8, 91.0, 90.6, 21.5, 24.8),
}


def group_of(language: str) -> str:
    """``few_shot`` for the reserved languages, ``normal`` for the others."""
    return FEW_SHOT if language in RESERVED else NORMAL


@dataclass(frozen=True)
class LanguageScores:
    """Scores of one set of utterances.

    Attributes:
        languages: Language of each utterance.
        characters: Their alignments without language tokens; None if only languages are scored.
        identified: Their languages; None if only characters are scored.
    """

    languages: dict[str, str]
    characters: Scored | None
    identified: Identified | None

    @cached_property
    def members(self) -> dict[str, list[str]]:
        """Utterances of each language, languages sorted."""
        found: dict[str, list[str]] = {}
        for utt, language in sorted(self.languages.items()):
            found.setdefault(language, []).append(utt)
        return dict(sorted(found.items()))

    @cached_property
    def groups(self) -> dict[str, list[str]]:
        """Utterances of the normal and of the few-shot languages, as far as there are any."""
        found: dict[str, list[str]] = {}
        for group in (NORMAL, FEW_SHOT):
            utts = [utt for utt, lang in self.languages.items() if group_of(lang) == group]
            if utts:
                found[group] = sorted(utts)
        return found

    def rates(self) -> dict[str, ErrorCounts]:
        """Character counts of each language; {} if they are not scored."""
        if self.characters is None:
            return {}
        return {lang: self.characters.counts(utts) for lang, utts in self.members.items()}

    def mean_rate(self) -> float:
        """Mean over languages of their character error rates: each language counts alike."""
        return fmean(counts.rate for counts in self.rates().values())


def language_table(scores: LanguageScores, style: str = "text") -> str:
    """A row a language, after the groups: utterances, CER, accuracy, and the commonest mistake."""
    rows = {name: utts for name, utts in scores.groups.items()} | scores.members
    header = ["", "group", "# Snt", "# Chr", "CER", "LID", "mistaken for"]
    cells = []
    for name, utts in rows.items():
        counts = scores.characters.counts(utts) if scores.characters else None
        known = scores.identified
        cells.append(
            [
                name.replace("_", "-") if name in scores.groups else f"lang {name}",
                "" if name in scores.groups else group_of(name).replace("_", "-"),
                str(len(utts)),
                str(counts.tokens) if counts else "",
                f"{100 * counts.rate:.1f}" if counts else "",
                f"{100 * known.accuracy(utts):.1f}" if known else "",
                known.mistaken_for(utts) if known and name not in scores.groups else "",
            ]
        )
    return render(header, cells, style)


def monolingual_rate(rates: Mapping[str, tuple[str, float]]) -> float:
    """Mean over languages of means over their corpora.

    Args:
        rates: Language and error rate of each setting, such as ``{"eng1": ("eng", 0.4)}``.
    """
    by_language: dict[str, list[float]] = {}
    for language, rate in rates.values():
        by_language.setdefault(language, []).append(rate)
    return fmean(map(fmean, by_language.values()))


def task_scores(values: Values, duration: str) -> dict[str, float]:
    """Score of each task whose measures are all there, in thousandths.

    Args:
        values: By task and measure, as fractions.
        duration: ``10min`` or ``1h``.
    """
    low, high = FBANK[duration], BEST[duration]
    return {
        task: 1000 * fmean(_share(values, low, high, [(task, name) for name in metrics]))
        for task, metrics in SCORED.items()
        if all((task, name) in values for name in metrics)
    }


def superb_score(values: Values, duration: str) -> float:
    """The SUPERB score of four tasks.

    Args:
        values: As of :func:`task_scores`.
        duration: ``10min`` or ``1h``.

    Raises:
        DataError: Measures are missing: a score of fewer tasks would be another one.
    """
    if missing := [f"{name} of {task}" for task, name in _ORDER if (task, name) not in values]:
        raise DataError(f"SUPERB score: expected all measures, missing: {', '.join(missing)}")
    return fmean(task_scores(values, duration).values())


def _share(
    values: Values, low: Values, high: Values, keys: Iterable[tuple[str, str]]
) -> list[float]:
    return [(values[key] - low[key]) / (high[key] - low[key]) for key in keys]
