"""Scoring the utterances of two data dirs, each once.

What comes of an utterance is kept at once, so that a killed run goes on
(:mod:`codec_ssl.evaluation.journal`).
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError
from codec_ssl.evaluation.journal import Journal
from codec_ssl.evaluation.scores import Record
from codec_ssl.evaluation.workers import Job, RunOptions, workers

_SHOWN = 5
_logger = logging.getLogger(__name__)


def pair_up(reference: DataDir, decoded: DataDir, *, ignore_missing: bool = False) -> list[Job]:
    """The utterances of both data dirs.

    Args:
        reference: The originals, with ``text`` where there is one.
        decoded: The copies, under the same names.
        ignore_missing: Whether an utterance may be in one of them only.

    Raises:
        DataError: If one is, or none is in both.
    """
    known = set(reference.utt_ids) & set(decoded.utt_ids)
    for some, other in ((reference, decoded), (decoded, reference)):
        missing = [utt for utt in some.utt_ids if utt not in known]
        if not missing:
            continue
        names = ", ".join(missing[:_SHOWN]) + ", ..." * (len(missing) > _SHOWN)
        message = f"{other.path}: no audio of {len(missing)} utterances of {some.path}: {names}"
        if known and ignore_missing:
            _logger.warning("%s: left out", message)
        else:
            hint = "; --ignore_missing true leaves them out" if known else ""
            raise DataError(f"{message}{hint}", stage="decode")
    if not known:
        raise DataError(f"{reference.path}: expected utterances to score, found none", stage="data")
    texts = decoded.text | reference.text
    return [
        Job(utt, reference.source(utt), decoded.source(utt), texts.get(utt))
        for utt in sorted(known)
    ]


@dataclass(frozen=True)
class Outcome:
    """What a run found.

    Attributes:
        records: Of all utterances, sorted by name.
        makers: By metric, what makes it.
        missing: Reason by metric that can't be had.
    """

    records: list[Record]
    makers: Mapping[str, str]
    missing: Mapping[str, str]


def score_utterances(jobs: Sequence[Job], options: RunOptions, journal: str | Path) -> Outcome:
    """Score what the journal does not have.

    Args:
        jobs: The utterances.
        options: How.
        journal: File to keep records in.

    Raises:
        DataError: If a process dies; a rerun goes on behind what is kept.
    """
    with workers(options) as work:
        settings = asdict(options.alignment) | {
            "sample_rate": options.sample_rate,
            "makers": work.makers,
        }
        with Journal(journal, settings) as kept:
            stamps = {job.utt_id: job.stamp() for job in jobs}
            todo = [job for job in jobs if not _is_kept(kept, job, stamps)]
            if len(todo) < len(jobs):
                _logger.info(
                    "%d of %d utterances are scored already", len(jobs) - len(todo), len(jobs)
                )
            for record in work.records(todo):
                kept.add(record)
            records = [kept.records[job.utt_id] for job in jobs]
            return Outcome(records, work.makers, work.missing)


def _is_kept(kept: Journal, job: Job, stamps: Mapping[str, Any]) -> bool:
    record = kept.records.get(job.utt_id)
    return record is not None and record.audio == stamps[job.utt_id]
