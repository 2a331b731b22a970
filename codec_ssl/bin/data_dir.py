"""Validate, fix, subset, split and combine data dirs, in the call style of Kaldi's scripts."""

import argparse
from pathlib import Path

from codec_ssl.bin.cli import run
from codec_ssl.data.audio import BadAudio, audio_info
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.data_dir_edits import (
    choose,
    choose_hours,
    combine,
    split,
    subset,
)
from codec_ssl.data.data_dir_fix import fix
from codec_ssl.data.statistics import measure
from codec_ssl.data.tables import numbered_lines, parse_entry
from codec_ssl.errors import DataError

_CHOICES = ("first", "last", "shortest", "per-spk", "speakers")


def get_parser() -> argparse.ArgumentParser:
    """Return the parser, with one command for each script in ``utils/``."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_validate(commands.add_parser("validate", help="check that the tables fit together"))
    _add_fix(commands.add_parser("fix", help="sort, and remove what cannot be used"))
    _add_subset(commands.add_parser("subset", help="keep some of the utterances"))
    _add_split(commands.add_parser("split", help="split into parts, for parallel jobs"))
    _add_combine(commands.add_parser("combine", help="make one data dir of several"))
    return parser


def _add_validate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-text", action="store_true", help="transcripts need not be there")
    parser.add_argument("--check-audio", action="store_true", help="open every audio file as well")
    parser.add_argument("data_dir", type=Path)
    parser.set_defaults(call=_validate)


def _add_fix(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--require-text", action="store_true", help="remove utterances without a transcript"
    )
    parser.add_argument(
        "--check-audio", action="store_true", help="remove utterances whose audio cannot be opened"
    )
    parser.add_argument("data_dir", type=Path)
    parser.set_defaults(call=_fix)


def _add_subset(parser: argparse.ArgumentParser) -> None:
    how = parser.add_mutually_exclusive_group()
    for name in _CHOICES:
        how.add_argument(f"--{name}", dest="how", action="store_const", const=name)
    how.add_argument("--utt-list", type=Path, help="file with an utterance a line, for N")
    how.add_argument("--spk-list", type=Path, help="file with a speaker a line, for N")
    how.add_argument("--hours", type=float, metavar="H", help="random, so many hours, for N")
    parser.add_argument("--seed", type=int, default=0, help="of --hours")
    parser.add_argument("source", type=Path)
    parser.add_argument("count", type=int, nargs="?", metavar="N", help="number of utterances")
    parser.add_argument("out", type=Path)
    parser.set_defaults(call=_subset, how="spread")


def _add_split(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--per-utt", action="store_true", help="parts may share a speaker")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("num_parts", type=int, metavar="N")
    parser.set_defaults(call=_split)


def _add_combine(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path)
    parser.add_argument("sources", type=Path, nargs="+")
    parser.set_defaults(call=_combine)


def _validate(args: argparse.Namespace) -> None:
    data_dir = DataDir(args.data_dir)
    data_dir.validate(require_text=not args.no_text)
    if args.check_audio:
        _check_audio(data_dir)
    print(f"{args.data_dir}: {len(data_dir)} utterances, valid")


def _check_audio(data_dir: DataDir) -> None:
    bad = 0
    for utt_id in data_dir.utt_ids:
        try:
            audio_info(data_dir.source(utt_id))
        except BadAudio as error:
            print(error)
            bad += 1
    if bad:
        raise DataError(f"{data_dir.path}: {bad} of {len(data_dir)} utterances have bad audio")


def _fix(args: argparse.Namespace) -> None:
    report = fix(args.data_dir, require_text=args.require_text, check_audio=args.check_audio)
    for line in report.lines():
        print(f"{args.data_dir}: {line}")


def _subset(args: argparse.Namespace) -> None:
    source = DataDir(args.source)
    listed = args.utt_list or args.spk_list or args.hours is not None
    if listed and args.count is not None:
        raise DataError(
            f"expected a list, hours or a number of utterances, found {args.count} as well"
        )
    if args.utt_list:
        utt_ids = _first_column(args.utt_list)
    elif args.spk_list:
        speakers = set(_first_column(args.spk_list))
        utt_ids = [utt for utt, speaker in source.utt2spk.items() if speaker in speakers]
    elif args.hours is not None:
        utt_ids = choose_hours(source, _seconds(source), args.hours, args.seed)
    elif args.count is None:
        raise DataError(
            "expected a number of utterances, --hours, --utt-list or --spk-list, found none"
        )
    else:
        utt_ids = choose(source, args.count, args.how)
    part = subset(source, utt_ids, args.out)
    print(f"{args.out}: {len(part)} of {len(source)} utterances of {args.source}")


def _seconds(source: DataDir) -> dict[str, float]:
    """Duration of each utterance; 0 where the audio is bad, so that it fills no hours."""
    found = measure(source)
    return dict.fromkeys(source.utt_ids, 0.0) | found.seconds


def _split(args: argparse.Namespace) -> None:
    name = f"split{args.num_parts}{'utt' if args.per_utt else ''}"
    out = args.data_dir / name
    for part in split(DataDir(args.data_dir), args.num_parts, out, per_utt=args.per_utt):
        print(f"{part.path}: {len(part)} utterances")


def _combine(args: argparse.Namespace) -> None:
    combined = combine([DataDir(source) for source in args.sources], args.out)
    print(f"{args.out}: {len(combined)} utterances")


def _first_column(path: Path) -> list[str]:
    return [parse_entry(line, f"{path}:{number}")[0] for number, line in numbered_lines(path)]


def main() -> None:
    """Run one command."""
    args = get_parser().parse_args()
    args.call(args)


if __name__ == "__main__":
    run(main)
