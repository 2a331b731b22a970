"""Transcribe a token store or the audio of a data dir with an experiment of codec_asr_train."""

import argparse
import logging
from dataclasses import fields
from pathlib import Path

from codec_ssl.asr.hypotheses import read_timing
from codec_ssl.asr.speech import Speech, seconds_of
from codec_ssl.bin import cli
from codec_ssl.bin.decoding_options import add_decoding_options, decode_job
from codec_ssl.data.waveforms import Waveforms
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.tokens.store import TokenStore


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add_decoding_options(parser, "codec_asr_train")
    add("--store", type=Path, help="token store of the speech")
    add("--data_dir", type=Path, help="data dir of the speech, in place of a store")
    add("--sample_rate", type=int, default=16000, help="at which audio is read")
    add("--search", default="auto", choices=("auto", "greedy", "beam"))
    add("--beam", type=int, default=10, help="hypotheses kept; a transducer with 1 is greedy")
    add("--ctc_weight", type=float, default=0.3, help="of CTC beside attention")
    add("--penalty", type=float, default=0.0, help="added for each token")
    add("--max_ratio", type=float, default=0.0, help="most tokens a frame with attention; 0: all")
    add("--batch_seconds", type=float, default=120.0, help="most padded speech in a batch")
    add("--max_seconds", type=float, help="refuse longer utterances; default: none is too long")
    return parser


def main() -> None:
    """Parse, decode this job's parts, put them together."""
    args = get_parser().parse_args()
    # Importing ESPnet takes seconds that --help should not.
    from codec_ssl.tasks.codec_asr_decode import EncoderSearch, load_encoder_experiment

    speech = open_speech(args)
    options = EncoderSearch(
        **{each.name: getattr(args, each.name) for each in fields(EncoderSearch)}
    )
    experiment = load_encoder_experiment(
        args.exp,
        speech.frame_rate,
        checkpoint=args.checkpoint,
        device=args.device,
        options=options,
        batch_seconds=args.batch_seconds,
    )
    decode_job(args, experiment, speech)
    if args.finalize:
        timing = read_timing(args.out)
        factor = timing["decoding_seconds"] / timing["speech_seconds"]
        logging.info("%s: real-time factor %.4f", args.out, factor)


def open_speech(args: argparse.Namespace) -> Speech:
    """The store, or the audio.

    Raises:
        ConfigError: Not exactly one was named.
        DataError: An utterance is longer than the limit.
    """
    if (args.store is None) == (args.data_dir is None):
        raise ConfigError("expected either --store or --data_dir")
    speech = TokenStore(args.store) if args.store else Waveforms(args.data_dir, args.sample_rate)
    limit = args.max_seconds or float("inf")
    long = {utt: seconds for utt, seconds in seconds_of(speech).items() if seconds > limit}
    if long:
        some = ", ".join(f"{utt}: {seconds:.1f} s" for utt, seconds in list(long.items())[:5])
        raise DataError(
            f"{speech.path}: expected utterances of at most --max_seconds {limit}, found "
            f"{len(long)} longer ones ({some})",
            stage="data",
        )
    return speech


if __name__ == "__main__":
    cli.run(main)
