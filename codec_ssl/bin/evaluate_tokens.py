"""Tokens side by side: what they tell of phones, what they keep, what they cost."""

import argparse
import logging
import time
from pathlib import Path
from typing import Any

from codec_ssl.bin import cli
from codec_ssl.bin.encoder_options import add_encoder_options, open_material
from codec_ssl.bin.named_paths import named_paths
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.features.factory import make_source
from codec_ssl.features.stream import stream_features
from codec_ssl.report.render import FORMATS, render
from codec_ssl.report.results import FILE_NAME, Result, write_results
from codec_ssl.report.tokenizers import tables
from codec_ssl.tokenizers.base import Tokenizer
from codec_ssl.tokenizers.labels import check_origin
from codec_ssl.tokenizers.quality import (
    UNITS,
    QualityOptions,
    phone_scores,
    reconstruction_losses,
    token_costs,
)
from codec_ssl.tokenizers.registry import load_tokenizer
from codec_ssl.tokens.meta import features_name
from codec_ssl.tokens.store import TokenStore

_ENDINGS = {"text": "txt", "markdown": "md"}


def get_parser() -> argparse.ArgumentParser:
    """The command line."""
    defaults = QualityOptions()
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--stores", nargs="+", required=True, metavar="NAME=DIR", help="stores of the same audio")
    add("--tokenizers", nargs="*", default=[], metavar="NAME=DIR", help="for what is kept")
    add_encoder_options(parser, required=False)
    add("--max_ngram", type=int, default=defaults.max_ngram, help="largest n of PNMI_n")
    add("--abx_frames", type=int, default=defaults.abx_frames, help="drawn for ABX; 0: no ABX")
    add("--seed", type=int, default=defaults.seed)
    add("--recipe", default="", help="recipe's path in the repository, recorded")
    add("--out", type=Path, required=True, help="folder of results.json, quality.txt and .md")
    return parser


def main() -> None:
    """Measure every store, then write the table."""
    begin = time.perf_counter()
    args = get_parser().parse_args()
    stores = {k: TokenStore(v) for k, v in named_paths("--stores", args.stores).items()}
    data_dir, notes = DataDir(args.data_dir) if args.data_dir else None, []
    options = QualityOptions(args.max_ngram, args.abx_frames, args.seed, args.device)
    kept = _reconstruction(args)
    unknown = sorted(set(kept) - set(stores))
    if unknown:
        raise ConfigError(f"--tokenizers: expected names of --stores, found {unknown[0]!r}")
    results = []
    for name, store in stores.items():
        values: dict[str, float | None] = {}
        if name in kept:
            values["reconstruction_loss"] = kept[name][0]
        try:
            values |= {} if data_dir is None else phone_scores(store, data_dir, options)
        except DataError as error:
            notes.append(f"{name}: not compared with phones: {error}")
        values |= token_costs(store)
        scored = _scored(args, name, store, kept[name][1] if name in kept else None)
        results += [
            Result(metric, value, _unit(metric), scored)
            for metric, value in values.items()
            if value is not None
        ]
        logging.info("%s: %s", name, values)
    write_results(args.out / FILE_NAME, results, time.perf_counter() - begin, notes=notes)
    for style, ending in _ENDINGS.items():
        (args.out / f"quality.{ending}").write_text(_render(results, notes, style))
    print(_render(results, notes, FORMATS[0]))


def _reconstruction(args: argparse.Namespace) -> dict[str, tuple[float, Tokenizer]]:
    """Reconstruction loss and tokenizer by name; the encoder runs once for all of them."""
    folders = named_paths("--tokenizers", args.tokenizers)
    if not folders:
        return {}
    if args.encoder is None:
        raise ConfigError("--tokenizers: expected an --encoder to make their features, found none")
    material = open_material(args)
    encoder = material.encoder
    tokenizers = {name: load_tokenizer(folder) for name, folder in folders.items()}
    layers = {check_origin(tokenizer, encoder).layer for tokenizer in tokenizers.values()}
    if len(layers) > 1:
        raise ConfigError(f"--tokenizers: expected tokenizers of one layer, found {sorted(layers)}")
    (layer,) = layers
    source = make_source(encoder, material.utterances, data_dir=material.data_dir)
    batches = stream_features(encoder, source, [layer], batch_frames=args.batch_frames)
    losses = reconstruction_losses(batches, layer, tokenizers)
    return {name: (losses[name], tokenizers[name]) for name in tokenizers}


def _scored(
    args: argparse.Namespace, name: str, store: TokenStore, tokenizer: Tokenizer | None
) -> dict[str, Any]:
    maker = store.meta.maker
    return {
        "recipe": args.recipe or None,
        "config": None if tokenizer is None else tokenizer.report.get("config"),
        "exp": str(store.path),
        "set": store.path.name.replace("-", "_"),
        "features": features_name(maker),
        "tokenizer": maker.get("name", name),
        "sizes": "x".join(map(str, store.meta.sizes)),
    }


def _unit(metric: str) -> str:
    return UNITS.get(
        metric, "ratio" if metric in ("perplexity", "reconstruction_loss") else "fraction"
    )


def _render(results: list[Result], notes: list[str], style: str) -> str:
    found = tables(results).items()
    parts = [render(rows[0], rows[1:], style, title=name, notes=notes) for name, rows in found]
    return "\n".join(parts)


if __name__ == "__main__":
    cli.run(main)
