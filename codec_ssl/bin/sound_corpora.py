"""Commands of ``prepare_data`` for labelled sounds: the corpora of HEAR's tasks, notes, folds."""

import argparse
from pathlib import Path

from codec_ssl.bin.corpus_options import add_corpus, add_seed
from codec_ssl.data import folds, mini_sounds
from codec_ssl.data.corpora import crema_d, esc50, fsd50k, gtzan, nsynth, speech_commands
from codec_ssl.data.data_dir import DataDir


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add a command for each corpus, and those for notes, sounds and folds."""
    parser = add_corpus(commands, "nsynth", _nsynth, "NSynth: notes of instruments")
    parser.add_argument("--hours", type=float, help="of train and valid: 5 or 50 in HEAR")
    add_seed(parser)
    parser = add_corpus(commands, "speech_commands", _speech_commands, "Speech Commands")
    parser.add_argument("--download", action="store_true", help="first, into --corpus_dir")
    parser.add_argument(
        "--version",
        choices=speech_commands.VERSIONS,
        default=speech_commands.HEAR,
        help="0.02 as in HEAR (default), 0.01 as in SUPERB",
    )
    parser = add_corpus(commands, "crema_d", _crema_d, "CREMA-D: acted emotions, in 5 folds")
    parser.add_argument("--split_by", choices=folds.SPLIT_BY, default="utterance")
    add_seed(parser)
    add_corpus(commands, "fsd50k", _fsd50k, "FSD50K: sounds with any number of labels")
    parser = add_corpus(commands, "esc50", _esc50, "ESC-50: environmental sounds in 5 folds")
    parser.add_argument("--esc10", action="store_true", help="only the classes of ESC-10")
    add_seed(add_corpus(commands, "gtzan", _gtzan, "GTZAN: genres of music, in 10 folds"))
    _add_sounds(commands.add_parser("sounds", help="render notes and sound events"))
    _add_folds(commands.add_parser("folds", help="divide a data dir for cross-validation"))


def _add_sounds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out_dir", type=Path, required=True, help="gets notes, events, scenes")
    parser.add_argument("--size", choices=sorted(mini_sounds.SIZES), default="ci")
    parser.add_argument("--sets", nargs="+", choices=mini_sounds.SETS, default=mini_sounds.SETS)
    add_seed(parser)
    parser.set_defaults(call=_sounds)


def _add_folds(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data_dir", type=Path, required=True)
    parser.add_argument("--out_dir", type=Path, required=True, help="gets fold00, fold01, …")
    parser.add_argument("--label", required=True, help="spread evenly: that of utt2<label>")
    parser.add_argument("--num_folds", type=int, default=5)
    parser.add_argument("--split_by", choices=folds.SPLIT_BY, default="utterance")
    parser.add_argument(
        "--given", action="store_true", help="the label is the fold itself: nothing is drawn"
    )
    add_seed(parser)
    parser.set_defaults(call=_folds)


def _nsynth(args: argparse.Namespace) -> list[DataDir]:
    return nsynth.prepare(args.corpus_dir, args.out_dir, args.hours, args.seed)


def _speech_commands(args: argparse.Namespace) -> list[DataDir]:
    folder = args.corpus_dir
    if args.download:
        folder = speech_commands.download(folder, args.version)
    return speech_commands.prepare(folder, args.out_dir, args.version)


def _crema_d(args: argparse.Namespace) -> list[DataDir]:
    return crema_d.prepare(args.corpus_dir, args.out_dir, split_by=args.split_by, seed=args.seed)


def _fsd50k(args: argparse.Namespace) -> list[DataDir]:
    return fsd50k.prepare(args.corpus_dir, args.out_dir)


def _esc50(args: argparse.Namespace) -> list[DataDir]:
    return esc50.prepare(args.corpus_dir, args.out_dir, esc10_only=args.esc10)


def _gtzan(args: argparse.Namespace) -> list[DataDir]:
    return gtzan.prepare(args.corpus_dir, args.out_dir, seed=args.seed)


def _sounds(args: argparse.Namespace) -> list[DataDir]:
    return mini_sounds.make(args.out_dir, args.size, args.seed, args.sets)


def _folds(args: argparse.Namespace) -> list[DataDir]:
    source = DataDir(args.data_dir)
    if args.given:
        return folds.divide_by(source, args.out_dir, args.label)
    return folds.divide(
        source, args.out_dir, args.num_folds, args.label, split_by=args.split_by, seed=args.seed
    )
