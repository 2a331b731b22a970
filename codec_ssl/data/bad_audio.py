"""What happens to audio that cannot be used: a reason, a line in ``bad_audio.tsv``, a limit."""

from pathlib import Path
from typing import NamedTuple, Self

from codec_ssl.data.tables import numbered_lines, write_atomic
from codec_ssl.errors import DataError

REASONS = ("missing", "unreadable", "empty", "truncated", "nonfinite", "too_short", "silent")
_COLUMNS = ("utt_id", "path", "reason", "detail")


class BadAudio(DataError):
    """An audio file, or a segment of one, cannot be used.

    Args:
        path: The audio file.
        reason: One of ``REASONS``.
        detail: What was expected and what was found.
        utt_id: The utterance, where known.
    """

    def __init__(self, path: str, reason: str, detail: str, utt_id: str | None = None) -> None:
        self.path = path
        self.reason = reason
        self.detail = detail
        self.utt_id = utt_id
        who = "" if utt_id is None else f"utterance {utt_id}: "
        super().__init__(f"{who}{path}: {reason}: {detail}")

    def __reduce__(self) -> tuple[type[Self], tuple[str, str, str, str | None]]:
        # Worker processes send exceptions home by pickle, which would pass only the message.
        return type(self), (self.path, self.reason, self.detail, self.utt_id)


class BadAudioEntry(NamedTuple):
    """One line of ``bad_audio.tsv``."""

    utt_id: str
    path: str
    reason: str
    detail: str


class BadAudioLog:
    """Collects bad audio of a stage, writes it as a table, and fails above a share of it."""

    def __init__(self) -> None:
        self._entries: dict[str, BadAudioEntry] = {}
        self._written_to: Path | None = None

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> list[BadAudioEntry]:
        """The entries, sorted by utterance."""
        return sorted(self._entries.values())

    def add(self, utt_id: str, path: str, reason: str, detail: str) -> None:
        """Note one utterance; a second note for the same utterance replaces the first."""
        cells = (" ".join(cell.split()) for cell in (reason, detail))
        path = path.replace("\t", " ").replace("\n", " ").replace("\r", " ")
        self._entries[utt_id] = BadAudioEntry(utt_id, path, *cells)

    def add_error(self, utt_id: str, error: BadAudio) -> None:
        """Note the utterance that raised ``error``."""
        self.add(utt_id, error.path, error.reason, error.detail)

    def merge(self, other: "BadAudioLog") -> None:
        """Take over the entries of another job's log."""
        self._entries.update(other._entries)

    def reasons(self) -> dict[str, int]:
        """Count the entries by reason."""
        counts: dict[str, int] = {}
        for entry in self.entries:
            counts[entry.reason] = counts.get(entry.reason, 0) + 1
        return counts

    def write(self, path: str | Path) -> None:
        """Write the table atomically: a header line, then one line an utterance."""
        rows = [_COLUMNS, *self.entries]
        write_atomic(path, "".join("\t".join(row) + "\n" for row in rows))
        self._written_to = Path(path)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a table that ``write`` wrote.

        Raises:
            DataError: If the file is missing or is no such table.
        """
        log = cls()
        for number, line in numbered_lines(path):
            cells = line.split("\t")
            if len(cells) != len(_COLUMNS) or (number == 1 and tuple(cells) != _COLUMNS):
                raise DataError(f"{path}:{number}: expected columns {_COLUMNS}, found {line!r}")
            if number > 1:
                log.add(*cells)
        log._written_to = Path(path)
        return log

    def check_rate(self, num_total: int, max_bad_rate: float) -> None:
        """Fail if more than ``max_bad_rate`` of ``num_total`` utterances are bad.

        Raises:
            DataError: Above the rate; names the table, the counts by reason and an example.
        """
        if len(self) == 0 or len(self) <= max_bad_rate * num_total:
            return
        first = self.entries[0]
        counts = ", ".join(f"{count} {reason}" for reason, count in self.reasons().items())
        table = "" if self._written_to is None else f"; all are listed in {self._written_to}"
        raise DataError(
            f"bad audio: {len(self)} of {num_total} utterances ({counts}), more than "
            f"max_bad_rate {max_bad_rate:g}; first {first.utt_id}: {first.path}: {first.reason}: "
            f"{first.detail}{table}",
            stage="data",
        )
