"""Commands of ``prepare_data`` for corpora of read sentences: LJSpeech, CSS10, VCTK."""

import argparse
from pathlib import Path

from codec_ssl.bin.cli import positive_int
from codec_ssl.bin.corpus_options import add_corpus, add_seed, fractions
from codec_ssl.data.corpora import css10, ljspeech, vctk
from codec_ssl.data.corpora.partition import FRACTIONS, Partition
from codec_ssl.data.corpora.single_speaker import NUM_EVAL
from codec_ssl.data.data_dir import DataDir


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add a command for each corpus."""
    parser = add_corpus(commands, "css10", _css10, "CSS10, single speakers of ten languages")
    parser.add_argument("--languages", nargs="+", choices=css10.LANGUAGES, required=True)
    _add_num_eval(parser)
    parser = add_corpus(commands, "ljspeech", _ljspeech, "LJSpeech")
    _add_num_eval(parser)
    _add_partition(parser)
    parser = add_corpus(commands, "vctk", _vctk, "VCTK 0.92 or 0.80, 110 speakers of English")
    parser.add_argument("--microphone", choices=vctk.MICROPHONES, default=vctk.MICROPHONES[1])
    parser.add_argument("--without", nargs="+", default=[], help="speakers to leave out")
    _add_partition(parser)


def _add_num_eval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--num_eval",
        type=positive_int,
        default=NUM_EVAL,
        help="sentences of the valid and of the test set, the last of the corpus",
    )


def _add_partition(parser: argparse.ArgumentParser) -> None:
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--fractions", metavar="TRAIN,VALID,TEST", help="draw the sets, so large")
    group.add_argument(
        "--lists",
        type=Path,
        help="folder with val.txt and test.txt: published sets, as in the repository "
        "facebookresearch/speech-resynthesis, datasets/<corpus>/hubert100",
    )
    add_seed(parser)


def _css10(args: argparse.Namespace) -> list[DataDir]:
    return css10.prepare(args.corpus_dir, args.out_dir, args.languages, args.num_eval)


def _ljspeech(args: argparse.Namespace) -> list[DataDir]:
    return ljspeech.prepare(args.corpus_dir, args.out_dir, args.num_eval, _partition(args))


def _vctk(args: argparse.Namespace) -> list[DataDir]:
    return vctk.prepare(
        args.corpus_dir,
        args.out_dir,
        partition=_partition(args) or Partition(seed=args.seed),
        microphone=args.microphone,
        without=args.without,
    )


def _partition(args: argparse.Namespace) -> Partition | None:
    """What the options say; None: nothing."""
    if args.fractions is None and args.lists is None:
        return None
    shares = fractions(args.fractions) if args.fractions else FRACTIONS
    return Partition(shares, args.seed, args.lists)
