"""Commands of ``prepare_data`` for SUPERB: the corpora of its tasks, and small ones laid out so."""

import argparse
from collections.abc import Callable
from pathlib import Path

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb import embedded, recordings

type _Call = Callable[[argparse.Namespace], list[DataDir]]


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add a command for each corpus."""
    parser = _tasks(commands, "superb_mini", _mini, "SUPERB's tasks of the embedded corpus")
    parser.add_argument("--corpus_dir", type=Path, required=True, help="from prepare_data mini")
    parser.add_argument("--tasks", nargs="+", choices=list(embedded.TASKS), help="default: all")
    parser = _tasks(commands, "superb_recordings", _recordings, "SUPERB's tasks of recordings")
    parser.add_argument("--recordings", type=Path, required=True, help="has manifest.tsv")
    parser.add_argument("--manifest", type=Path, help="in place of manifest.tsv")
    parser.add_argument("--tasks", nargs="+", choices=list(recordings.TASKS), help="default: all")


def _tasks(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    call: _Call,
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text)
    parser.add_argument("--out_dir", type=Path, required=True, help="gets <task>/<set>")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn")
    parser.set_defaults(call=call)
    return parser


def _mini(args: argparse.Namespace) -> list[DataDir]:
    return embedded.make(args.corpus_dir, args.out_dir, args.tasks, args.seed)


def _recordings(args: argparse.Namespace) -> list[DataDir]:
    return recordings.make(
        args.recordings, args.out_dir, args.tasks, manifest=args.manifest, seed=args.seed
    )
