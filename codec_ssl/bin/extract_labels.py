"""Write the cluster of every frame of a token store as a label store."""

import argparse
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError
from codec_ssl.features.factory import make_encoder
from codec_ssl.features.stream import BATCH_FRAMES
from codec_ssl.tokenizers.kmeans import KMeans
from codec_ssl.tokenizers.labels import extract_labels
from codec_ssl.tokens.store import TokenStore


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kmeans", type=Path, required=True, help="folder from fit_kmeans")
    parser.add_argument("--exp", required=True, help="experiment directory, 'codec' or 'logmel'")
    parser.add_argument("--checkpoint", default="latest", help="latest, best or an epoch number")
    parser.add_argument("--layer", type=int, help="checked against the layer of the k-means")
    parser.add_argument("--store", type=Path, required=True, help="token store to label")
    parser.add_argument("--data_dir", type=Path, help="data dir, needed by logmel")
    parser.add_argument("--out", type=Path, required=True, help="label store to write")
    parser.add_argument("--job", type=int, default=1)
    parser.add_argument("--num_jobs", type=int, default=1)
    parser.add_argument("--finalize", type=cli.str2bool, default=False, help="close the store")
    parser.add_argument("--batch_frames", type=int, default=BATCH_FRAMES)
    parser.add_argument("--device", default="cpu")
    return parser


def main() -> None:
    """Parse, check the layer, extract."""
    args = get_parser().parse_args()
    store, tokenizer = TokenStore(args.store), KMeans.load(args.kmeans)
    fitted = None if tokenizer.origin is None else tokenizer.origin.layer
    if args.layer is not None and args.layer != fitted:
        raise ConfigError(
            f"{args.kmeans} was fitted on layer {fitted}, found --layer {args.layer}",
            stage="labels",
        )
    extract_labels(
        tokenizer,
        make_encoder(args.exp, store, args.device, args.checkpoint),
        store,
        args.out,
        job=args.job,
        num_jobs=args.num_jobs,
        finalize=args.finalize,
        data_dir=DataDir(args.data_dir) if args.data_dir else None,
        batch_frames=args.batch_frames,
    )


if __name__ == "__main__":
    cli.run(main)
