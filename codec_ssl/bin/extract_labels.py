"""Write the tokens of every frame of a token store, by any tokenizer, as a label store."""

import argparse
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.bin.encoder_options import (
    add_encoder_options,
    add_job_options,
    open_material,
)
from codec_ssl.errors import ConfigError
from codec_ssl.tokenizers.labels import extract_labels
from codec_ssl.tokenizers.registry import load_tokenizer


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--tokenizer",
        "--kmeans",
        type=Path,
        required=True,
        help="folder of a tokenizer: from fit_kmeans, train_tokenizer or import_repcodec",
    )
    add_encoder_options(parser)
    parser.add_argument("--out", type=Path, required=True, help="label store to write")
    parser.add_argument("--name", help="of the tokens, in tables; default: the tokenizer's kind")
    add_job_options(parser)
    parser.add_argument("--finalize", type=cli.str2bool, default=False, help="close the store")
    return parser


def main() -> None:
    """Parse, check the layer, extract."""
    args = get_parser().parse_args()
    tokenizer = load_tokenizer(args.tokenizer)
    fitted = None if tokenizer.origin is None else tokenizer.origin.layer
    if args.layer is not None and args.layer_weights is None and args.layer != fitted:
        raise ConfigError(
            f"{args.tokenizer} was fitted on layer {fitted}, found --layer {args.layer}",
            stage="labels",
        )
    material = open_material(args)
    extract_labels(
        tokenizer,
        material.encoder,
        material.utterances,
        args.out,
        job=args.job,
        num_jobs=args.num_jobs,
        finalize=args.finalize,
        name=args.name,
        data_dir=material.data_dir,
        batch_frames=args.batch_frames,
    )


if __name__ == "__main__":
    cli.run(main)
