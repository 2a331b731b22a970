"""Measures of what s3prl predicted on a test set, with their intervals, where it wrote that down.

==========  ============================  ====================================================
task        file in ``evaluate/…/test``   measures
==========  ============================  ====================================================
pr asr sf   ``hyp`` and ``ref``           all
sd          ``prediction/<utterance>.pt`` ``der`` and ``der_plain``; s3prl's own ``frame_der``,
                                          a mean over batches, is not to be had from it
others      none                          none: predictions are counted and forgotten
==========  ============================  ====================================================

Letters: U utterances, T frames, S speakers.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas
import torch
from s3prl.metric import cer, wer

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError
from codec_ssl.evaluation.superb.diarization import Diarization, Speech
from codec_ssl.evaluation.superb.measure import NUM_RESAMPLES, Measure, ratio
from codec_ssl.evaluation.superb.metrics.slots import score_slots

# Numbers of s3prl's and ours are of the same utterances, in another order.
_SAME = 1e-6

logger = logging.getLogger(__name__)


def transcript_measures(task: str, folder: Path) -> dict[str, Measure]:
    """Measures of transcripts, as s3prl counts them.

    Args:
        task: ``pr``, ``asr`` or ``sf``; any other one has no transcripts, hence no measures.
        folder: Of the evaluation.

    Raises:
        DataError: A file is missing, or they are not of the same utterances.
    """
    if task not in _MEASURES:
        return {}
    truth, found = (_read(folder / name) for name in ("ref", "hyp"))
    if list(truth) != list(found):
        raise DataError(f"{folder}: expected ref and hyp of the same utterances", stage="train")
    return _MEASURES[task](list(truth.values()), list(found.values()))


def diarization_measures(data_dir: DataDir, out: Path, rate: float) -> dict[str, Measure]:
    """Error rates of what the best checkpoint predicted (T, S) for each utterance of a set.

    Args:
        data_dir: The set.
        out: Folder of the training.
        rate: Frames a second.
    """
    problem, truth = Diarization({}), Diarization.read(data_dir)
    seconds = pandas.read_csv(out / "test.csv").groupby("record_id")["duration"].first()
    predictions = {}
    for utt_id in truth:
        path = out / "evaluate" / "valid_best" / "test" / "prediction" / f"{utt_id}.pt"
        # Crops of an utterance lie one behind the other, the last one with its padding.
        found = torch.load(path, weights_only=True)[: max(1, int(seconds[utt_id] * rate))]
        speech = Speech(torch.logit(found)[None], torch.tensor([len(found)]), rate)
        predictions[utt_id] = problem.predict(speech)[0]
    return problem.measure(predictions, truth)


def intervals_of(
    scores: Mapping[str, float], measures: Mapping[str, Measure], num_resamples: int = NUM_RESAMPLES
) -> dict[str, tuple[float, float]]:
    """95 % intervals of scores, by drawing utterances again.

    Args:
        scores: What is reported.
        measures: The same from predictions. One that comes to another value, which would be a
            measure of something else, gives no interval and a warning.
        num_resamples: Draws.
    """
    found = {}
    for name, measure in measures.items():
        if math.isclose(measure.value, scores[name], rel_tol=_SAME, abs_tol=_SAME):
            found[name] = measure.interval(num_resamples)
        else:
            logger.warning(
                "%s: s3prl says %g, its predictions %g: no interval",
                name,
                scores[name],
                measure.value,
            )
    return found


def _read(path: Path) -> dict[str, str]:
    """Transcripts by utterance, with their blanks: s3prl counts a word between any two."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except FileNotFoundError as error:
        raise DataError(f"{path}: expected transcripts, found no such file", "train") from error
    rows = (line.partition(" ") for line in lines if line)
    return {utt_id: text for utt_id, _, text in rows}


def _error_rate(
    rate: Callable[[list[str], list[str]], float], tokens: Callable[[str], int]
) -> Callable[[Sequence[str], Sequence[str]], Measure]:
    """All errors by all tokens; an utterance's errors are its own rate times its tokens."""

    def measure(truth: Sequence[str], found: Sequence[str]) -> Measure:
        counts = [tokens(text) for text in truth]
        pairs = zip(truth, found, counts, strict=True)
        return ratio([rate([hyp], [ref]) * count for ref, hyp, count in pairs], counts)

    return measure


def _words(text: str) -> int:
    return len(text.split(" "))


_word_errors, _character_errors = _error_rate(wer, _words), _error_rate(cer, len)


def _of_slots(truth: Sequence[str], found: Sequence[str]) -> dict[str, Measure]:
    scored = score_slots(truth, found)
    return {
        "slot_type_f1": ratio(scored.f1),
        "slot_value_cer": ratio(scored.edits, scored.characters),
    }


_MEASURES: Mapping[str, Callable[[Sequence[str], Sequence[str]], dict[str, Measure]]] = {
    "pr": lambda truth, found: {"per": _word_errors(truth, found)},
    "asr": lambda truth, found: {
        "wer": _word_errors(truth, found),
        "cer": _character_errors(truth, found),
    },
    "sf": _of_slots,
}
