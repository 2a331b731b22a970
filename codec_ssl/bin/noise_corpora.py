"""Commands of ``prepare_data`` for noises and room responses, as ``noisy_sets`` takes them."""

import argparse
from collections.abc import Sequence

from codec_ssl.bin.corpus_options import add_corpus
from codec_ssl.data.corpora import demand, musan, rirs_noises
from codec_ssl.data.data_dir import DataDir


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add a command for each corpus."""
    parser = add_corpus(commands, "musan", _musan, "MUSAN: noises, music, speech")
    _parts(parser, musan.PARTS)
    parser = add_corpus(
        commands, "rirs_noises", _rirs_noises, "RIRS_NOISES: room responses, noises"
    )
    _parts(parser, rirs_noises.PARTS)
    parser = add_corpus(commands, "demand", _demand, "DEMAND: noise of everyday places")
    parser.add_argument("--microphone", type=int, default=1, help="1 to 16")


def _parts(parser: argparse.ArgumentParser, parts: Sequence[str]) -> None:
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--download", action="store_true", help="first, into --corpus_dir")


def _musan(args: argparse.Namespace) -> list[DataDir]:
    folder = musan.download(args.corpus_dir) if args.download else args.corpus_dir
    return musan.prepare(folder, args.out_dir, args.parts)


def _rirs_noises(args: argparse.Namespace) -> list[DataDir]:
    folder = rirs_noises.download(args.corpus_dir) if args.download else args.corpus_dir
    return rirs_noises.prepare(folder, args.out_dir, args.parts)


def _demand(args: argparse.Namespace) -> list[DataDir]:
    return demand.prepare(args.corpus_dir, args.out_dir, args.microphone)
