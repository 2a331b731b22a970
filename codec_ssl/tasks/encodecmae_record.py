"""What an EnCodecMAE experiment says of its data: sizes of the model, makers, fingerprints."""

import argparse
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.features.cache import digest_of
from codec_ssl.features.encodecmae import KIND
from codec_ssl.ssl.mae_objective import CODES, LABELS, streams_of
from codec_ssl.tasks.data_paths import check_same_data
from codec_ssl.tasks.encodecmae_data import FEATURES, SPLITS, Material
from codec_ssl.tokens import contract
from codec_ssl.train.checkpoint import read_config


def complete_sizes(args: argparse.Namespace, material: Material) -> None:
    """Fill in what the config leaves to the data, so that it is saved complete.

    Raises:
        ConfigError: The config says otherwise than the data.
    """
    train = material.splits["train"]
    if train.cache is not None:
        width = train.cache.width
    else:
        width = (material.source or material.table()).width
    _fill(args.input_conf, "input_conf", "width", width)
    wanted = streams_of(args.target)
    if CODES in wanted:
        codec, codes = material.codec, train.stores.get(CODES)
        sizes = [codec.codebook_size] * codec.num_codebooks if codes is None else codes.meta.sizes
        _fill(args.target_conf, "target_conf", "sizes", list(sizes))
    if LABELS in wanted:
        _fill(args.target_conf, "target_conf", "num_classes", train.stores[LABELS].meta.sizes[0])


def _fill(conf: dict[str, Any], section: str, key: str, found: Any) -> None:
    if conf.setdefault(key, found) != found:
        raise ConfigError(f"{section} says {key} {conf[key]}, but the data have {found}")


def record(args: argparse.Namespace, material: Material) -> dict[str, Any]:
    """What ``config.yaml`` keeps about codec and data: plain values."""
    told: dict[str, Any] = {"model": KIND}
    if (codec := material.codec) is not None:
        path = Path(args.codec)
        told["codec"] = {
            "path": str(path.absolute()) if path.exists() else str(args.codec),
            "name": codec.name,
            "fingerprint": codec.fingerprint,
        }
    for split, opened in material.splits.items():
        told[split] = {name: contract.record(store) for name, store in opened.stores.items()}
        if opened.cache is not None:
            told[split][FEATURES] = asdict(opened.cache.origin)
        told[split]["content"] = digest_of(list(opened.frames.utt_ids), opened.frames.lengths)
    return told


def check_resume(data_record: Mapping[str, Any], exp_dir: str | Path) -> None:
    """Refuse to go on with another codec or other data than an experiment was started with.

    Raises:
        CheckpointError: Naming what differs.
    """
    before = read_config(exp_dir).get("data_record") or {}
    codecs = [(each.get("codec") or {}).get("fingerprint") for each in (before, data_record)]
    if codecs[0] != codecs[1]:
        raise CheckpointError(
            f"{exp_dir}: expected the codec {codecs[0]}, found {codecs[1]}; use another"
            " --output_dir"
        )
    check_same_data(exp_dir, data_record, SPLITS)
