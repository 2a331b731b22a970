"""Options of every command that makes features: which encoder, of which data, where."""

import argparse
from pathlib import Path

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError
from codec_ssl.features.base import SpeechEncoder
from codec_ssl.features.factory import make_encoder
from codec_ssl.features.stream import BATCH_FRAMES
from codec_ssl.tokens.store import TokenStore


def add_encoder_options(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the options that ``open_encoder`` and ``open_data_dir`` read, and ``--batch_frames``.

    Args:
        parser: Where to add them.
        required: Whether there must be an encoder.
    """
    add = parser.add_argument
    names = ("--encoder", "--exp")
    add(*names, dest="encoder", required=required, help="experiment directory, 'codec' or 'logmel'")
    add("--layer", type=int, help="of the encoder, 1-based; 0 = input to the first layer")
    add("--checkpoint", default="latest", help="latest, best or an epoch number")
    add("--store", type=Path, required=required, help="token store of the utterances")
    add("--data_dir", type=Path, help="data dir, needed by logmel")
    add("--batch_frames", type=int, default=BATCH_FRAMES, help="frames that the encoder takes")
    add("--device", default="cpu")


def add_job_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that share their shards."""
    parser.add_argument("--job", type=int, default=1, help="number of this job, from 1")
    parser.add_argument("--num_jobs", type=int, default=1, help="jobs that share the shards")


def open_encoder(args: argparse.Namespace, store: TokenStore) -> SpeechEncoder:
    """The encoder that was asked for."""
    return make_encoder(args.encoder, store, args.device, args.checkpoint)


def open_data_dir(args: argparse.Namespace) -> DataDir | None:
    """The data dir, if there is one."""
    return DataDir(args.data_dir) if args.data_dir else None


def given_layer(args: argparse.Namespace) -> int:
    """The layer that was asked for.

    Raises:
        ConfigError: If none was.
    """
    if args.layer is None:
        raise ConfigError(f"expected --layer of {args.encoder}, found none")
    return args.layer
