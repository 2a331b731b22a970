"""Commands of ``prepare_data`` for SUPERB: the corpora of its tasks, and small ones laid out so."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from codec_ssl.bin.corpus_options import Call, add_corpus, add_seed
from codec_ssl.data.corpora import (
    audio_snips,
    fluent_speech_commands,
    iemocap,
    librimix,
    quesst14,
    voxceleb1,
)
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb import embedded, recordings


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add a command for each corpus."""
    add_corpus(commands, "fluent", _fluent, "Fluent Speech Commands: intents")
    parser = add_corpus(commands, "iemocap", _iemocap, "IEMOCAP: four emotions, in 5 folds")
    add_seed(parser)
    add_corpus(commands, "audio_snips", _audio_snips, "Audio SNIPS: commands with slots")
    parser = add_corpus(commands, "librimix", _librimix, "LibriMix: turns of two speakers")
    parser.add_argument("--audio_dir", type=Path, help="where the mixtures are, if they were moved")
    parser = add_corpus(commands, "quesst14", _quesst14, "QUESST 2014: queries, documents, matches")
    parser.add_argument("--language", default=quesst14.LANGUAGE, help="default: %(default)s")
    add_corpus(commands, "voxceleb1_sid", _identification, "VoxCeleb1: speakers to identify")
    parser = add_corpus(commands, "voxceleb1_sv", _verification, "VoxCeleb1: trials of speakers")
    parser.add_argument(
        "--valid_speakers",
        type=int,
        default=voxceleb1.VALID_SPEAKERS,
        help="left out of training, for the trials of valid",
    )
    add_seed(parser)
    parser = commands.add_parser("superb_mini", help="SUPERB's tasks of the embedded corpus")
    parser.add_argument("--corpus_dir", type=Path, required=True, help="from prepare_data mini")
    _add_tasks(parser, list(embedded.TASKS), _mini)
    parser = commands.add_parser("superb_recordings", help="SUPERB's tasks of free recordings")
    parser.add_argument("--recordings", type=Path, required=True, help="has manifest.tsv")
    parser.add_argument("--manifest", type=Path, help="in place of manifest.tsv")
    _add_tasks(parser, list(recordings.TASKS), _recordings)


def _add_tasks(parser: argparse.ArgumentParser, tasks: Sequence[str], call: Call) -> None:
    parser.add_argument("--out_dir", type=Path, required=True, help="gets <task>/<set>")
    parser.add_argument("--tasks", nargs="+", choices=tasks, help="default: all")
    add_seed(parser)
    parser.set_defaults(call=call)


def _fluent(args: argparse.Namespace) -> list[DataDir]:
    return fluent_speech_commands.prepare(args.corpus_dir, args.out_dir)


def _iemocap(args: argparse.Namespace) -> list[DataDir]:
    return iemocap.prepare(args.corpus_dir, args.out_dir, args.seed)


def _audio_snips(args: argparse.Namespace) -> list[DataDir]:
    return audio_snips.prepare(args.corpus_dir, args.out_dir)


def _librimix(args: argparse.Namespace) -> list[DataDir]:
    return librimix.prepare(args.corpus_dir, args.out_dir, args.audio_dir)


def _quesst14(args: argparse.Namespace) -> list[DataDir]:
    return quesst14.prepare(args.corpus_dir, args.out_dir, args.language)


def _identification(args: argparse.Namespace) -> list[DataDir]:
    return voxceleb1.prepare_identification(args.corpus_dir, args.out_dir)


def _verification(args: argparse.Namespace) -> list[DataDir]:
    return voxceleb1.prepare_verification(
        args.corpus_dir, args.out_dir, args.valid_speakers, args.seed
    )


def _mini(args: argparse.Namespace) -> list[DataDir]:
    return embedded.make(args.corpus_dir, args.out_dir, args.tasks, args.seed)


def _recordings(args: argparse.Namespace) -> list[DataDir]:
    return recordings.make(
        args.recordings, args.out_dir, args.tasks, manifest=args.manifest, seed=args.seed
    )
