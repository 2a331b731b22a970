"""Train SentencePiece on the transcripts of data dirs."""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

from codec_ssl.asr.text import CASES, MODEL_TYPES, UNICODE_FORMS, Normalization, train_pieces
from codec_ssl.asr.transcripts import add_unusable_option, read_transcripts
from codec_ssl.bin import cli


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    plain = Normalization()
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--text", type=Path, nargs="+", required=True, help="Kaldi's text of each training set")
    add("--out", type=Path, required=True, help="folder of the pieces")
    add("--vocab_size", type=int, default=5000, help="the paper: 5000, for three languages 10000")
    add("--model_type", default=MODEL_TYPES[0], choices=MODEL_TYPES)
    add("--case", default=plain.case, choices=CASES)
    add("--unicode", default=plain.unicode, choices=UNICODE_FORMS)
    add("--remove", default=plain.remove, help="characters to leave out, such as .,?!")
    add_unusable_option(parser)
    add("--num_threads", type=int, default=4)
    return parser


def main() -> None:
    """Parse, train, say what came out."""
    args = get_parser().parse_args()
    normalization = Normalization(args.unicode, args.case, args.remove)

    def texts() -> Iterator[str]:
        for path in args.text:
            yield from read_transcripts(path, normalization, unusable=args.unusable_text).values()

    pieces = train_pieces(
        texts(),
        args.out,
        vocab_size=args.vocab_size,
        model_type=args.model_type,
        normalization=normalization,
        num_threads=args.num_threads,
    )
    logging.info("wrote %r", pieces)


if __name__ == "__main__":
    cli.run(main)
