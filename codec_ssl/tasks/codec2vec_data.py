"""Token stores of a Codec2Vec training: checked, recorded, and asked for the model's sizes."""

import argparse
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codec_ssl.errors import ConfigError
from codec_ssl.frontend.codec_units import complete_frontend_conf
from codec_ssl.tokens import contract
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train.checkpoint import read_config
from codec_ssl.train.data_type import NAME

_logger = logging.getLogger(__name__)
SPLITS = ("train", "valid")
Stores = dict[str, dict[str, TokenStore]]


def open_stores(args: argparse.Namespace) -> Stores:
    """Open the stores of the command line: ``{"train": {"codes": ..., "labels": ...}, ...}``.

    Raises:
        ConfigError: A data type is another one, or labels are missing or not wanted.
        TokenError: A store is missing or damaged.
    """
    stores: Stores = {}
    for split in SPLITS:
        stores[split] = {}
        for path, name, kind in getattr(args, f"{split}_data_path_and_name_and_type"):
            if kind != NAME:
                raise ConfigError(f"{split} data {name}: expected type {NAME}, found {kind}")
            stores[split][name] = TokenStore(path)
        wanted = {"codes", "labels"} if args.target == "cluster" else {"codes"}
        if stores[split].keys() != wanted:
            raise ConfigError(
                f"target {args.target}: expected {split} data {sorted(wanted)}, found "
                f"{sorted(stores[split])}",
                stage="labels" if args.target == "cluster" else None,
            )
    return stores


def check_stores(stores: Stores) -> None:
    """Check the contract between codes, labels, train and valid, and log what was found.

    Raises:
        TokenError: Naming the stage to rerun.
    """
    for split in SPLITS:
        found = stores[split]
        for line in contract.check(found["codes"], found.get("labels")).lines():
            _logger.info("%s %s", split, line)
    for name in stores["train"]:
        contract.check_pair(stores["train"][name], stores["valid"][name])


def record_stores(stores: Stores) -> dict[str, dict[str, Any]]:
    """What ``config.yaml`` keeps about the data: fingerprints, makers, sizes, frame rates."""
    return {
        split: {name: contract.record(store) for name, store in found.items()}
        for split, found in stores.items()
    }


def check_resume(stores: Stores, exp_dir: str | Path) -> None:
    """Refuse to go on with other data than an experiment was started with.

    Raises:
        CheckpointError: Naming both fingerprints.
    """
    recorded: Mapping[str, Any] = read_config(exp_dir).get("data_record") or {}
    for split, found in stores.items():
        for name, store in found.items():
            if name in recorded.get(split, {}):
                contract.check_checkpoint(store, recorded[split][name])


def complete_sizes(args: argparse.Namespace, stores: Stores) -> None:
    """Fill what the config leaves null from the stores, so that it is saved complete.

    Raises:
        ConfigError: The config says otherwise than the stores.
    """
    args.frontend_conf = complete_from_store(args.frontend_conf, stores["train"]["codes"])
    if args.target == "cluster":
        labels = stores["train"]["labels"]
        _fill(args.target_conf, "target_conf", "num_classes", labels.meta.sizes[0], labels)


def complete_from_store(frontend_conf: Mapping[str, Any], codes: TokenStore) -> dict[str, Any]:
    """Fill what a ``CodecUnitFrontend``'s options leave null: sizes, and the codebook beside codes.

    Raises:
        ConfigError: They say otherwise than the store.
    """
    conf = dict(frontend_conf)
    sizes = list(codes.meta.sizes)
    size = sizes[0] if len(set(sizes)) == 1 else sizes
    _fill(conf, "frontend_conf", "num_codebooks", len(sizes), codes)
    _fill(conf, "frontend_conf", "codebook_size", size, codes)
    beside = codes.path / "codebook.safetensors"
    if conf.get("codebook") is None and beside.exists():
        conf["codebook"] = str(beside)
    return complete_frontend_conf(conf)


def _fill(conf: dict[str, Any], section: str, key: str, found: Any, store: TokenStore) -> None:
    given = conf.get(key)
    if given is None:
        conf[key] = found
    elif given != found and given != [found] * len(store.meta.sizes):
        raise ConfigError(f"{section} says {key} {given}, but {store.path} has {found}")
