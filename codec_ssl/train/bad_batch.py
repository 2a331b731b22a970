"""Batches that gave a non-finite loss or gradient: kept for a look, and too many in a row stop."""

import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from codec_ssl.errors import TrainingError

_logger = logging.getLogger(__name__)
_SHOWN_UTTERANCES = 5
Batch = tuple[Sequence[str], Mapping[str, Tensor]]


class BadBatches:
    """Folder ``bad_batches`` of an experiment, and the count of bad steps in a row.

    A file ``epoch{e}_batch{b}_rank{r}.safetensors`` holds the batch as it went into the model;
    its metadata holds the utterance ids (JSON) and the reason.

    Args:
        folder: Where to write; made when first needed.
        max_in_row: Bad optimizer steps in a row that end the training.
        max_files: Batches written by one process; later ones are only logged.
        rank: Rank of this process.
    """

    def __init__(self, folder: Path, max_in_row: int, max_files: int = 50, rank: int = 0) -> None:
        self.folder = folder
        self.max_in_row = max_in_row
        self.max_files = max_files
        self.rank = rank
        self.in_row = 0
        self._written = 0

    def good_step(self) -> None:
        """A step went well: the count starts again."""
        self.in_row = 0

    def bad_step(self, batches: Sequence[tuple[int, Batch]], epoch: int, reason: str) -> None:
        """Keep the batches of a bad step.

        Args:
            batches: ``(number in the epoch, batch)`` of those that may have caused it.
            epoch: The epoch.
            reason: What was not finite.

        Raises:
            TrainingError: This was the last one of ``max_in_row``.
        """
        self.in_row += 1
        for number, (utt_ids, tensors) in batches:
            self._keep(f"epoch{epoch}_batch{number}_rank{self.rank}", utt_ids, tensors, reason)
        if self.in_row >= self.max_in_row:
            utt_ids = batches[-1][1][0]
            raise TrainingError(
                f"{self.in_row} bad steps in a row, the last in epoch {epoch}: {reason}; the "
                f"batches are in {self.folder} (last one: {_shorten(utt_ids)}); look at them, or "
                "lower the learning rate, then run the same command: it resumes after the last "
                "whole epoch"
            )

    def _keep(
        self, stem: str, utt_ids: Sequence[str], tensors: Mapping[str, Tensor], reason: str
    ) -> None:
        path = self.folder / f"{stem}.safetensors"
        _logger.warning("%s: utterances %s; %s", reason, _shorten(utt_ids), path)
        if self._written >= self.max_files:
            return
        self._written += 1
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {
            key: value.detach().cpu().contiguous()
            for key, value in tensors.items()
            if isinstance(value, Tensor)
        }
        save_file(content, path, metadata={"utt_ids": json.dumps(list(utt_ids)), "reason": reason})


def is_finite_batch(tensors: Mapping[str, Tensor]) -> bool:
    """Whether all floating-point tensors of a batch are finite."""
    floats = [v for v in tensors.values() if isinstance(v, Tensor) and v.is_floating_point()]
    return all(bool(torch.isfinite(value).all()) for value in floats)


def _shorten(utt_ids: Sequence[str]) -> str:
    more = len(utt_ids) - _SHOWN_UTTERANCES
    return ", ".join(utt_ids[:_SHOWN_UTTERANCES]) + (f", and {more} more" if more > 0 else "")
