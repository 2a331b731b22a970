"""Options of the commands of HEAR: which encoder, how sounds become embeddings, which tasks."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from codec_ssl.bin.named_paths import named_paths
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError
from codec_ssl.evaluation.hear.embedder import CHUNK_SECONDS, POOLINGS, Embedder
from codec_ssl.evaluation.hear.tasks import find_sets, splits_of, task_names
from codec_ssl.features.waves import make_wave_encoder


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that ``open_embedder`` and ``open_sets`` read, and ``--cache``."""
    add = parser.add_argument
    what = "experiment directory, logmel, latent:CODEC, conf/encoders name, hub id or folder"
    add("--encoder", "--exp", dest="encoder", required=True, help=what)
    add("--layer", type=int, help="of the encoder, 0 = input to the first layer; default: the last")
    add("--layer_weights", help="in place of a layer: of all layers, a list or a file")
    add("--codec", help="codec before an encoder of codes; gives log-mel its rates")
    add("--checkpoint", default="latest", help="latest, best or an epoch number")
    add("--untrained_seed", type=int, help="fresh weights with this seed, no checkpoint")
    add("--pooling", choices=POOLINGS, default="mean", help="over time")
    add("--chunk_seconds", type=float, default=CHUNK_SECONDS, help="longest piece of a sound")
    add("--task", required=True, help=f"{', '.join(task_names())}, a YAML file, or label=NAME")
    add(
        "--data_dirs",
        required=True,
        help="folder with train, valid and test or with fold00, fold01, …; or name=DIR,name=DIR,…",
    )
    add("--cache", type=Path, required=True, help="folder of embeddings, shared by all tasks")
    add("--device", default="cpu")


def open_embedder(args: argparse.Namespace) -> Embedder:
    """Load the encoder that was asked for."""
    encoder = make_wave_encoder(
        args.encoder,
        args.device,
        codec=args.codec,
        checkpoint=args.checkpoint,
        untrained_seed=args.untrained_seed,
        layer_weights=args.layer_weights,
    )
    return Embedder(encoder, args.layer, pooling=args.pooling, chunk_seconds=args.chunk_seconds)


def open_sets(given: str) -> Mapping[str, DataDir]:
    """Data dirs of a task, by name.

    Raises:
        ConfigError: If they are not those of a task.
        DataError: If one is not there.
    """
    if Path(given).is_dir():
        return find_sets(given)
    if "=" not in given:
        raise ConfigError(
            f"--data_dirs: expected a folder or name=DIR,…, found {given!r}; data are made of the"
            " corpora that are given",
            stage="data",
        )
    sets = {name: DataDir(path) for name, path in named_paths("--data_dirs", given).items()}
    splits_of(list(sets))
    return sets
