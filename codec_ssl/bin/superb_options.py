"""Options of the commands that train and score SUPERB's heads: encoder, data, folders."""

import argparse
from pathlib import Path
from typing import Any


def add_superb_options(parser: argparse.ArgumentParser) -> None:
    """Add them."""
    add = parser.add_argument
    what = "conf/encoders name, hub id, folder, experiment directory, codec or logmel"
    add("--encoder", required=True, help=what)
    add("--checkpoint", default="latest", help="latest, best or an epoch number")
    add("--untrained_seed", type=int, help="fresh weights with this seed, no checkpoint")
    add("--datadir", type=Path, required=True, help="data dirs: <task>/[<fold>/]<set>")
    add("--codes", type=Path, help="token stores like these, for encoders that take codes")
    add("--layers", type=Path, help="feature caches like these, of all layers (cache_features)")
    add("--exp", type=Path, required=True, help="folder of this system's trainings")


def encoder_conf(args: argparse.Namespace) -> dict[str, Any]:
    """``--encoder_conf`` of a training."""
    conf = {"name": args.encoder, "checkpoint": args.checkpoint}
    if args.untrained_seed is not None:
        conf["untrained_seed"] = args.untrained_seed
    return conf
