"""Write the F0 codes of a set, by a trained quantizer, as a token store."""

import argparse
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.bin.encoder_options import add_job_options
from codec_ssl.data.data_dir import DataDir
from codec_ssl.vocoder.f0_codes import load_f0_quantizer, write_f0_codes


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--exp", type=Path, required=True, help="experiment directory of f0_quantizer_train")
    add("--checkpoint", default="best", help="best, latest or an epoch number")
    add("--contours", type=Path, required=True, help="what f0_contours made of the set")
    add("--data_dir", type=Path, required=True, help="the set's speakers")
    add("--out", type=Path, required=True, help="token store to write")
    add("--device", default="cpu")
    add_job_options(parser)
    add("--finalize", type=cli.str2bool, default=False, help="close the store")
    return parser


def main() -> None:
    """Parse, load, write this job's shards."""
    args = get_parser().parse_args()
    write_f0_codes(
        load_f0_quantizer(args.exp, args.checkpoint, args.device),
        args.contours,
        DataDir(args.data_dir).utt2spk,
        args.out,
        job=args.job,
        num_jobs=args.num_jobs,
        finalize=args.finalize,
    )


if __name__ == "__main__":
    cli.run(main)
