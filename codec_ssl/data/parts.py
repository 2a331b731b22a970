"""A folder that any number of jobs fill part by part, from a plan that all of them share.

The parts are slices of a list of utterances, so the result doesn't depend on the number of jobs,
and a killed job goes on at its first missing part.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codec_ssl.data.tables import write_atomic
from codec_ssl.errors import ConfigError, DataError


class PartFolder:
    """The plan of a folder, and which of its parts are there.

    Args:
        path: The folder; made if it isn't there.
        utt_ids: All utterances, in the order in which parts take them.
        plan: What is made, with what, and how: plain values.
        part_utterances: Utterances a part: what a killed job may have to do again.
        name: File that keeps the plan.
        suffix: Of the files of parts.
        stage: Recipe stage that fills it, for messages.

    Raises:
        DataError: If the folder was begun with another plan.
    """

    def __init__(
        self,
        path: str | Path,
        utt_ids: Sequence[str],
        plan: Mapping[str, Any],
        part_utterances: int,
        *,
        name: str,
        suffix: str,
        stage: str,
    ) -> None:
        self.path = Path(path)
        self.utt_ids = list(utt_ids)
        self._size = part_utterances
        self._suffix, self._stage = suffix, stage
        whole = {**plan, "utterances": len(self.utt_ids), "part_utterances": part_utterances}
        text = json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        self.path.mkdir(parents=True, exist_ok=True)
        there = self.path / name
        if there.exists() and there.read_text(encoding="utf-8") != text:
            raise DataError(
                f"{self.path}: expected an empty folder, or one made of the same model, data and "
                f"options, found another {name}: delete the folder, or choose another",
                stage,
            )
        write_atomic(there, text)

    @property
    def num_parts(self) -> int:
        """Parts of the plan."""
        return -(-len(self.utt_ids) // self._size)

    def file(self, part: int) -> Path:
        """File of a part."""
        return self.path / f"part-{part:05d}{self._suffix}"

    def members(self, part: int) -> list[str]:
        """Utterances of a part."""
        return self.utt_ids[part * self._size : (part + 1) * self._size]

    def pending(self, job: int = 1, num_jobs: int = 1, dealt: int = 0) -> list[int]:
        """Parts of a job that are missing.

        Args:
            job: Number of the job, from 1.
            num_jobs: Jobs that share the parts.
            dealt: Parts of other folders that the same jobs were dealt before, one after another.

        Raises:
            ConfigError: If there is no such job.
        """
        if not 1 <= job <= num_jobs:
            raise ConfigError(f"expected a job from 1 to {num_jobs}, found {job}")
        mine = range((job - 1 - dealt) % num_jobs, self.num_parts, num_jobs)
        return [part for part in mine if not self.file(part).exists()]

    def complete(self) -> list[Path]:
        """Files of all parts.

        Raises:
            DataError: A part is missing.
        """
        missing = self.pending()
        if missing:
            raise DataError(
                f"{self.path}: expected {self.num_parts} parts, found {len(missing)} missing, the "
                f"first {self.file(missing[0]).name}",
                self._stage,
            )
        return [self.file(part) for part in range(self.num_parts)]
