"""Which data a training was given, by name, and whether they are those it began with."""

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from textwrap import shorten
from typing import Any

from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.train.checkpoint import read_config

_SHOWN = 300


def data_paths(args: argparse.Namespace, split: str, types: Mapping[str, str]) -> dict[str, str]:
    """Paths of ``--<split>_data_path_and_name_and_type``, by name.

    Args:
        args: ESPnet's options.
        split: ``train`` or ``valid``.
        types: The type of each name that there may be.

    Raises:
        ConfigError: There is another name, or another type of one.
    """
    entries = getattr(args, f"{split}_data_path_and_name_and_type")
    for path, name, kind in entries:
        if types.get(name) != kind:
            raise ConfigError(
                f"{split} data {path},{name},{kind}: expected one of"
                f" {[f'PATH,{n},{k}' for n, k in types.items()]}"
            )
    return {name: path for path, name, _ in entries}


def check_same_data(
    exp_dir: str | Path, record: Mapping[str, Any], parts: Iterable[str] | None = None
) -> None:
    """Refuse to go on with other data than an experiment was started with.

    Args:
        exp_dir: The experiment, whose ``config.yaml`` tells in ``data_record``.
        record: The same of the data at hand.
        parts: What of it is compared; None: all.

    Raises:
        CheckpointError: Naming the first that differs.
    """
    before = read_config(exp_dir).get("data_record") or {}
    for part in record if parts is None else parts:
        if before.get(part) != record[part]:
            # What is kept of many utterances or speakers fills pages.
            then, now = (shorten(str(each.get(part)), _SHOWN) for each in (before, record))
            raise CheckpointError(
                f"{exp_dir}: expected the {part} data that it was trained with, {then}, found"
                f" {now}; use another --output_dir"
            )
