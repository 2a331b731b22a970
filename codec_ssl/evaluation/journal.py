"""Records that are kept as they come, so that a killed run goes on where it was.

The first line says how the scores are made; what was kept under other settings, or of audio that
has changed since, is not taken.
"""

import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from codec_ssl.evaluation.scores import Record

_logger = logging.getLogger(__name__)


class Journal:
    """A file of records, one a line; use it as a context.

    Args:
        path: The file.
        settings: All that scores depend on but the audio, as JSON can hold it.
    """

    def __init__(self, path: str | Path, settings: Mapping[str, Any]) -> None:
        self._path = Path(path)
        self._header = json.dumps({"settings": settings}, sort_keys=True, ensure_ascii=False)
        self.records: dict[str, Record] = {}

    def __enter__(self) -> Self:
        self.records = self._read()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Written anew: the last line may have been cut off.
        temporary = self._path.with_name(f".{self._path.name}.tmp")
        lines = [self._header, *(record.to_json() for record in self.records.values())]
        temporary.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        os.replace(temporary, self._path)
        self._file = self._path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, record: Record) -> None:
        """Keep one record."""
        self.records[record.utt_id] = record
        self._file.write(record.to_json() + "\n")
        self._file.flush()

    def _read(self) -> dict[str, Record]:
        if not self._path.is_file():
            return {}
        header, *lines = self._path.read_text(encoding="utf-8").split("\n")
        if header != self._header:
            _logger.warning("%s: made with other settings or packages: scored anew", self._path)
            return {}
        records = {}
        for line in filter(None, lines):
            try:
                record = Record.from_json(line)
            except (ValueError, TypeError, KeyError, AttributeError):
                _logger.warning("%s: a line was cut off: that utterance is scored anew", self._path)
                continue
            records[record.utt_id] = record
        return records
