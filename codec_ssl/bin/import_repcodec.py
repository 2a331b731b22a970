"""Make a tokenizer folder of a checkpoint of the official RepCodec release.

    python -m codec_ssl.bin.import_repcodec --checkpoint hubert_base_l9.pkl --out exp/repcodec \
        --encoder hubert_base --layer 9

With ``--encoder`` and ``--layer`` (and ``--store`` for codes) the tokenizer remembers the encoder
whose features it takes, as ``extract_labels`` wants; without them it can be used from Python only.
"""

import argparse
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.bin.encoder_options import given_layer
from codec_ssl.errors import ConfigError
from codec_ssl.features.base import Origin, origin_of
from codec_ssl.features.factory import make_encoder
from codec_ssl.tokenizers.repcodec_import import import_repcodec
from codec_ssl.tokens.store import TokenStore


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--checkpoint", type=Path, required=True, help="the file, such as hubert_base_l9.pkl")
    add("--out", type=Path, required=True, help="folder of the tokenizer")
    add("--encoder", "--exp", dest="encoder", help="the encoder, as other commands take it")
    add("--layer", type=int, help="layer of the encoder, 1-based")
    add("--layer_weights", help="in place of a layer: of all layers, a list or a file")
    add("--store", type=Path, help="any token store of the codes, for encoders of codes")
    add("--device", default="cpu")
    return parser


def main() -> None:
    """Parse, read, save."""
    args = get_parser().parse_args()
    tokenizer = import_repcodec(args.checkpoint)
    tokenizer.origin = get_origin(args, tokenizer.options.width)
    tokenizer.save(args.out)


def get_origin(args: argparse.Namespace, width: int) -> Origin | None:
    """The features that the command line names.

    Raises:
        ConfigError: If it names them half, or they have another width.
    """
    if args.encoder is None:
        if args.layer is not None or args.layer_weights or args.store:
            raise ConfigError("--layer and --store: expected --encoder beside them, found none")
        return None
    layer = given_layer(args)
    store = TokenStore(args.store) if args.store else None
    encoder = make_encoder(args.encoder, store, args.device, layer_weights=args.layer_weights)
    encoder.check_layers([layer])
    if encoder.width != width:
        raise ConfigError(
            f"{args.checkpoint}: expected features of width {width}, found {encoder.width} in"
            f" encoder {encoder.name}"
        )
    return origin_of(encoder, layer)


if __name__ == "__main__":
    cli.run(main)
