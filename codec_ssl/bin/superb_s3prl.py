"""Train and score SUPERB's tasks with s3prl's own code: every learning rate of a grid.

A training that was killed goes on; one that has ended is read. Each is in
<exp>/<task>/[<fold>/]lr_<rate>. With --out the best rate on the valid set is printed, and written
to <out>/<task>/results.json.

All of its problems run, on torchaudio 2.11 too: ks sid er ic pr asr sf sv sd. Query by example has
none. Scores of pr asr sf sd have intervals, by the predictions that s3prl writes down. What of each
had to be replaced (sox effects, which torchaudio has no more; dscore, which is cloned from the
network) is told in codec_ssl/evaluation/superb/s3prl_problems.py.
"""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from codec_ssl.bin import cli
from codec_ssl.errors import ConfigError
from codec_ssl.report.results import CHOSEN_BY, FILE_NAME, Result, write_results

if TYPE_CHECKING:
    from codec_ssl.evaluation.superb.s3prl_run import Outcome

DEFAULT_RATE = "default"


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--encoder", required=True, help="experiment directory, YAML file, or name of an encoder")
    add("--codec", help="codec before an encoder of codes; gives log-mel its rates")
    add("--checkpoint", help="of an experiment directory: latest, best or an epoch number")
    add("--untrained_seed", type=int, help="fresh weights with this seed, no checkpoint")
    add("--tokenizer", help="folder of a tokenizer: its tokens, with embeddings that are learnt")
    add("--cache", help="folder where codes are kept, so that each file is coded once")
    add("--datadir", type=Path, required=True, help="data dirs: <task>/[<fold>/]<set>")
    add("--tasks", nargs="+", required=True, help="ks sid er ic pr asr sf sv sd")
    add("--lrs", nargs="+", default=[DEFAULT_RATE], help="learning rates; default: s3prl's one")
    add("--exp", type=Path, required=True, help="folder of this system's trainings")
    add("--out", type=Path, help="folder of <task>/results.json; none: train only")
    add("--system", help="name in tables; default: the encoder's")
    add("--role", choices=("model", "baseline"), default="model")
    add("--recipe", help="recipe's path in the repository, recorded")
    add("--device", default="cpu")
    add("--num_workers", type=int, default=0, help="processes that read audio")
    add("--num_jobs", type=int, default=1, help="jobs that share the trainings")
    add("--job", type=int, default=1, help="number of this job, from 1")
    add("--conf", nargs="*", default=[], help="s3prl's own, such as train.total_steps=1000")
    return parser


def main() -> None:
    """Parse, train, choose, write."""
    # s3prl takes long to import: a wrong option should not wait for it.
    args = get_parser().parse_args()
    rates = {text: _number(text) for text in args.lrs}
    if not 1 <= args.job <= args.num_jobs or (args.out is not None and args.num_jobs > 1):
        raise ConfigError(
            "--job: expected one of --num_jobs, and a single one with --out, found"
            f" {args.job} of {args.num_jobs}"
        )
    from codec_ssl.evaluation.superb.grid import Training, folds_of
    from codec_ssl.evaluation.superb.s3prl_run import Upstream, best_rate, mean_of_folds, run

    names = ("codec", "checkpoint", "untrained_seed", "tokenizer", "cache")
    given = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    upstream = Upstream(args.encoder, given)
    folds = {task: folds_of(args.datadir / task) for task in args.tasks}
    grid = [Training(task, fold, lr) for task in args.tasks for lr in rates for fold in folds[task]]
    begin, found = time.perf_counter(), {}
    for training in grid[args.job - 1 :: args.num_jobs]:
        found[training] = run(
            training.task,
            upstream,
            args.datadir / training.task / training.fold,
            args.exp / training.name,
            rate=rates[training.rate],
            device=args.device,
            num_workers=args.num_workers,
            conf=args.conf,
        )
    if args.out is None:
        return
    for task in args.tasks:
        of_task = {
            rate: mean_of_folds([found[Training(task, fold, rate)] for fold in folds[task]])
            for rate in rates
        }
        rate, outcome = best_rate(task, of_task)
        results = _results(args, task, rate, outcome, of_task)
        write_results(args.out / task / FILE_NAME, results, time.perf_counter() - begin)


def _results(
    args: argparse.Namespace,
    task: str,
    rate: str,
    outcome: "Outcome",
    of_task: "dict[str, Outcome | None]",
) -> list[Result]:
    is_exp = args.untrained_seed is None and (Path(args.encoder) / "config.yaml").is_file()
    scored = {
        "system": args.system or outcome.encoder,
        "role": args.role,
        "exp": args.encoder if is_exp else None,
        "recipe": args.recipe,
        "backend": "s3prl",
        "task": task,
        "split": "test",
        "encoder": outcome.encoder,
        "fingerprint": outcome.fingerprint,
        "learning_rate": rate,
        CHOSEN_BY: outcome.valid,
        "valid_scores": {lr: None if each is None else each.valid for lr, each in of_task.items()},
        "layer_weights": [round(weight, 6) for weight in outcome.layer_weights],
    }
    results = []
    for name, value in outcome.test.items():
        found = outcome.intervals.get(name)
        interval = None if found is None else (found[0], found[1])
        told = "" if interval is None else " [{:.4f}, {:.4f}]".format(*interval)
        print(f"{scored['system']} {task} {name} {value:.4f}{told} lr {rate} (s3prl)")
        results.append(Result(f"superb_{task}_{name}", value, "fraction", scored, interval))
    return results


def _number(rate: str) -> float | None:
    if rate == DEFAULT_RATE:
        return None
    try:
        return float(rate)
    except ValueError as error:
        raise ConfigError(f"--lrs: expected numbers, found {rate!r}") from error


if __name__ == "__main__":
    cli.run(main)
