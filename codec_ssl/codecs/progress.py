"""Progress of an extraction: a bar on a terminal, plain lines in a log, and how fast it goes."""

import logging
import sys
import time
from types import TracebackType
from typing import Self

from tqdm import tqdm

_SECONDS_BETWEEN_LINES = 30.0

_logger = logging.getLogger(__name__)


class Progress:
    """Counts utterances and seconds of audio; use it as a context.

    Args:
        total: Utterances to do.
        label: What is being done, for the log.
    """

    def __init__(self, total: int, label: str) -> None:
        self.num_utterances = 0
        self.audio_seconds = 0.0
        self.num_bad = 0
        self._total = total
        self._label = label
        self._start = self._last_line = time.perf_counter()
        self._bar = tqdm(total=total, desc=label, unit="utt", disable=not sys.stderr.isatty())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._bar.close()
        self._log()

    def add(self, num_utterances: int, audio_seconds: float, *, num_bad: int = 0) -> None:
        """Count what has just been done."""
        self.num_utterances += num_utterances
        self.audio_seconds += audio_seconds
        self.num_bad += num_bad
        self._bar.update(num_utterances)
        if self._bar.disable and time.perf_counter() - self._last_line > _SECONDS_BETWEEN_LINES:
            self._log()

    def _log(self) -> None:
        self._last_line = time.perf_counter()
        elapsed = self._last_line - self._start
        _logger.info(
            "%s: %d of %d utterances, %.3f h of audio in %.0f s: %.1fx real time, %d bad",
            self._label,
            self.num_utterances,
            self._total,
            self.audio_seconds / 3600,
            elapsed,
            self.audio_seconds / max(elapsed, 1e-9),
            self.num_bad,
        )
