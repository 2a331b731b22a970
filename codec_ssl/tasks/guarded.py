"""What our tasks share: defaults, log level, and errors of spawned processes that stay readable."""

import argparse
import logging
import re
from collections.abc import Sequence
from typing import Any

from espnet2.tasks.abs_task import scheduler_classes
from torch.multiprocessing.spawn import ProcessRaisedException

from codec_ssl import errors
from codec_ssl.errors import ConfigError
from codec_ssl.train import schedulers

schedulers.register(scheduler_classes)

_OWN_ERROR = re.compile(r"codec_ssl\.errors\.(\w+): (.*)", re.DOTALL)
_DEFAULTS = {
    "resume": True,
    "num_att_plot": 0,
    "use_matplotlib": False,
    "keep_nbest_models": [1],
}


class GuardedTask:
    """Mixin for ESPnet's tasks; to be named before the task among the bases."""

    @classmethod
    def get_parser(cls) -> argparse.ArgumentParser:
        """ESPnet's options; resuming is on, plots of attention and of every statistic are off."""
        parser = super().get_parser()
        parser.set_defaults(**_DEFAULTS)
        return parser

    @classmethod
    def main(cls, args: argparse.Namespace | None = None, cmd: Sequence[str] | None = None) -> None:
        """Train as the command line says.

        Raises:
            CodecSSLError: Something that the user can mend, also if it happened on another rank.
        """
        try:
            super().main(args=args, cmd=cmd)
        except ProcessRaisedException as error:
            raise _own_error(error) from error

    @classmethod
    def main_worker(cls, args: argparse.Namespace) -> None:
        """Train in this process, one of several perhaps."""
        rank = args.dist_rank or 0
        logging.getLogger().setLevel(args.log_level if rank == 0 else "ERROR")
        cls.check_options(args)
        super().main_worker(args)

    @classmethod
    def check_options(cls, args: argparse.Namespace) -> None:
        """Refuse options of ESPnet that do not apply.

        Raises:
            ConfigError: Naming the option.
        """
        refused: dict[str, Any] = {"collect_stats": False, "num_att_plot": 0}
        for option, allowed in refused.items():
            if getattr(args, option) != allowed:
                raise ConfigError(
                    f"--{option} {getattr(args, option)} has no use in {cls.__name__}"
                )


def _own_error(error: ProcessRaisedException) -> Exception:
    """The error of ours that a spawned process ended with, else what torch made of it."""
    match = _OWN_ERROR.search(str(error))
    if match is None:
        return error
    return getattr(errors, match[1])(match[2].strip())
