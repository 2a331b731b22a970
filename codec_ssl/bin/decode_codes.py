"""Decode a token store of a codec: WAVs and a data dir.

    python -m codec_ssl.bin.decode_codes --codec dac_16k --store dump/dac_16k/test \
        --data_dir data/test --out exp/dac_16k/decoded/test --finalize true

Jobs (``--job J --num_jobs N``) share the utterances; ``--finalize true`` decodes whatever is left
of its share and writes the data dir. A killed job goes on where it was.
"""

import argparse
from pathlib import Path

import torch

from codec_ssl.bin.cli import run
from codec_ssl.bin.codec_options import add_codec_job_options, choose_device
from codec_ssl.codecs.base import load_codec
from codec_ssl.codecs.synthesis import Synthesis
from codec_ssl.data.data_dir import DataDir
from codec_ssl.tokens.store import TokenStore


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--codec", required=True, help="the codec that made the codes, as for extract_codes")
    add("--store", required=True, type=Path, help="token store to decode")
    add("--out", required=True, type=Path, help="data dir to write, with its WAVs in wav/")
    add("--data_dir", type=Path, help="that the store was made from: lengths, texts, labels")
    add("--num_codebooks", type=int, help="decode the first so many (default: those stored)")
    add_codec_job_options(parser, finalize="write the data dir when all is decoded")
    return parser


def main() -> None:
    """Parse the command line, decode, finalize."""
    args = get_parser().parse_args()
    torch.set_num_threads(args.num_threads)
    store = TokenStore(args.store)
    synthesis = Synthesis(
        load_codec(args.codec, choose_device(args.device, args.job)),
        store,
        args.out,
        num_codebooks=args.num_codebooks,
        reference=None if args.data_dir is None else DataDir(args.data_dir),
    )
    synthesis.decode(args.job, args.num_jobs)
    if args.finalize:
        synthesis.finish()


if __name__ == "__main__":
    run(main)
