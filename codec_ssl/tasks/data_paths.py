"""Which data a training was given, by name."""

import argparse
from collections.abc import Mapping

from codec_ssl.errors import ConfigError


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
