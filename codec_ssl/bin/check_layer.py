"""See that an EnCodecMAE has a layer, before the days of training whose result will be clustered.

    python -m codec_ssl.bin.check_layer --layer 10 --exp exp/selftrain
    python -m codec_ssl.bin.check_layer --layer 10 --config conf/train_v2.yaml

With ``--config``, any other options are those of the training that it is for. Of an experiment of
another kind nothing is known before it is loaded, which whoever clusters it does.
"""

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codec_ssl.bin import cli
from codec_ssl.errors import ConfigError
from codec_ssl.features.encodecmae import is_encodecmae
from codec_ssl.ssl.encodecmae import STACK_DEFAULTS
from codec_ssl.train.checkpoint import read_config

_logger = logging.getLogger(__name__)


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--layer", type=cli.positive_int, required=True)
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--exp", type=Path, help="experiment directory")
    model.add_argument("--config", type=Path, help="config of a training")
    return parser


def main() -> None:
    """Parse and check."""
    args, of_training = get_parser().parse_known_args()
    if args.exp is not None:
        config = read_config(args.exp)
        if not is_encodecmae(config):
            _logger.info("%s: no EnCodecMAE: layer %d is not checked yet", args.exp, args.layer)
            return
    else:
        config = _training(args.config, of_training)
    stack = {**STACK_DEFAULTS, **(config.get("encoder_conf") or {})}
    # One more than the layers is the encoder's output.
    last = stack["num_layers"] + 1
    if args.layer > last:
        raise ConfigError(
            f"{args.exp or args.config}: expected a layer of 1 to {last}, found {args.layer}",
            stage="labels",
        )


def _training(config: Path, options: list[str]) -> Mapping[str, Any]:
    from codec_ssl.tasks.encodecmae import EncodecMAETask  # ESPnet: seconds

    command = ["--config", str(config), "--output_dir", "unused", *options]
    return vars(EncodecMAETask.get_parser().parse_args(command))


if __name__ == "__main__":
    cli.run(main)
