"""Processes that score utterances: every one is read, aligned and given to all metrics in one."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from codec_ssl.data.audio import AudioSource, audio_info, read_audio
from codec_ssl.data.bad_audio import BadAudio
from codec_ssl.errors import CodecSSLError, ConfigError, DataError
from codec_ssl.evaluation.pair import Alignment, Pair, make_pair
from codec_ssl.evaluation.scorer_options import ScorerOptions
from codec_ssl.evaluation.scorers import Scorers, make_scorers
from codec_ssl.evaluation.scores import Record, Score

_SHOWN = 5


@dataclass(frozen=True)
class Job:
    """An utterance to score.

    Attributes:
        utt_id: The utterance.
        reference: The original.
        decoded: What the codec made of it.
        text: What is said in it, where that is known.
    """

    utt_id: str
    reference: AudioSource
    decoded: AudioSource
    text: str | None = None

    def stamp(self) -> list[Any]:
        """What the two files are now; a change of it asks for new scores."""
        return [_stamp(source) for source in (self.reference, self.decoded)] + [self.text]


def _stamp(source: AudioSource) -> list[Any]:
    path = Path(source.path)
    state = path.stat() if path.exists() else None
    facts = [0, 0] if state is None else [state.st_size, state.st_mtime_ns]
    return [str(path), *facts, source.start, source.end]


@dataclass(frozen=True)
class RunOptions:
    """How utterances are scored.

    Attributes:
        scorers: What is measured.
        alignment: What is taken away before.
        sample_rate: Rate at which both are compared, in Hz; None: the lower of each pair's.
        nj: Processes.
    """

    scorers: ScorerOptions
    alignment: Alignment = field(default_factory=Alignment)
    sample_rate: int | None = None
    nj: int = 1

    def __post_init__(self) -> None:
        if self.nj < 1:
            raise ConfigError(f"nj: expected a number of processes, found {self.nj}")
        if self.sample_rate is not None and self.sample_rate < 1:
            raise ConfigError(f"sample_rate: expected a rate in Hz, found {self.sample_rate}")


class Worker:
    """Scores one utterance after the other in this process."""

    def __init__(self, options: RunOptions) -> None:
        self._options = options
        self._scorers: Scorers = make_scorers(options.scorers)
        self.makers, self.missing = self._scorers.makers, dict(self._scorers.missing)

    def records(self, jobs: Sequence[Job]) -> Iterator[Record]:
        """Score utterances as they come."""
        return map(self.score, jobs)

    def score(self, job: Job) -> Record:
        """Score one; audio that cannot be read is noted, not raised."""
        stamp = job.stamp()
        try:
            pair = self._read(job)
        except BadAudio as error:
            reasons = dict.fromkeys(self.makers, f"bad audio: {error.reason}")
            bad = [error.path, error.reason, error.detail]
            return Record(job.utt_id, stamp, reasons=reasons, bad=bad)
        found = self._scorers(pair)
        return Record(
            job.utt_id,
            stamp,
            {metric: score for metric, score in found.items() if isinstance(score, Score)},
            {metric: reason for metric, reason in found.items() if isinstance(reason, str)},
            len(pair.whole_decoded) / pair.sample_rate,
            pair.delay,
            pair.gain,
            " ".join(pair.heard) if pair.heard else None,
        )

    def _read(self, job: Job) -> Pair:
        sources = (job.reference, job.decoded)
        rate = self._options.sample_rate or min(audio_info(s).sample_rate for s in sources)
        reference, decoded = (read_audio(source, rate)[0] for source in sources)
        return make_pair(job.utt_id, reference, decoded, rate, self._options.alignment, job.text)


_worker: Worker | CodecSSLError | None = None


def _start(options: RunOptions) -> None:
    """Set up this process; processes share the cores, so each keeps to one thread."""
    global _worker
    torch.set_num_threads(1)
    try:
        _worker = Worker(options)
    except CodecSSLError as error:  # raised here, it would be lost with the process
        _worker = error


def _describe() -> tuple[dict[str, str], dict[str, str]]:
    if isinstance(_worker, CodecSSLError):
        raise _worker
    return _worker.makers, _worker.missing


def _work(job: Job) -> Record:
    return _worker.score(job)


class Pool:
    """Scores utterances in several processes."""

    def __init__(self, executor: ProcessPoolExecutor) -> None:
        self._executor = executor
        try:
            self.makers, self.missing = executor.submit(_describe).result()
        except BrokenProcessPool as error:
            raise DataError(
                "the scoring processes could not be started; --nj 1 shows the reason"
            ) from error

    def records(self, jobs: Sequence[Job]) -> Iterator[Record]:
        """Score utterances, in the order in which they are done.

        Raises:
            DataError: If a process dies, naming the utterances that were being scored.
        """
        futures = {self._executor.submit(_work, job): job for job in jobs}
        done: set[str] = set()
        try:
            for future in as_completed(futures):
                record = future.result()
                done.add(record.utt_id)
                yield record
        except BrokenProcessPool as error:
            left = [job.utt_id for job in jobs if job.utt_id not in done]
            raise DataError(
                f"a scoring process died (out of memory?) near {', '.join(left[:_SHOWN])}; what is "
                f"done is kept: rerun, with --nj 1 to see which utterance it is"
            ) from error


@contextmanager
def workers(options: RunOptions) -> Iterator[Worker | Pool]:
    """What scores utterances: this process, or several others.

    Raises:
        CodecSSLError: What setting up the metrics raises.
    """
    if options.nj == 1:
        yield Worker(options)
        return
    # Not forked: torch's and onnxruntime's threads do not survive that.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(options.nj, context, _start, (options,))
    with executor:
        try:
            yield Pool(executor)
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise
