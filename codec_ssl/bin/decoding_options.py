"""Options and end of the commands that transcribe: where hypotheses go, in how many jobs."""

import argparse
from pathlib import Path

from codec_ssl.asr.hypotheses import PART_UTTERANCES, decode_set
from codec_ssl.asr.recognizer import Experiment
from codec_ssl.asr.speech import Speech
from codec_ssl.bin import cli
from codec_ssl.bin.encoder_options import add_job_options


def add_decoding_options(parser: argparse.ArgumentParser, trained_by: str) -> None:
    """Add what ``decode_job`` reads, the experiment and the device."""
    add = parser.add_argument
    add("--exp", type=Path, required=True, help=f"experiment of {trained_by}")
    add("--checkpoint", default="best", help="best, latest or an epoch number")
    add("--out", type=Path, required=True, help="folder of the hypotheses")
    add("--part_utterances", type=int, default=PART_UTTERANCES, help="what a kill may cost")
    add("--device", default="cpu")
    add_job_options(parser)
    add("--finalize", type=cli.str2bool, default=False, help="put the parts together")


def decode_job(args: argparse.Namespace, experiment: Experiment, speech: Speech) -> None:
    """Transcribe the parts of this job, and put all together where that was asked for."""
    folder = decode_set(
        experiment,
        speech,
        args.out,
        job=args.job,
        num_jobs=args.num_jobs,
        part_utterances=args.part_utterances,
    )
    if args.finalize:
        folder.finalize()
