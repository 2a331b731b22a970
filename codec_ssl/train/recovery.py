"""Checkpoints that survive a kill: keep the previous one, and mend the directory before a resume.

ESPnet writes ``checkpoint.pth`` in place, so a job killed at the wrong moment has none. Here the
last good one is renamed to ``checkpoint.prev.pth`` before a new one is written, and a new one
counts only after it has been read back. At most the epoch that was being saved is lost.
"""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codec_ssl.errors import CheckpointError
from codec_ssl.train.checkpoint import is_whole, read, relink, save_whole, sync

_logger = logging.getLogger(__name__)
_EPOCH_FILE = re.compile(r"(\d+)epoch\.pth")
Criteria = Sequence[Sequence[str]]


class CheckpointKeeper:
    """The checkpoint files of one experiment directory.

    Args:
        output_dir: The directory.
        criteria: ESPnet's ``best_model_criterion``: phase, statistic, ``min`` or ``max``.
    """

    def __init__(self, output_dir: str | Path, criteria: Criteria) -> None:
        self.folder = Path(output_dir)
        self.criteria = criteria
        self.current = self.folder / "checkpoint.pth"
        self.previous = self.folder / "checkpoint.prev.pth"

    def exists(self) -> bool:
        """Whether there is anything to resume from."""
        return self.current.exists() or self.previous.exists()

    def rotate(self) -> None:
        """Keep the last checkpoint under its other name, because a new one is about to come."""
        if self.current.exists():
            os.replace(self.current, self.previous)
            sync(self.folder)

    def confirm(self, epoch: int) -> None:
        """Bring what was written for an epoch to the disk, and read it back.

        Raises:
            CheckpointError: A file is not whole: the disk is full or failing.
        """
        for path in (self.current, self.weights(epoch)):
            if not path.exists() or not is_whole(path):
                raise CheckpointError(
                    f"{path} of epoch {epoch} isn't whole after it was written (is the disk "
                    f"full?); {self.previous.name} is kept: make room and run the same command"
                )
            sync(path)
        sync(self.folder)

    def set_aside(self) -> None:
        """Put away the checkpoints of an earlier run that a new one is going to replace."""
        self.previous.unlink(missing_ok=True)
        if self.current.exists():
            aside = self.folder / "checkpoint.replaced.pth"
            _logger.warning("--resume false: starting anew; the old checkpoint is %s", aside)
            os.replace(self.current, aside)

    def repair(self) -> int:
        """Make the directory consistent again after whatever happened to it.

        Falls back to the previous checkpoint where the last one is damaged, makes the weights of
        its epoch again where they are damaged, removes newer ones, and mends links.

        Returns:
            The epoch to resume after; 0 to start from nothing.

        Raises:
            CheckpointError: No checkpoint is whole, although some training was done.
        """
        if not self.folder.is_dir():
            return 0
        for path in self.folder.glob(".*.pth.tmp"):
            path.unlink()
        if not self._choose():
            return 0
        checkpoint = read(self.current, mapped=True)
        epoch = checkpoint["reporter"]["epoch"]
        self._remove_newer(epoch)
        self._mend_weights(epoch, checkpoint["model"])
        self._mend_links(epoch, checkpoint["reporter"]["stats"])
        _logger.info("%s: resuming after epoch %d", self.folder, epoch)
        return epoch

    def weights(self, epoch: int) -> Path:
        """File with the weights of an epoch."""
        return self.folder / f"{epoch}epoch.pth"

    def _choose(self) -> bool:
        """Put a whole checkpoint in place of ``checkpoint.pth``; False if there never was one."""
        if self.current.exists() and is_whole(self.current):
            return True
        found = "missing"
        if self.current.exists():
            found = f"damaged ({self.current.stat().st_size} bytes)"
        if self.previous.exists() and is_whole(self.previous):
            epoch = read(self.previous, mapped=True)["reporter"]["epoch"]
            _logger.warning(
                "%s is %s: falling back to %s of epoch %d; epoch %d is lost and is trained again",
                self.current,
                found,
                self.previous.name,
                epoch,
                epoch + 1,
            )
            os.replace(self.previous, self.current)
            return True
        if self.previous.exists() or any(is_whole(path) for path in self._epochs().values()):
            raise CheckpointError(
                f"{self.current} is {found} and {self.previous.name} is no whole checkpoint "
                "either: delete the directory to start anew, or start another one with "
                "--init_param and the last whole epoch"
            )
        if self.current.exists():
            _logger.warning(
                "%s is %s and there is no other: the first epoch is lost, starting anew",
                self.current,
                found,
            )
            self.current.unlink()
        return False

    def _epochs(self) -> dict[int, Path]:
        matches = [(_EPOCH_FILE.fullmatch(path.name), path) for path in self.folder.iterdir()]
        return {int(match[1]): path for match, path in matches if match}

    def _remove_newer(self, epoch: int) -> None:
        for number, path in self._epochs().items():
            if number > epoch:
                _logger.warning("removing %s, newer than the checkpoint", path)
                path.unlink()

    def _mend_weights(self, epoch: int, model: Mapping[str, Any]) -> None:
        for path in self._epochs().values():
            if not is_whole(path):
                _logger.warning("%s is damaged: removing it", path)
                path.unlink()
        if not self.weights(epoch).exists():
            _logger.warning("making %s again from the checkpoint", self.weights(epoch))
            save_whole(dict(model), self.weights(epoch))

    def _mend_links(self, epoch: int, stats: Mapping[int, Mapping[str, Any]]) -> None:
        relink(self.folder / "latest.pth", self.weights(epoch).name)
        for phase, key, mode in self.criteria:
            link = self.folder / f"{phase}.{key}.best.pth"
            values = {
                number: stats[number][phase][key]
                for number in self._epochs()
                if key in stats.get(number, {}).get(phase, {})
            }
            if values:
                best = (min if mode == "min" else max)(sorted(values), key=values.__getitem__)
                relink(link, self.weights(best).name)
            elif link.is_symlink():
                link.unlink()
