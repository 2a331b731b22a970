"""Probe every layer of trained models on labelled data, with untrained yardsticks beside them."""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from codec_ssl.bin import cli
from codec_ssl.bin.named_paths import named_paths
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError
from codec_ssl.evaluation.probe import ProbeOptions, System, probe
from codec_ssl.evaluation.sample import Split
from codec_ssl.evaluation.tasks import SPLITS
from codec_ssl.features.base import SpeechEncoder
from codec_ssl.features.factory import BASELINES, make_encoder
from codec_ssl.features.ours import config_name
from codec_ssl.report.markdown import write_report
from codec_ssl.report.results import FILE_NAME, write_results
from codec_ssl.tokens.store import TokenStore

UNTRAINED = "untrained"


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    defaults = ProbeOptions()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--exp",
        action="append",
        required=True,
        metavar="NAME=EXP[,EXP2…]",
        help="a system and its experiment directories (seeds); may be given several times",
    )
    parser.add_argument("--checkpoint", default="latest", help="latest, best or an epoch number")
    parser.add_argument("--stores", required=True, help="train=DIR,valid=DIR,test=DIR of codes")
    parser.add_argument("--data_dirs", required=True, help="train=DIR,valid=DIR,test=DIR")
    parser.add_argument("--tasks", default="phone,speaker", help="phone, speaker, any utt2<label>")
    parser.add_argument("--layers", default="all", help="all, or numbers such as 0,6,9,12")
    parser.add_argument(
        "--baselines", default=",".join((*BASELINES, UNTRAINED)), help="of codec,logmel,untrained"
    )
    parser.add_argument("--recipe", default="", help="recipe's path in the repository, recorded")
    parser.add_argument("--num_clusters", type=int, default=defaults.num_clusters)
    parser.add_argument("--max_utterances", type=int, default=defaults.max_utterances)
    parser.add_argument("--max_train_frames", type=int, default=defaults.max_train_frames)
    parser.add_argument("--max_test_frames", type=int, default=defaults.max_test_frames)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, required=True, help="folder of results.json, REPORT.md")
    return parser


def main() -> None:
    """Parse, probe, write results.json and REPORT.md."""
    begin = time.perf_counter()
    args = get_parser().parse_args()
    names = ("num_clusters", "max_utterances", "max_train_frames", "max_test_frames", "seed")
    splits = get_splits(args.stores, args.data_dirs)
    options = ProbeOptions(**{name: getattr(args, name) for name in names})
    results, notes = probe(splits, get_systems(args, splits), args.tasks.split(","), options)
    seconds = time.perf_counter() - begin
    write_results(args.out / FILE_NAME, results, seconds, notes=notes)
    write_report(args.out, [args.out / FILE_NAME], {}, {}, title="Probes by layer")


def get_splits(stores: str, data_dirs: str) -> dict[str, Split]:
    """Data dir and store of each split.

    Raises:
        ConfigError: If a split is missing.
    """
    folders, tables = named_paths("--stores", stores), named_paths("--data_dirs", data_dirs)
    for option, given in (("--stores", folders), ("--data_dirs", tables)):
        if set(given) != set(SPLITS):
            raise ConfigError(f"{option}: expected {', '.join(SPLITS)}, found {sorted(given)}")
    return {name: Split(name, DataDir(tables[name]), TokenStore(folders[name])) for name in SPLITS}


def get_systems(args: argparse.Namespace, splits: dict[str, Split]) -> list[System]:
    """Systems in the order of the report: models as given, then baselines."""
    store = splits["train"].store
    layers = None if args.layers == "all" else [int(layer) for layer in args.layers.split(",")]
    shared = {"recipe": args.recipe or None, "codec": store.meta.maker.get("name")}
    systems, exps = [], []
    for text in args.exp:
        name, _, paths = text.partition("=")
        if not name or not paths:
            raise ConfigError(f"--exp: expected NAME=EXP[,EXP2…], found {text!r}")
        # A folder whose own name holds a comma is one experiment.
        for exp in [paths] if Path(paths).is_dir() else paths.split(","):
            exps.append(exp)
            facts = {"exp": exp, "config": config_name(exp), **shared}
            make = partial(make_encoder, exp, store, args.device, args.checkpoint)
            systems.append(System(name, "model", make, layers, facts))
    for name in args.baselines.split(",") if args.baselines else []:
        systems.append(_baseline(name, exps[0], store, layers, args, {"codec": shared["codec"]}))
    return systems


def _baseline(
    name: str,
    exp: str,
    store: TokenStore,
    layers: list[int] | None,
    args: argparse.Namespace,
    facts: dict[str, Any],
) -> System:
    make: Callable[[], SpeechEncoder]
    if name == UNTRAINED:
        make = partial(make_encoder, exp, store, args.device, untrained_seed=args.seed)
        return System(name, "baseline", make, layers, facts)
    if name not in BASELINES:
        raise ConfigError(f"--baselines: expected {(*BASELINES, UNTRAINED)}, found {name!r}")
    make = partial(make_encoder, name, store, args.device)
    return System(name, "baseline", make, [0], facts)


if __name__ == "__main__":
    cli.run(main)
