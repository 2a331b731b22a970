"""Write features of all utterances to disk, for training tokenizers, EnCodecMAE or SUPERB's heads.

It says first how large that gets; ``--plan_only true`` says no more, and refuses if the disk has
no room for what is still missing. Killed jobs go on at their first missing shard. Training works
without it too: see ``train_tokenizer --feature_encoder``.

``--all_layers true`` in place of a layer writes all of them side by side. ``--train_config FILE
--codec SPEC`` in place of an encoder and a layer are the input features of an EnCodecMAE training:
its ``input`` and ``input_conf``, at the frames of the codec.
"""

import argparse
from pathlib import Path

import yaml

from codec_ssl.bin import cli
from codec_ssl.bin.encoder_options import (
    add_encoder_options,
    add_job_options,
    given_layer,
    open_material,
)
from codec_ssl.codecs.base import load_codec
from codec_ssl.errors import ConfigError
from codec_ssl.features.base import WaveEncoder
from codec_ssl.features.cache_writer import DTYPES, SHARD_BYTES, plan_cache, write_cache
from codec_ssl.features.factory import make_encoder
from codec_ssl.features.mae_input import LATENT, make_input, on_grid
from codec_ssl.features.stack import LayerStack
from codec_ssl.tokens.store import TokenStore


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_encoder_options(parser, required=False)
    add = parser.add_argument
    add("--all_layers", type=cli.str2bool, default=False, help="all of them side by side")
    add("--untrained_seed", type=int, help="fresh weights with this seed, no checkpoint")
    add("--train_config", type=Path, help="of an EnCodecMAE: its input, with --codec")
    add("--codec", help="whose latents, or at whose frames; with --train_config")
    add("--out", type=Path, required=True, help="folder of the cache")
    add("--dtype", choices=DTYPES, default="float16")
    add("--shard_bytes", type=int, default=SHARD_BYTES, help="held in memory")
    add("--plan_only", type=cli.str2bool, default=False, help="say how large it gets, and end")
    add_job_options(parser)
    return parser


def main() -> None:
    """Parse and write."""
    args = get_parser().parse_args()
    encoder = _input_of_training(args)
    if args.all_layers:
        encoder = _all_layers(args, encoder)
    elif args.untrained_seed is not None:
        raise ConfigError("--untrained_seed goes with --all_layers true")
    layer = given_layer(args) if encoder is None else 0
    material = open_material(args, encoder)
    shape = {"dtype": args.dtype, "shard_bytes": args.shard_bytes}
    if args.plan_only:
        plan_cache(material.encoder, material.utterances, layer, args.out, **shape)
        return
    write_cache(
        material.encoder,
        material.utterances,
        layer,
        args.out,
        **shape,
        job=args.job,
        num_jobs=args.num_jobs,
        data_dir=material.data_dir,
        batch_frames=args.batch_frames,
    )


def _all_layers(args: argparse.Namespace, other: WaveEncoder | None) -> LayerStack:
    """All layers of the encoder, as one of width L * D.

    Raises:
        ConfigError: One layer, a sum of layers or a training's input was asked for as well.
    """
    if other is not None or args.layer is not None or args.layer_weights is not None:
        raise ConfigError("--all_layers: leave --layer, --layer_weights and --train_config out")
    store = TokenStore(args.store) if args.store else None
    return LayerStack(
        make_encoder(args.encoder, store, args.device, args.checkpoint, args.untrained_seed)
    )


def _input_of_training(args: argparse.Namespace) -> WaveEncoder | None:
    """What ``--train_config`` and ``--codec`` ask for.

    Raises:
        ConfigError: One of them is missing or too many, or the config cannot be read.
    """
    if (args.encoder is None) != (args.train_config is not None):
        raise ConfigError("expected either --encoder or --train_config, found both or none")
    if (args.train_config is None) != (args.codec is None):
        raise ConfigError("--train_config and --codec go together: found one of them")
    if args.train_config is None:
        return None
    if args.layer is not None or args.layer_weights is not None:
        raise ConfigError("--train_config: inputs have no layers: leave --layer out")
    try:
        config = yaml.safe_load(args.train_config.read_text(encoding="utf-8"))
        kind, conf = config.get("input", LATENT), config.get("input_conf") or {}
    except (OSError, yaml.YAMLError, AttributeError) as error:
        raise ConfigError(f"{args.train_config}: expected a training's config: {error}") from error
    codec = load_codec(args.codec, args.device)
    conf = on_grid(kind, conf, codec.sample_rate, codec.hop_length)
    return make_input(kind, conf, codec, args.device)


if __name__ == "__main__":
    cli.run(main)
