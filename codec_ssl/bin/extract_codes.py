"""Code a data dir with a codec into a token store.

    python -m codec_ssl.bin.extract_codes --codec dac_16k --data_dir data/train \
        --store dump/dac_16k/train --job 1 --num_jobs 4
    python -m codec_ssl.bin.extract_codes --codec dac_16k --data_dir data/train \
        --store dump/dac_16k/train --finalize true

Each job codes the shards that are still missing; ``--finalize true`` codes whatever is left and
finishes the store. A killed job goes on where it was.
"""

import argparse
from pathlib import Path

import torch

from codec_ssl.bin.cli import run
from codec_ssl.bin.codec_options import add_codec_job_options, choose_device
from codec_ssl.codecs.base import PRECISIONS, load_codec
from codec_ssl.codecs.extract import ExtractOptions, extract_codes, finalize_codes
from codec_ssl.data.data_dir import DataDir

# Beside a GPU's memory and speed; on a CPU utterances are fastest one at a time.
_GPU_BATCH_SECONDS = 240.0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    defaults = ExtractOptions()
    add = parser.add_argument
    add("--codec", required=True, help="name in conf/codecs, YAML, checkpoint or ESPnet exp dir")
    add("--data_dir", required=True, type=Path, help="data dir with wav.scp")
    add("--store", required=True, type=Path, help="token store to write")
    add_codec_job_options(parser, finalize="finish the store")
    add("--precision", choices=PRECISIONS, help="default: the codec's, fp32 for all of ours")
    add("--batch_seconds", type=float, help="audio a batch; default 0 on a CPU, 240 on a GPU")
    add("--chunk_seconds", type=float, default=defaults.chunk_seconds, help="longer is streamed")
    add("--num_workers", type=int, default=defaults.num_workers, help="threads that read audio")
    add("--shard_utterances", type=int, default=defaults.shard_utterances)
    add("--max_bad_rate", type=float, default=defaults.max_bad_rate)
    return parser


def main() -> None:
    """Parse the command line, extract, finalize."""
    args = _parser().parse_args()
    torch.set_num_threads(args.num_threads)
    device = choose_device(args.device, args.job)
    batch_seconds = args.batch_seconds
    if batch_seconds is None:
        batch_seconds = _GPU_BATCH_SECONDS if device.type == "cuda" else 0.0
    options = ExtractOptions(
        batch_seconds=batch_seconds,
        chunk_seconds=args.chunk_seconds,
        num_workers=args.num_workers,
        shard_utterances=args.shard_utterances,
        max_bad_rate=args.max_bad_rate,
    )
    data_dir = DataDir(args.data_dir)
    codec = load_codec(args.codec, device, precision=args.precision)
    extract_codes(
        codec, data_dir, args.store, job=args.job, num_jobs=args.num_jobs, options=options
    )
    if args.finalize:
        finalize_codes(codec, data_dir, args.store, options=options)


if __name__ == "__main__":
    run(main)
