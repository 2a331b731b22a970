"""Write one layer's features of all utterances to disk, for training tokenizers.

It says first how large that gets. Killed jobs go on at their first missing shard. Training works
without it too: see ``train_tokenizer --feature_encoder``.
"""

import argparse
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.bin.encoder_options import (
    add_encoder_options,
    add_job_options,
    given_layer,
    open_material,
)
from codec_ssl.features.cache_writer import DTYPES, SHARD_BYTES, write_cache


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_encoder_options(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder of the cache")
    parser.add_argument("--dtype", choices=DTYPES, default="float16")
    parser.add_argument("--shard_bytes", type=int, default=SHARD_BYTES, help="held in memory")
    add_job_options(parser)
    return parser


def main() -> None:
    """Parse and write."""
    args = get_parser().parse_args()
    material = open_material(args)
    write_cache(
        material.encoder,
        material.utterances,
        given_layer(args),
        args.out,
        dtype=args.dtype,
        shard_bytes=args.shard_bytes,
        job=args.job,
        num_jobs=args.num_jobs,
        data_dir=material.data_dir,
        batch_frames=args.batch_frames,
    )


if __name__ == "__main__":
    cli.run(main)
