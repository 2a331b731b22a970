"""Make a tokenizer folder of a checkpoint of the official RepCodec release.

    python -m codec_ssl.bin.import_repcodec --checkpoint hubert_base_l9.pkl --out exp/repcodec \
        --exp ENCODER --layer 9 --store dump/codes/train

With ``--exp``, ``--layer`` and ``--store`` the tokenizer remembers the encoder whose features it
takes, as ``extract_labels`` wants; without them it can be used from Python only.
"""

import argparse
from pathlib import Path

from codec_ssl.bin import cli
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
    add("--exp", help="the encoder: experiment directory, or a name")
    add("--layer", type=int, help="layer of the encoder, 1-based")
    add("--store", type=Path, help="any token store of the encoder's codes or waveforms")
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
    given = [args.exp, args.layer, args.store]
    if all(value is None for value in given):
        return None
    if any(value is None for value in given):
        raise ConfigError("expected all of --exp, --layer and --store, or none of them")
    encoder = make_encoder(args.exp, TokenStore(args.store), args.device)
    encoder.check_layers([args.layer])
    if encoder.width != width:
        raise ConfigError(
            f"{args.checkpoint}: expected features of width {width}, found {encoder.width} in"
            f" encoder {encoder.name}"
        )
    return origin_of(encoder, args.layer)


if __name__ == "__main__":
    cli.run(main)
