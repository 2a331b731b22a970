"""Evaluate an encoder on a task by HEAR's protocol: results.json with scores and intervals."""

import argparse
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

from codec_ssl.bin import cli
from codec_ssl.bin.hear_options import add_options, open_embedder, open_sets
from codec_ssl.evaluation.hear.downstream import HEADS, Grid, Outcome, Protocol, run
from codec_ssl.evaluation.hear.embedder import Embedder
from codec_ssl.evaluation.hear.embeddings import MAX_BAD_RATE, read_embeddings
from codec_ssl.evaluation.hear.mlp import Schedule
from codec_ssl.evaluation.hear.tasks import HearTask, label_sets, read_task
from codec_ssl.features.ours import config_name
from codec_ssl.report.hear import PREFIX
from codec_ssl.report.results import CHOSEN_BY, FILE_NAME, Result, write_results


def get_parser() -> argparse.ArgumentParser:
    """The command line; HEAR's grid and schedule are the defaults."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_options(parser)
    add = parser.add_argument
    add("--out", type=Path, required=True, help="folder of results.json")
    add("--system", help="name in tables; default: the encoder's")
    add("--role", choices=("model", "baseline"), default="model")
    add("--recipe", help="recipe's path in the repository, recorded")
    add("--config", help="training config, recorded; default: that of an experiment directory")
    what = "HEAR's networks, or logistic regression, which has none of their options"
    add("--head", choices=HEADS, default=Protocol().head, help=what)
    grid, schedule = Grid(), Schedule()
    add("--hidden_layers", type=int, nargs="+", default=grid.hidden_layers)
    add("--hidden_dim", type=int, nargs="+", default=grid.hidden_dim)
    add("--dropout", type=float, nargs="+", default=grid.dropout)
    add("--lr", type=float, nargs="+", default=grid.lr)
    add("--grid_points", type=int, default=grid.points, help="of the grid that are tried")
    for each in fields(Schedule):
        add(f"--{each.name}", type=int, default=getattr(schedule, each.name))
    add("--seeds", type=int, nargs="+", default=[0], help="scores are means over these")
    add("--num_resamples", type=int, default=Protocol().num_resamples, help="of the intervals")
    add("--max_bad_rate", type=float, default=MAX_BAD_RATE, help="unusable sounds of a set")
    return parser


def main() -> None:
    """Parse, embed what is missing, train, score and write."""
    begin = time.perf_counter()
    args = get_parser().parse_args()
    task, sets = read_task(args.task), open_sets(args.data_dirs)
    embedder = open_embedder(args)
    found = {
        name: read_embeddings(embedder, data_dir, args.cache, task.seconds, args.max_bad_rate)
        for name, data_dir in sets.items()
    }
    classes, labelled = label_sets(task, sets, found)
    outcome = run(task, labelled, classes, get_protocol(args), args.device)
    facts = {**_facts(args, embedder), "task": task.name, "split": "test"}
    facts |= _counts(outcome, len(classes))
    results = get_results(task, outcome, facts)
    write_results(args.out / FILE_NAME, results, time.perf_counter() - begin)
    for result in results:
        low, high = result.interval or (0, 0)
        print(f"{task.name} {result.metric} {result.value:.4f} [{low:.4f}, {high:.4f}]")


def get_protocol(args: argparse.Namespace) -> Protocol:
    """The protocol that was asked for."""
    values = {
        name: getattr(args, name) for name in ("hidden_layers", "hidden_dim", "dropout", "lr")
    }
    schedule = Schedule(**{each.name: getattr(args, each.name) for each in fields(Schedule)})
    return Protocol(
        Grid(**values, points=args.grid_points),
        schedule,
        args.seeds,
        args.num_resamples,
        args.head,
    )


def get_results(task: HearTask, outcome: Outcome, facts: dict[str, Any]) -> list[Result]:
    """A result for each metric of the task."""
    return [
        Result(
            f"{PREFIX}{metric}",
            outcome.scores[metric],
            "fraction",
            {
                **facts,
                "by_set": outcome.by_split[metric],
                "by_seed": outcome.by_seed[metric],
            },
            outcome.intervals[metric],
        )
        for metric in task.metrics
    ]


def _facts(args: argparse.Namespace, embedder: Embedder) -> dict[str, Any]:
    # Fresh weights are no experiment's, nor what a config makes.
    is_exp = args.untrained_seed is None and (Path(args.encoder) / "config.yaml").is_file()
    return {
        "system": args.system or embedder.encoder.name,
        "role": args.role,
        "encoder": embedder.encoder.name,
        "exp": args.encoder if is_exp else None,
        "config": args.config or (config_name(args.encoder) if is_exp else None),
        "recipe": args.recipe,
        "codec": args.codec,
        "checkpoint": args.checkpoint if is_exp else None,
        "layer": embedder.layer,
        "layer_weights": args.layer_weights,
        "pooling": embedder.pooling,
        "chunk_seconds": embedder.chunk_seconds,
        "embedding": embedder.fingerprint,
        "seeds": args.seeds,
        "head": args.head,
    }


def _counts(outcome: Outcome, num_classes: int) -> dict[str, Any]:
    num_splits = len(next(iter(outcome.by_split.values())))
    return {
        "num_classes": num_classes,
        "folds": num_splits if num_splits > 1 else None,
        "num_train": outcome.num_train,
        "num_test": outcome.num_test,
        "majority": outcome.majority,
        CHOSEN_BY: outcome.valid_score,
        "chosen": outcome.chosen,
    }


if __name__ == "__main__":
    cli.run(main)
