"""Features of a tokenizer training, from a cache or from an encoder: opened, compared, recorded."""

import argparse
import logging
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from espnet2.iterators.abs_iter_factory import AbsIterFactory
from espnet2.train.distributed_utils import DistributedOption

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.features.base import Origin, SpeechEncoder
from codec_ssl.features.cache import FeatureCache, digest_of
from codec_ssl.features.factory import make_encoder, open_utterances
from codec_ssl.features.utterances import store_of
from codec_ssl.tasks.data_paths import check_same_data
from codec_ssl.tasks.ready_batches import crop_options
from codec_ssl.tokenizers.experiment import recorded_origin
from codec_ssl.tokens import contract
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train.checkpoint import read_config
from codec_ssl.train.crop_stream import (
    StreamedCrops,
    StreamedSet,
    StreamedUtterances,
    StreamOptions,
)
from codec_ssl.train.crops import cached_training, cached_validation

SPLITS = ("train", "valid")
CACHE, STORE, DATA_DIR = "feature_cache", "token_store", "data_dir"
Features = FeatureCache | StreamedSet

_logger = logging.getLogger(__name__)


def open_features(args: argparse.Namespace) -> dict[str, Features]:
    """Open what ``--<split>_data_path_and_name_and_type`` names, for training and validation.

    Either ``CACHE,features,feature_cache``, or with ``--feature_encoder`` and ``--feature_layer``
    (or ``--feature_layer_weights``) what the encoder takes: ``STORE,codes,token_store`` or
    ``DIR,audio,data_dir``, or both for waveforms cut to the frames of codes.

    Raises:
        ConfigError: If it is something else, or the two are features of different kinds.
        CodecSSLError: If data or encoder cannot be opened.
    """
    train, valid = (_open_split(args, split) for split in SPLITS)
    streamed = [each for each in (train, valid) if isinstance(each, StreamedSet)]
    stores = [store for each in streamed if (store := store_of(each.utterances)) is not None]
    if len(stores) == len(SPLITS):
        contract.check_pair(*stores)
    if train.origin != valid.origin or train.width != valid.width:
        raise ConfigError(
            f"valid data: expected features of {train.origin}, width {train.width}, as the"
            f" training's, found {valid.origin}, width {valid.width}"
        )
    return {"train": train, "valid": valid}


def _open_split(args: argparse.Namespace, split: str) -> Features:
    entries = getattr(args, f"{split}_data_path_and_name_and_type")
    paths = {(name, kind): path for path, name, kind in entries}
    if paths.keys() == {("features", CACHE)}:
        return _open_cache(args, Path(paths["features", CACHE]))
    if not paths or not paths.keys() <= {("codes", STORE), ("audio", DATA_DIR)}:
        raise ConfigError(
            f"{split} data: expected either CACHE,features,{CACHE}, or STORE,codes,{STORE} or"
            f" DIR,audio,{DATA_DIR}, found {[','.join(entry) for entry in entries]}"
        )
    layer = 0 if args.feature_layer_weights else args.feature_layer
    if args.feature_encoder is None or layer is None:
        raise ConfigError(
            f"{split} data are no features: expected --feature_encoder and --feature_layer, found"
            f" {args.feature_encoder} and {args.feature_layer}"
        )
    encoder = _encoder(args)
    encoder.check_layers([layer])
    audio, codes = paths.get(("audio", DATA_DIR)), paths.get(("codes", STORE))
    data_dir = None if audio is None else DataDir(audio)
    store = None if codes is None else TokenStore(codes)
    utterances = open_utterances(encoder, store, data_dir)
    return StreamedSet(encoder, utterances, layer, data_dir, args.feature_batch_frames)


def _open_cache(args: argparse.Namespace, path: Path) -> FeatureCache:
    cache = FeatureCache(path)
    if args.feature_layer not in (None, cache.origin.layer):
        raise ConfigError(
            f"{path}: expected --feature_layer {args.feature_layer}, found {cache.origin}"
        )
    return cache


def _encoder(args: argparse.Namespace) -> SpeechEncoder:
    """The encoder, for the first store that there is."""
    entries = [e for s in SPLITS for e in getattr(args, f"{s}_data_path_and_name_and_type")]
    store = next((path for path, _, kind in entries if kind == STORE), None)
    device = f"cuda:{torch.cuda.current_device()}" if args.ngpu > 0 else "cpu"
    weights = args.feature_layer_weights
    return _load_encoder(args.feature_encoder, store, device, args.feature_checkpoint, weights)


@lru_cache(maxsize=1)
def _load_encoder(
    name: str, store: str | None, device: str, checkpoint: str, weights: str | None
) -> SpeechEncoder:
    """Once in a process: data are opened for the model, and again for the batches."""
    codes = None if store is None else TokenStore(store)
    return make_encoder(name, codes, device, checkpoint, layer_weights=weights)


def record(features: Mapping[str, Features]) -> dict[str, Any]:
    """What ``config.yaml`` keeps about the data: the features' origin, and which utterances."""
    contents: dict[str, Any] = {"origin": asdict(features["train"].origin)}
    for split, found in features.items():
        contents[split] = {
            "utterances": len(found),
            "frames": int(found.lengths.sum()),
            "content": _content(found),
        }
    return contents


def _content(features: Features) -> str:
    if isinstance(features, FeatureCache):
        return features.meta.content
    return digest_of(features.utt_ids, features.lengths)


def check_resume(data_record: Mapping[str, Any], exp_dir: str | Path) -> None:
    """Refuse to go on with other data than an experiment was started with.

    A cache and a stream of the same features are the same data.

    Raises:
        CheckpointError: Naming what differs.
    """
    config = read_config(exp_dir)
    before, now = recorded_origin(config, exp_dir), Origin(**data_record["origin"])
    if before != now:
        raise CheckpointError(
            f"{exp_dir}: expected features of {before}, with which it was trained, found {now};"
            " use another --output_dir"
        )
    check_same_data(exp_dir, data_record, SPLITS)


def log_short(features: Features, split: str, crop_frames: int) -> None:
    """Say how many utterances are shorter than a crop: they are used, whole."""
    short = int(np.count_nonzero(features.lengths < crop_frames))
    _logger.info(
        "%s: %d utterances, %.2f h of %s; %d are shorter than a crop of %d frames and are taken"
        " whole",
        split,
        len(features),
        features.lengths.sum() / features.origin.frame_rate / 3600,
        features.origin,
        short,
        crop_frames,
    )


def iter_factory(
    args: argparse.Namespace, distributed_option: DistributedOption, split: str
) -> AbsIterFactory:
    """Batches of a split: random crops for training, whole utterances for validation."""
    features = open_features(args)[split]
    log_short(features, split, args.crop_frames)
    options = crop_options(args, len(features), distributed_option)
    if isinstance(features, StreamedSet):
        if split == "valid":
            return StreamedUtterances(features)
        return StreamedCrops(
            features, options, StreamOptions(args.crops_per_visit, args.shuffle_crops)
        )
    make = cached_training if split == "train" else cached_validation
    return make(features, options, args.num_workers, pin_memory=args.ngpu > 0)
