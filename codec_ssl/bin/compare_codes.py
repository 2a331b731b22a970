"""Share of codes that are the same in two token stores, such as before and after decoding.

    python -m codec_ssl.bin.compare_codes --store dump/codes/test --other dump/recoded/test \
        --set test --out exp/agreement/test

The metric is ``reencode_agreement``; ``reencode_agreement_by_codebook`` has it for each codebook.
"""

import argparse
import logging
import time
from pathlib import Path

import numpy as np

from codec_ssl.bin.cli import run
from codec_ssl.evaluation.bootstrap import ratio_interval
from codec_ssl.report.results import FILE_NAME, Result, write_results
from codec_ssl.tokens.agreement import count_equal
from codec_ssl.tokens.store import TokenStore

METRIC = "reencode_agreement"
_logger = logging.getLogger(__name__)


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--store", type=Path, required=True, help="the codes")
    add("--other", type=Path, required=True, help="codes of the same utterances, decoded again")
    add("--set", required=True, help="name of the set, recorded")
    add("--recipe", default="", help="recipe's path in the repository, recorded")
    add("--config", default="", help="the codec's config, recorded")
    add("--exp", default="", help="the codec's experiment, recorded")
    add("--out", type=Path, required=True, help="folder of results.json")
    return parser


def main() -> None:
    """Parse, compare, write and print."""
    begin = time.perf_counter()
    args = get_parser().parse_args()
    store = TokenStore(args.store)
    utt_ids, equal, frames = count_equal(store, TokenStore(args.other))
    if missing := len(store.utt_ids) - len(utt_ids):
        _logger.warning("%s: %d utterances of %s are not there", args.other, missing, args.store)
    told = {name: getattr(args, name) or None for name in ("recipe", "config", "exp", "set")}
    told |= {"codec": store.meta.maker["name"], "num_codebooks": equal.shape[1]}
    told |= {"utterances": len(utt_ids), "frames": int(frames.sum())}
    results = [_result(METRIC, equal.sum(1), frames * equal.shape[1], told)]
    for number, column in enumerate(equal.T, 1):
        result = _result(f"{METRIC}_by_codebook", column, frames, {**told, "codebook": number})
        results.append(result)
    write_results(args.out / FILE_NAME, results, time.perf_counter() - begin)
    low, high = results[0].interval
    by_codebook = " ".join(f"{100 * result.value:.1f}" for result in results[1:])
    print(
        f"{args.set}: {100 * results[0].value:.1f} % of the codes stay the same "
        f"[{100 * low:.1f}, {100 * high:.1f}]; by codebook: {by_codebook}"
    )


def _result(metric: str, equal: np.ndarray, compared: np.ndarray, told: dict) -> Result:
    share = float(equal.sum() / compared.sum())
    return Result(metric, share, "fraction", told, ratio_interval(equal, compared))


if __name__ == "__main__":
    run(main)
