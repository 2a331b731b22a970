"""Transcribe a token store or a feature cache with a trained ASR experiment."""

import argparse
from dataclasses import fields

from codec_ssl.asr.beam_search import SearchOptions
from codec_ssl.asr.recognizer import BATCH_FRAMES, load_experiment
from codec_ssl.bin import cli
from codec_ssl.bin.decoding_options import add_decoding_options, decode_job
from codec_ssl.bin.speech_options import add_speech_options, open_speech


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    search = SearchOptions()
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add_decoding_options(parser, "decoder_only_asr_train")
    add_speech_options(parser)
    add("--beam", type=int, default=search.beam, help="hypotheses kept at each step; 1 is greedy")
    add("--max_ratio", type=float, default=search.max_ratio, help="most pieces a frame ...")
    add("--max_extra", type=int, default=search.max_extra, help="... and so many more")
    add("--min_ratio", type=float, default=search.min_ratio, help="least pieces a frame")
    add("--length_penalty", type=float, default=search.length_penalty, help="0: none")
    add("--batch_frames", type=int, default=BATCH_FRAMES, help="most padded frames in a batch")
    return parser


def main() -> None:
    """Parse, decode this job's parts, put them together."""
    args = get_parser().parse_args()
    names = [each.name for each in fields(SearchOptions) if each.name != "nbest"]
    options = SearchOptions(**{name: getattr(args, name) for name in names})
    experiment = load_experiment(args.exp, args.checkpoint, args.device, options, args.batch_frames)
    decode_job(args, experiment, open_speech(args))


if __name__ == "__main__":
    cli.run(main)
