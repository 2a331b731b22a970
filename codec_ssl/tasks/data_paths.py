"""Which data a training was given, by name, and whether they are those it began with."""

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from codec_ssl.errors import CheckpointError, ConfigError


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
    exp_dir: str | Path, before: Mapping[str, Any], now: Mapping[str, Any], parts: Iterable[str]
) -> None:
    """Refuse to go on with other data than an experiment was started with.

    Args:
        exp_dir: The experiment, for the message.
        before: ``data_record`` of its ``config.yaml``.
        now: That of the data at hand.
        parts: What of it is compared.

    Raises:
        CheckpointError: Naming what differs.
    """
    for part in parts:
        if before.get(part) != now[part]:
            raise CheckpointError(
                f"{exp_dir}: expected the {part} data that it was trained with,"
                f" {before.get(part)}, found {now[part]}; use another --output_dir"
            )
