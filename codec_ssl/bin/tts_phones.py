"""Measure phones for speech synthesis: frames, pitch and energy, in one pass over the audio.

    python -m codec_ssl.bin.tts_phones --data_dir data/train --frames dump/codes/train \
        --out dump/phones/train --finalize true

The data dir needs alignments in ``phones.ctm``. ``--frames`` are the codes to be predicted, or the
spectra of tts_mel. Killed jobs go on at their first missing part.
"""

import argparse
from pathlib import Path

from codec_ssl.bin import cli
from codec_ssl.bin.encoder_options import add_job_options
from codec_ssl.data.data_dir import DataDir
from codec_ssl.tts.extract_phones import MAX_BAD_RATE, PART_UTTERANCES, PhoneExtractor
from codec_ssl.tts.frames import open_frames
from codec_ssl.tts.prosody import METHODS, PitchOptions


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    defaults = PitchOptions()
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--data_dir", type=Path, required=True, help="audio, phones.ctm, utt2spk, utt2lang")
    add("--frames", type=Path, required=True, help="token store, or cache of tts_mel")
    add("--out", type=Path, required=True, help="phone store to write")
    add("--pitch", choices=METHODS, default=defaults.method, help="how pitch is found")
    add("--f0_min", type=float, default=defaults.f0_min, help="Hz")
    add("--f0_max", type=float, default=defaults.f0_max, help="Hz")
    add("--max_bad_rate", type=float, default=MAX_BAD_RATE, help="unusable utterances allowed")
    add("--part_utterances", type=int, default=PART_UTTERANCES, help="what a kill may cost")
    add_job_options(parser)
    add("--finalize", type=cli.str2bool, default=False, help="put the parts together")
    return parser


def main() -> None:
    """Parse, write this job's parts, put them together."""
    args = get_parser().parse_args()
    extractor = PhoneExtractor(
        DataDir(args.data_dir),
        open_frames(args.frames),
        args.out,
        PitchOptions(args.pitch, args.f0_min, args.f0_max),
        part_utterances=args.part_utterances,
        max_bad_rate=args.max_bad_rate,
    )
    if extractor.is_finished():
        return
    extractor.run(args.job, args.num_jobs)
    if args.finalize:
        extractor.finalize()


if __name__ == "__main__":
    cli.run(main)
