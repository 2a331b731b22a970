"""Synthetic speech on disk: WAVs and a data dir of them, written in parts by any number of jobs.

====================  ===========================================================================
``synthesis.json``    what speaks what, and how; the plan of the parts follows from it
``wav/<utt>.wav``     16-bit audio
``part-00000.jsonl``  samples, phones and their frames of each utterance
``wav.scp`` ...       the data dir, when all parts are there: ``text``, ``utt2spk``, ``utt2lang``,
                      and ``phones.ctm`` with the phones as they were spoken
====================  ===========================================================================
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from codec_ssl.data.alignment import Segment
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.parts import PartFolder
from codec_ssl.data.tables import write_atomic
from codec_ssl.data.wav_file import write_wav
from codec_ssl.errors import DataError
from codec_ssl.tts.script import Script

META_NAME = "synthesis.json"
PART_UTTERANCES = 50
_STAGE = "synthesize"
_logger = logging.getLogger(__name__)


class Utterance(NamedTuple):
    """What was made of one utterance.

    Attributes:
        wav: ``(N,)`` float32.
        symbols: Its phones; empty where they aren't known.
        seconds: How long each lasts ``(P,)``.
    """

    wav: np.ndarray
    symbols: Sequence[str]
    seconds: np.ndarray


Speak = Callable[[Sequence[str]], Iterable[tuple[str, Utterance]]]


class SpokenDir(PartFolder):
    """Folder that a set is spoken into.

    Args:
        path: The folder.
        utt_ids: Utterances to speak.
        sample_rate: Of the audio, in Hz.
        plan: What speaks them, and how: plain values.
        part_utterances: Utterances a part.

    Raises:
        DataError: The folder holds something else, or an utterance has no file name.
    """

    def __init__(
        self,
        path: str | Path,
        utt_ids: Sequence[str],
        sample_rate: int,
        plan: Mapping[str, Any],
        part_utterances: int = PART_UTTERANCES,
    ) -> None:
        unnamed = [utt_id for utt_id in utt_ids if "/" in utt_id or utt_id.startswith(".")]
        if unnamed:
            raise DataError(f"utterance {unnamed[0]}: expected an id that can name a file")
        self.sample_rate = sample_rate
        super().__init__(
            path,
            sorted(utt_ids),
            {**plan, "sample_rate": sample_rate},
            part_utterances,
            name=META_NAME,
            suffix=".jsonl",
            stage=_STAGE,
        )

    def run(self, speak: Speak, job: int = 1, num_jobs: int = 1) -> None:
        """Speak the parts of a job that are missing.

        Args:
            speak: Speaks utterances.
            job: Number of the job, from 1.
            num_jobs: Jobs that share the parts.
        """
        for part in self.pending(job, num_jobs):
            begin, seconds, rows = time.perf_counter(), 0.0, []
            for utt_id, spoken in speak(self.members(part)):
                write_wav(self._wav(utt_id), spoken.wav, self.sample_rate)
                seconds += len(spoken.wav) / self.sample_rate
                row = {"utt_id": utt_id, "symbols": list(spoken.symbols)}
                rows.append({**row, "seconds": np.asarray(spoken.seconds).tolist()})
            write_atomic(self.file(part), "".join(json.dumps(row) + "\n" for row in rows))
            elapsed = time.perf_counter() - begin
            _logger.info(
                "%s: part %d of %d: %.1f s of speech in %.1f s",
                *(self.path, part + 1, self.num_parts, seconds, elapsed),
            )

    def finalize(self, script: Script) -> DataDir:
        """Write the data dir of what was spoken.

        Args:
            script: Its texts, speakers and languages go along.

        Raises:
            DataError: A part is missing.
        """
        lines = [line for file in self.complete() for line in file.read_text().splitlines()]
        rows = {row["utt_id"]: row for row in map(json.loads, lines)}
        phones = {u: _segments(row["symbols"], row["seconds"]) for u, row in rows.items()}
        speakers = {utt_id: script.speakers.get(utt_id, "tts") for utt_id in rows}
        return DataDir.write(
            self.path,
            wav={utt_id: str(self._wav(utt_id).resolve()) for utt_id in rows},
            utt2spk=speakers,
            text={utt_id: text for utt_id, text in script.texts.items() if utt_id in rows},
            labels={"lang": {u: lang for u, lang in script.languages.items() if u in rows}},
            phones={utt_id: segments for utt_id, segments in phones.items() if segments},
        )

    def _wav(self, utt_id: str) -> Path:
        return self.path / "wav" / f"{utt_id}.wav"


def _segments(symbols: Sequence[str], seconds: Sequence[float]) -> list[Segment]:
    """Segments of phones that follow each other; those without a frame are left out."""
    ends = np.cumsum(seconds).tolist()
    return [
        Segment(end - length, end, symbol)
        for symbol, length, end in zip(symbols, seconds, ends, strict=True)
        if length > 0
    ]
