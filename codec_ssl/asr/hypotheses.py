"""Hypotheses of a whole set on disk, written in parts by any number of jobs.

===================  ============================================================================
``decode.json``      what decodes what, and how; the plan of the parts follows from it
``part-00000.tsv``   id, score, whether it was cut, and text of utterances of like lengths
``text``             Kaldi's table of hypotheses, when all parts are there
``utt2score``        log-probabilities of the hypotheses
``timing.json``      seconds that decoding took, and that the speech lasts
===================  ============================================================================

The parts are a plan of the utterance list, so the result doesn't depend on the number of jobs, and
a killed job goes on at its first missing part.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from codec_ssl.asr.recognizer import Experiment, Transcript
from codec_ssl.asr.speech import Speech, record_speech, seconds_of
from codec_ssl.data.parts import PartFolder
from codec_ssl.data.tables import numbered_lines, write_atomic, write_table
from codec_ssl.errors import DataError
from codec_ssl.tokens.store import TokenStore

META_NAME, TEXT_NAME, SCORE_NAME = "decode.json", "text", "utt2score"
TIMING_NAME = "timing.json"
PART_UTTERANCES = 500
_STAGE = "decode"
_logger = logging.getLogger(__name__)
Recognize = Callable[[Mapping[str, np.ndarray]], Iterable[tuple[str, Transcript]]]


class HypothesisFolder(PartFolder):
    """Folder that a set is decoded into.

    Args:
        path: The folder; made if it isn't there.
        speech: The set.
        meta: What decodes it, and how: plain values.
        part_utterances: Utterances a part: what a killed job may have to do again.

    Raises:
        DataError: If the folder holds hypotheses of something else.
    """

    def __init__(
        self,
        path: str | Path,
        speech: Speech,
        meta: Mapping[str, Any],
        part_utterances: int = PART_UTTERANCES,
    ) -> None:
        self._speech = speech
        # Long ones last: what a job waits for at its end is then many at once, not few.
        order = sorted(zip(speech.lengths.tolist(), speech.utt_ids, strict=True))
        super().__init__(
            path,
            [utt_id for _, utt_id in order],
            meta,
            part_utterances,
            name=META_NAME,
            suffix=".tsv",
            stage=_STAGE,
        )

    def write_part(self, part: int, recognize: Recognize) -> None:
        """Decode a part and write it, whole or not at all."""
        utt_ids = self.members(part)
        begin = time.perf_counter()
        found = dict(recognize({utt_id: self._speech[utt_id] for utt_id in utt_ids}))
        lines = (f"{u}\t{t.score:.4f}\t{int(t.cut)}\t{t.text}\n" for u, t in found.items())
        text = "".join(lines)
        seconds = time.perf_counter() - begin
        write_atomic(self._seconds_file(part), f"{seconds:.4f}\n")
        write_atomic(self.file(part), text)
        rate = len(utt_ids) / seconds
        _logger.info("part %d of %d: %.1f utterances a second", part + 1, self.num_parts, rate)

    def finalize(self) -> dict[str, str]:
        """Put the parts together.

        Returns:
            Hypotheses by utterance.

        Raises:
            DataError: A part is missing.
        """
        rows = [row for file in self.complete() for row in _read_part(file)]
        hypotheses = {utt_id: text for utt_id, _, _, text in rows}
        if hypotheses.keys() != set(self.utt_ids):
            raise DataError(
                f"{self.path}: expected hypotheses of {len(self.utt_ids)} utterances, found "
                f"{len(hypotheses)}: delete the folder",
                _STAGE,
            )
        cut = sum(is_cut == "1" for _, _, is_cut, _ in rows)
        if cut:
            _logger.warning("%s: %d hypotheses ended at the length limit", self.path, cut)
        write_table(self.path / SCORE_NAME, {utt_id: score for utt_id, score, _, _ in rows})
        write_table(self.path / TEXT_NAME, hypotheses)
        self._write_timing()
        return hypotheses

    def _seconds_file(self, part: int) -> Path:
        return self.file(part).with_suffix(".seconds")

    def _write_timing(self) -> None:
        """What all parts took together; of a folder that an earlier version began, nothing."""
        files = [self._seconds_file(part) for part in range(self.num_parts)]
        if all(file.exists() for file in files):
            timing = {
                "decoding_seconds": sum(float(file.read_text()) for file in files),
                "speech_seconds": sum(seconds_of(self._speech).values()),
            }
            write_atomic(self.path / TIMING_NAME, json.dumps(timing) + "\n")


def decode_set(
    experiment: Experiment,
    speech: Speech,
    out_dir: str | Path,
    *,
    job: int = 1,
    num_jobs: int = 1,
    part_utterances: int = PART_UTTERANCES,
) -> HypothesisFolder:
    """Write a job's parts of the hypotheses of a set.

    Args:
        experiment: What decodes.
        speech: The set.
        out_dir: Folder of the hypotheses.
        job: Number of this job, from 1.
        num_jobs: Jobs that share the parts.
        part_utterances: Utterances a part.

    Raises:
        CheckpointError: The set is of another tokenizer or encoder than the training's.
        DataError: The folder holds hypotheses of something else.
    """
    experiment.check(speech)
    meta = facts(experiment, speech)
    folder = HypothesisFolder(out_dir, speech, meta, part_utterances)
    for part in tqdm(folder.pending(job, num_jobs), desc="parts", disable=None):
        folder.write_part(part, experiment.recognizer)
    return folder


def facts(experiment: Experiment, speech: Speech) -> dict[str, Any]:
    """What decodes what, and how: all that a score records, and all that the result depends on."""
    config, recognizer = experiment.config, experiment.recognizer
    given = config.get("config")
    content = speech.fingerprint if isinstance(speech, TokenStore) else record_speech(speech)
    return {
        "config": given and Path(given).name,
        "exp": str(experiment.path),
        "checkpoint": experiment.checkpoint,
        "model": recognizer.fingerprint,
        "normalization": recognizer.normalization,
        "objective": config.get("objective"),
        "search": vars(recognizer.options),
        "speech": content,
        **recognizer.describe(speech),
    }


def read_facts(path: str | Path) -> dict[str, Any]:
    """What :func:`facts` told when a folder was decoded.

    Raises:
        DataError: If it is no such folder.
    """
    file = Path(path) / META_NAME
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: expected what decode_asr writes: {error}", _STAGE) from error


def read_timing(path: str | Path) -> dict[str, float]:
    """What was written beside hypotheses about their time; {} where nothing was."""
    file = Path(path) / TIMING_NAME
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _read_part(path: Path) -> Iterator[tuple[str, str, str, str]]:
    for number, line in numbered_lines(path):
        fields = line.split("\t")
        if len(fields) != 4:
            raise DataError(f"{path}:{number}: expected 4 columns, found {len(fields)}", _STAGE)
        yield fields[0], fields[1], fields[2], fields[3]
