"""Score SUPERB's trained heads on the test sets: results.json of each task, with intervals.

Of the learning rates that were tried it is the one with the best score on the valid set; which one
is printed and recorded.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

from codec_ssl.bin import cli
from codec_ssl.bin.superb_options import add_result_options, add_superb_options, result_facts
from codec_ssl.data.tables import write_atomic
from codec_ssl.evaluation.bootstrap import percentiles
from codec_ssl.evaluation.superb.scoring import BATCH_SIZE, TEST, Outcome, Places, score_task
from codec_ssl.report.results import CHOSEN_BY, DRAWS, FILE_NAME, Result, write_results

PREDICTIONS = "predictions.json"


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_superb_options(parser)
    add = parser.add_argument
    add("--tasks", nargs="+", required=True, help="tasks that were trained")
    add("--lrs", nargs="+", help="learning rates to choose from; default: all that were ever tried")
    add("--batch_size", type=int, default=BATCH_SIZE, help="utterances of a batch")
    add_result_options(parser)
    return parser


def main() -> None:
    """Parse, score, write."""
    args = get_parser().parse_args()
    places = Places(args.exp, args.datadir, args.codes, args.layers, args.lrs)
    for task in args.tasks:
        begin = time.perf_counter()
        outcome = score_task(task, places, args.device, args.batch_size)
        results = get_results(task, outcome, result_facts(args), args.num_resamples)
        out = args.out / task
        write_results(out / FILE_NAME, results, time.perf_counter() - begin)
        _keep_predictions(out, outcome)
        for result in results:
            low, high = result.interval or (0, 0)
            print(
                f"{args.system} {task} {result.metric} {result.value:.4f} [{low:.4f}, {high:.4f}]"
                f" lr {outcome.choice.rate}"
            )


def get_results(
    task: str, outcome: Outcome, facts: dict[str, Any], num_resamples: int
) -> list[Result]:
    """A result for each measure of a task."""
    scored = {
        **facts,
        **outcome.facts,
        "task": task,
        "split": TEST,
        "num_test": outcome.num_test,
        "encoder": outcome.encoder["name"],
        "fingerprint": outcome.encoder["fingerprint"],
        "learning_rate": outcome.choice.rate,
        CHOSEN_BY: outcome.choice.score,
        "valid_scores": outcome.choice.by_rate,
        "layer_weights": [round(weight, 6) for weight in outcome.layer_weights],
        "higher_is_better": outcome.problem.higher_is_better,
    }
    results = []
    for name, measure in outcome.measures.items():
        by_fold = outcome.by_fold[name]
        draws = measure.draws(num_resamples)
        told = {**scored, "by_fold": by_fold if len(by_fold) > 1 else None}
        told[DRAWS] = [round(value, 6) for value in draws.tolist()]
        metric = f"superb_{task}_{name}"
        results.append(Result(metric, measure.value, measure.unit, told, percentiles(draws)))
    return results


def _keep_predictions(out: Path, outcome: Outcome) -> None:
    """Write what was predicted, where it is text: embeddings are large and say nothing."""
    try:
        text = json.dumps(outcome.predictions, indent=0, ensure_ascii=False)
    except TypeError:
        return
    write_atomic(out / PREDICTIONS, text + "\n")


if __name__ == "__main__":
    cli.run(main)
