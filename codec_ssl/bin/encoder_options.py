"""Options of every command that makes features: which encoder, of which data, where."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError
from codec_ssl.features.base import SpeechEncoder
from codec_ssl.features.factory import make_encoder, open_utterances
from codec_ssl.features.stream import BATCH_FRAMES
from codec_ssl.features.utterances import Utterances
from codec_ssl.tokens.store import TokenStore


def add_encoder_options(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the options that ``open_material`` reads, and ``--batch_frames``.

    Args:
        parser: Where to add them.
        required: Whether there must be an encoder.
    """
    add = parser.add_argument
    names = ("--encoder", "--exp")
    what = "conf/encoders name, hub id, folder, experiment directory, codec or logmel"
    add(*names, dest="encoder", required=required, help=what)
    add("--layer", type=int, help="of the encoder, 1-based; 0 = input to the first layer")
    add("--layer_weights", help="in place of a layer: of all layers, a list or a file")
    add("--checkpoint", default="latest", help="latest, best or an epoch number")
    add("--store", type=Path, help="codes, for encoders of codes; others then make their frames")
    add("--data_dir", type=Path, help="data dir, for encoders of waveforms")
    add("--batch_frames", type=int, default=BATCH_FRAMES, help="frames that the encoder takes")
    add("--device", default="cpu")


def add_job_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of commands that share their shards."""
    parser.add_argument("--job", type=int, default=1, help="number of this job, from 1")
    parser.add_argument("--num_jobs", type=int, default=1, help="jobs that share the shards")


@dataclass(frozen=True)
class Material:
    """What features are made with, and of.

    Attributes:
        encoder: The encoder.
        utterances: Of the store, or of the data dir.
        data_dir: The data dir, if one was given.
    """

    encoder: SpeechEncoder
    utterances: Utterances
    data_dir: DataDir | None


def open_material(args: argparse.Namespace, encoder: SpeechEncoder | None = None) -> Material:
    """Open the encoder that was asked for, unless one is given, and its utterances."""
    store = TokenStore(args.store) if args.store else None
    data_dir = DataDir(args.data_dir) if args.data_dir else None
    if encoder is None:
        encoder = make_encoder(
            args.encoder, store, args.device, args.checkpoint, layer_weights=args.layer_weights
        )
    return Material(encoder, open_utterances(encoder, store, data_dir), data_dir)


def given_layer(args: argparse.Namespace) -> int:
    """The layer that was asked for; 0 of a sum of layers.

    Raises:
        ConfigError: If none was.
    """
    if args.layer_weights is not None:
        return 0
    if args.layer is None:
        raise ConfigError(f"expected --layer of {args.encoder}, found none")
    return args.layer
