"""Make the token list of training transcripts, as ESPnet's ASR task takes it."""

import argparse
import logging
from pathlib import Path

from codec_ssl.asr.vocabulary import CHAR, TOKEN_TYPES, make_vocabulary
from codec_ssl.bin import cli
from codec_ssl.data.language_tokens import language_tokens, split_languages
from codec_ssl.data.tables import read_table


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--text", type=Path, required=True, help="target of asr_text, of the training set")
    add("--out", type=Path, required=True, help="folder of the vocabulary")
    add("--token_type", default=CHAR, choices=TOKEN_TYPES)
    add("--nbpe", type=cli.positive_int, default=500, help="pieces of --token_type bpe")
    add("--lang_token", type=cli.str2bool, default=False, help="transcripts begin with one")
    return parser


def main() -> None:
    """Parse, count, write."""
    args = get_parser().parse_args()
    texts = list(read_table(args.text).values())
    symbols: list[str] = []
    if args.lang_token:
        symbols = language_tokens(each for text in texts for each in split_languages(text)[0][:1])
    tokens = make_vocabulary(texts, args.out, args.token_type, args.nbpe, symbols)
    logging.info("%s: %d tokens", args.out, len(tokens))


if __name__ == "__main__":
    cli.run(main)
