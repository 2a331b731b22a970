"""Train and score SUPERB's tasks with s3prl's own code: every learning rate of a grid.

A training that was killed goes on; one that has ended is read. Each is in
<exp>/<task>/[<fold>/]lr_<rate>. With --out the best rate on the valid set is printed and written
to <out>/<task>/results.json.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from codec_ssl.bin import cli
from codec_ssl.errors import ConfigError
from codec_ssl.report.results import CHOSEN_BY, FILE_NAME, Result, write_results

DEFAULT_RATE = "default"


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--encoder", required=True, help="experiment directory, YAML file, or name of an encoder")
    add("--codec", help="codec before an encoder of codes")
    add("--checkpoint", help="of an experiment directory: latest, best or an epoch number")
    add("--untrained_seed", type=int, help="fresh weights with this seed, no checkpoint")
    add("--tokenizer", help="folder of a tokenizer: its tokens, with embeddings that are learnt")
    add("--cache", help="folder where codes are kept, so that each file is coded once")
    add("--datadir", type=Path, required=True, help="data dirs: <task>/[<fold>/]<set>")
    add("--tasks", nargs="+", required=True, help="ks sid er ic pr asr sf sv sd")
    add("--lrs", nargs="+", default=[DEFAULT_RATE], help="learning rates; default: s3prl's one")
    add("--exp", type=Path, required=True, help="folder of this system's trainings")
    add("--out", type=Path, help="folder of <task>/results.json; without, nothing is written there")
    add("--system", default="", help="name in tables")
    add("--role", choices=("model", "baseline"), default="model")
    add("--recipe", help="recipe's path in the repository, recorded")
    add("--device", default="cpu")
    add("--num_workers", type=int, default=0, help="processes that read audio")
    add("--conf", nargs="*", default=[], help="s3prl's own, such as train.total_steps=1000")
    return parser


def main() -> None:
    """Parse, train, choose, write."""
    args = get_parser().parse_args()
    for task in args.tasks:
        begin = time.perf_counter()
        results = _run_task(args, task)
        if args.out is not None:
            write_results(args.out / task / FILE_NAME, results, time.perf_counter() - begin)


def _run_task(args: argparse.Namespace, task: str) -> list[Result]:
    # s3prl takes long to import: a wrong option should not wait for it.
    from codec_ssl.evaluation.superb.grid import folds_of
    from codec_ssl.evaluation.superb.s3prl_run import Upstream, best_rate, mean_of_folds, run

    names = ("codec", "checkpoint", "untrained_seed", "tokenizer", "cache")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    upstream = Upstream(args.encoder, given)
    folds = folds_of(args.datadir / task)
    outcomes = {}
    for rate in args.lrs:
        outcomes[rate] = mean_of_folds(
            [
                run(
                    task,
                    upstream,
                    args.datadir / task / fold,
                    args.exp / task / fold / f"lr_{rate}",
                    rate=_number(rate),
                    device=args.device,
                    num_workers=args.num_workers,
                    conf=args.conf,
                )
                for fold in folds
            ]
        )
    best = args.lrs[0] if len(args.lrs) == 1 else best_rate(task, outcomes)
    outcome = outcomes[best]
    scored: dict[str, Any] = {
        "system": args.system or outcome.encoder,
        "role": args.role,
        "recipe": args.recipe,
        "backend": "s3prl",
        "task": task,
        "split": "test",
        "encoder": outcome.encoder,
        "fingerprint": outcome.fingerprint,
        "learning_rate": best,
        CHOSEN_BY: outcome.valid,
        "valid_scores": {rate: each.valid for rate, each in outcomes.items()},
        "layer_weights": [round(weight, 6) for weight in outcome.layer_weights],
    }
    for name, value in outcome.test.items():
        print(f"{scored['system']} {task} {name} {value:.4f} lr {best} (s3prl)")
    return [
        Result(f"superb_{task}_{name}", value, "fraction", scored)
        for name, value in outcome.test.items()
    ]


def _number(rate: str) -> float | None:
    if rate == DEFAULT_RATE:
        return None
    try:
        return float(rate)
    except ValueError as error:
        raise ConfigError(f"--lrs: expected numbers, found {rate!r}") from error


if __name__ == "__main__":
    cli.run(main)
