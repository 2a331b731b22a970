"""Options of the commands that train and score SUPERB's heads: encoder, data, folders."""

import argparse
from pathlib import Path
from typing import Any

from codec_ssl.evaluation.superb.measure import NUM_RESAMPLES
from codec_ssl.features.ours import config_name


def add_superb_options(parser: argparse.ArgumentParser) -> None:
    """Add those of encoder, data and trainings."""
    add_system_options(parser)
    add = parser.add_argument
    add("--layers", type=Path, help="feature caches like these, of all layers (cache_features)")
    add("--exp", type=Path, required=True, help="folder of this system's trainings")


def add_system_options(parser: argparse.ArgumentParser) -> None:
    """Add those of encoder and data."""
    add = parser.add_argument
    what = "conf/encoders name, hub id, folder, experiment directory, codec, codes or logmel"
    add("--encoder", required=True, help=what)
    add("--checkpoint", default="latest", help="latest, best or an epoch number")
    add("--untrained_seed", type=int, help="fresh weights with this seed, no checkpoint")
    what = "folder of a tokenizer fitted on it: its tokens (--codes), with embeddings that learn"
    add("--tokenizer", help=what)
    add("--datadir", type=Path, required=True, help="data dirs: <task>/[<fold>/]<set>")
    what = "token stores like these, for encoders that take codes; with --tokenizer of its tokens"
    add("--codes", type=Path, help=what)


def add_result_options(parser: argparse.ArgumentParser) -> None:
    """Add those of commands that score."""
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder of <task>/results.json")
    add("--system", required=True, help="name in tables")
    add("--role", choices=("model", "baseline"), default="model")
    add("--recipe", help="recipe's path in the repository, recorded")
    add("--config", help="training config, recorded; default: that of an experiment directory")
    add("--device", default="cpu")
    add("--num_resamples", type=int, default=NUM_RESAMPLES, help="of the intervals")


def encoder_conf(args: argparse.Namespace) -> dict[str, Any]:
    """``--encoder_conf`` of a training."""
    conf = {"name": args.encoder, "checkpoint": args.checkpoint}
    if args.untrained_seed is not None:
        conf["untrained_seed"] = args.untrained_seed
    if args.tokenizer is not None:
        conf["tokenizer"] = args.tokenizer
    return conf


def result_facts(args: argparse.Namespace) -> dict[str, Any]:
    """What a result tells of the system that was scored."""
    # Fresh weights are no experiment's, nor what a config makes.
    is_exp = args.untrained_seed is None and (Path(args.encoder) / "config.yaml").is_file()
    return {
        "system": args.system,
        "role": args.role,
        "exp": args.encoder if is_exp else None,
        "config": args.config or (config_name(args.encoder) if is_exp else None),
        "recipe": args.recipe,
        "checkpoint": args.checkpoint if is_exp else None,
        "tokenizer": args.tokenizer,
        "backend": "espnet",
    }
