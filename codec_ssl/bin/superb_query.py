"""Score SUPERB's query by example: which documents hold a spoken query. Nothing is trained.

Each layer of the frozen encoder is tried on the valid queries; the best one is scored on the test
queries. Writes results.json, and the scores of all pairs of that layer.
"""

import argparse
import time
from typing import Any

import numpy as np

from codec_ssl.bin import cli
from codec_ssl.bin.superb_options import (
    add_result_options,
    add_system_options,
    encoder_conf,
    result_facts,
)
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb.tables import read_matches
from codec_ssl.evaluation.superb.measure import Measure
from codec_ssl.evaluation.superb.query import Found, QueryByExample, known_matches, search
from codec_ssl.features.base import SpeechEncoder
from codec_ssl.features.factory import make_encoder, make_source, open_utterances
from codec_ssl.features.stream import BATCH_FRAMES, Source
from codec_ssl.report.results import CHOSEN_BY, FILE_NAME, Result, write_results
from codec_ssl.tokens.store import TokenStore

VALID, TEST, DOCS = "valid", "test", "docs"
SCORES = "scores.npz"


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add_system_options(parser)
    add = parser.add_argument
    add("--layer", type=int, help="score this layer; default: the best one on the valid queries")
    add("--batch_frames", type=int, default=BATCH_FRAMES, help="frames that the encoder takes")
    add_result_options(parser)
    return parser


def main() -> None:
    """Parse, search, write."""
    begin = time.perf_counter()
    args = get_parser().parse_args()
    encoder = load_encoder(args)
    found, matches = searched(args, encoder, VALID, args.layer)
    by_layer = {layer: found.measure(layer, matches).value for layer in found.scores}
    # Of equals the lowest.
    best = max(by_layer, key=lambda layer: (by_layer[layer], -layer))
    found, matches = searched(args, encoder, TEST, best)
    measure = found.measure(best, matches)
    result = get_result(args, encoder, by_layer, best, (found, measure))
    out = args.out / QueryByExample.name
    write_results(out / FILE_NAME, [result], time.perf_counter() - begin)
    np.savez(out / SCORES, queries=found.query_ids, docs=found.doc_ids, scores=found.scores[best])
    low, high = result.interval or (0, 0)
    print(
        f"{args.system} {QueryByExample.name} {result.metric} {result.value:.4f}"
        f" [{low:.4f}, {high:.4f}] layer {best}"
    )


def load_encoder(args: argparse.Namespace) -> SpeechEncoder:
    """The frozen encoder."""
    conf = encoder_conf(args)
    return make_encoder(conf.pop("name"), open_store(args, DOCS), args.device, **conf)


def searched(
    args: argparse.Namespace, encoder: SpeechEncoder, split: str, layer: int | None
) -> tuple[Found, set[tuple[str, str]]]:
    """Scores of one set of queries by one layer, or by all, and which documents hold them."""
    name = f"queries_{split}"
    queries, documents = (open_source(args, encoder, each) for each in (name, DOCS))
    matches = read_matches(data_dir(args, name), split, data_dir(args, DOCS))
    matches = known_matches(matches, queries, documents)
    layers = None if layer is None else [layer]
    return search(encoder, queries, documents, layers, batch_frames=args.batch_frames), matches


def open_source(args: argparse.Namespace, encoder: SpeechEncoder, name: str) -> Source:
    """Inputs of an encoder: codes of a store, or audio of a data dir."""
    audio = data_dir(args, name)
    store = open_store(args, name) if encoder.input_kind == "codes" else None
    return make_source(encoder, open_utterances(encoder, store, audio), data_dir=audio)


def open_store(args: argparse.Namespace, name: str) -> TokenStore | None:
    """Codes of a set, if codes are given."""
    return None if args.codes is None else TokenStore(args.codes / QueryByExample.name / name)


def data_dir(args: argparse.Namespace, name: str) -> DataDir:
    """Data dir of a set."""
    return DataDir(args.datadir / QueryByExample.name / name)


def get_result(
    args: argparse.Namespace,
    encoder: SpeechEncoder,
    by_layer: dict[int, float],
    best: int,
    scored: tuple[Found, Measure],
) -> Result:
    """The number of the test queries."""
    found, measure = scored
    told: dict[str, Any] = {
        **result_facts(args),
        "task": QueryByExample.name,
        "split": TEST,
        "num_test": len(found.query_ids),
        "num_scored": measure.sizes[0],
        "num_documents": len(found.doc_ids),
        "encoder": encoder.name,
        "fingerprint": encoder.fingerprint,
        "layer": best,
        CHOSEN_BY: by_layer[best],
        "valid_scores": {str(layer): value for layer, value in by_layer.items()},
        "higher_is_better": QueryByExample.higher_is_better,
    }
    name = f"superb_{QueryByExample.name}_{QueryByExample.metric}"
    interval = measure.interval(args.num_resamples)
    return Result(name, measure.value, measure.unit, told, interval)


if __name__ == "__main__":
    cli.run(main)
