"""Transcribe a token store or a feature cache with a trained ASR experiment."""

import argparse
from dataclasses import fields
from pathlib import Path

from codec_ssl.asr.beam_search import SearchOptions
from codec_ssl.asr.hypotheses import PART_UTTERANCES, decode_set
from codec_ssl.asr.recognizer import BATCH_FRAMES, load_experiment
from codec_ssl.bin import cli
from codec_ssl.bin.encoder_options import add_job_options
from codec_ssl.bin.speech_options import add_speech_options, open_speech


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    search = SearchOptions()
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--exp", type=Path, required=True, help="experiment of decoder_only_asr_train")
    add("--checkpoint", default="best", help="best, latest or an epoch number")
    add_speech_options(parser)
    add("--out", type=Path, required=True, help="folder of the hypotheses")
    add("--beam", type=int, default=search.beam, help="hypotheses kept at each step; 1 is greedy")
    add("--max_ratio", type=float, default=search.max_ratio, help="most pieces a frame ...")
    add("--max_extra", type=int, default=search.max_extra, help="... and so many more")
    add("--min_ratio", type=float, default=search.min_ratio, help="least pieces a frame")
    add("--length_penalty", type=float, default=search.length_penalty, help="0: none")
    add("--batch_frames", type=int, default=BATCH_FRAMES, help="most padded frames in a batch")
    add("--part_utterances", type=int, default=PART_UTTERANCES, help="what a kill may cost")
    add("--device", default="cpu")
    add_job_options(parser)
    add("--finalize", type=cli.str2bool, default=False, help="put the parts together")
    return parser


def main() -> None:
    """Parse, decode this job's parts, put them together."""
    args = get_parser().parse_args()
    names = [each.name for each in fields(SearchOptions) if each.name != "nbest"]
    options = SearchOptions(**{name: getattr(args, name) for name in names})
    experiment = load_experiment(args.exp, args.checkpoint, args.device, options, args.batch_frames)
    folder = decode_set(
        experiment,
        open_speech(args),
        args.out,
        job=args.job,
        num_jobs=args.num_jobs,
        part_utterances=args.part_utterances,
    )
    if args.finalize:
        folder.finalize()


if __name__ == "__main__":
    cli.run(main)
