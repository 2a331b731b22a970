"""Means of a set's scores, with intervals, and the table of them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from codec_ssl.evaluation.bootstrap import ratio_interval
from codec_ssl.evaluation.codec_run import Outcome
from codec_ssl.report.codec_metrics import METRICS
from codec_ssl.report.render import NOT_RUN, render
from codec_ssl.report.results import Result

_SHOWN = 3


@dataclass(frozen=True)
class Mean:
    """A metric over a set.

    Attributes:
        metric: Its name.
        value: Mean over the utterances that have it; of a rate, errors over words or
            frames.
        interval: 95 % interval, utterances resampled; None of a single utterance.
        utterances: How many have it.
        reasons: Of the others, reason by utterance.
    """

    metric: str
    value: float
    interval: tuple[float, float] | None
    utterances: int
    reasons: Mapping[str, str]


def summarize(outcome: Outcome, metrics: Sequence[str]) -> dict[str, Mean]:
    """Means by metric; a metric that no utterance has is left out."""
    means = {}
    for metric in metrics:
        scores = [r.scores[metric] for r in outcome.records if metric in r.scores]
        if not scores:
            continue
        parts, wholes = (np.array(column, dtype=np.float64) for column in zip(*scores, strict=True))
        reasons = {
            record.utt_id: record.reasons[metric]
            for record in outcome.records
            if metric not in record.scores
        }
        interval = ratio_interval(parts, wholes) if len(scores) > 1 else None
        value = float(parts.sum() / wholes.sum())
        means[metric] = Mean(metric, value, interval, len(scores), reasons)
    return means


def results_of(
    means: Mapping[str, Mean], outcome: Outcome, scored: Mapping[str, Any]
) -> list[Result]:
    """Means as results; ``scored`` says what was."""
    return [
        Result(
            metric,
            mean.value,
            METRICS[metric].unit,
            {
                **scored,
                "utterances": mean.utterances,
                "not_scored": len(mean.reasons),
                "maker": outcome.makers.get(metric),
            },
            mean.interval,
        )
        for metric, mean in means.items()
    ]


def notes_of(means: Mapping[str, Mean], outcome: Outcome, metrics: Sequence[str]) -> list[str]:
    """Why metrics, or some utterances of them, have no value: ``metric: reason``."""
    notes = []
    for metric in metrics:
        if metric in outcome.missing:
            notes.append(f"{metric}: not scored: {outcome.missing[metric]}")
        elif metric not in means:
            reasons = {r.utt_id: r.reasons[metric] for r in outcome.records}
            notes.append(f"{metric}: not scored: {_told(reasons)}")
        elif means[metric].reasons:
            left, total = means[metric].reasons, len(outcome.records)
            notes.append(f"{metric}: {len(left)} of {total} utterances not scored: {_told(left)}")
    return notes


def _told(reasons: Mapping[str, str]) -> str:
    """Reasons, most frequent first, each with how often and an utterance."""
    counts = Counter(reasons.values()).most_common()
    first = {reason: utt for utt, reason in reversed(reasons.items())}
    told = [f"{reason} ({count}: {first[reason]})" for reason, count in counts[:_SHOWN]]
    more = len(counts) - len(told)
    return "; ".join(told) + (f"; and {more} other reasons" if more else "")


def table(
    means: Mapping[str, Mean],
    metrics: Sequence[str],
    style: str,
    *,
    title: str = "",
    notes: Sequence[str] = (),
) -> str:
    """A row a metric: value, 95 % interval, utterances; a dash where there is no value."""
    rows = []
    for metric in metrics:
        shown, mean = METRICS[metric], means.get(metric)
        if mean is None:
            rows.append([shown.heading, NOT_RUN, NOT_RUN, "0"])
            continue
        ends = [shown.show(end) for end in mean.interval or ()]
        interval = f"[{', '.join(ends)}]" if ends else NOT_RUN
        rows.append([shown.heading, shown.show(mean.value), interval, str(mean.utterances)])
    header = ["metric", "mean", "95 % interval", "utterances"]
    return render(header, rows, style, title=title, notes=notes)
