"""Data of an EnCodecMAE training: opened and compared.

=========  ==============  ==================================================================
name       type            what for
=========  ==============  ==================================================================
audio      data_dir        inputs, and codes where there is no store of them
features   feature_cache   inputs that were written before (bin/cache_features.py)
codes      token_store     targets, and the input ``quantized``
labels     token_store     k-means labels of self-training
=========  ==============  ==================================================================
"""

import argparse
import logging
from collections.abc import Collection
from dataclasses import dataclass, field

import torch

from codec_ssl.codecs.base import Codec, load_codec
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.statistics import measure
from codec_ssl.data.tables import read_table
from codec_ssl.errors import ConfigError
from codec_ssl.features.base import WaveEncoder
from codec_ssl.features.baselines import CodecEmbeddings
from codec_ssl.features.cache import FeatureCache
from codec_ssl.features.mae_input import INPUTS, MEL, QUANTIZED, make_input, on_grid
from codec_ssl.features.utterances import MAX_BAD_RATE
from codec_ssl.ssl.mae_objective import CODES, LABELS, streams_of
from codec_ssl.tasks.data_paths import data_paths
from codec_ssl.tokens import contract
from codec_ssl.tokens.store import TokenStore
from codec_ssl.train.lengths import utterances_of
from codec_ssl.train.side_by_side import (
    AudioStream,
    SideBySide,
    StoredStream,
    Stream,
    put_side_by_side,
)

SPLITS = ("train", "valid")
AUDIO, FEATURES = "audio", "features"
TYPES = {
    AUDIO: "data_dir",
    FEATURES: "feature_cache",
    CODES: "token_store",
    LABELS: "token_store",
}
# The first of these that is there says which utterances there are.
_LEADERS = (CODES, FEATURES, LABELS, AUDIO)

_logger = logging.getLogger(__name__)


@dataclass
class Opened:
    """Data of one split.

    Attributes:
        paths: By name.
        stores: Codes and labels, as far as they are there.
        cache: Features, if they are there.
        frames: All of it side by side.
    """

    paths: dict[str, str]
    stores: dict[str, TokenStore] = field(default_factory=dict)
    cache: FeatureCache | None = None
    frames: SideBySide | None = None


@dataclass
class Material:
    """All that a training is made of.

    Attributes:
        codec: The codec, if one was named.
        source: Input features of waveforms, where the codec or the options say enough.
        splits: Data by split.
    """

    codec: Codec | None
    source: WaveEncoder | None
    splits: dict[str, Opened]

    def table(self, device: str = "cpu") -> CodecEmbeddings:
        """Codebook vectors beside the codes.

        Raises:
            TokenError: There is no such file.
        """
        codes = self.splits["train"].stores[CODES]
        return CodecEmbeddings.from_store(codes.path, codes.frame_rate, device)


def device_of(args: argparse.Namespace) -> str:
    """Where this process computes."""
    return f"cuda:{torch.cuda.current_device()}" if args.ngpu > 0 else "cpu"


def open_material(args: argparse.Namespace) -> Material:
    """Open what ``--<split>_data_path_and_name_and_type`` and ``--codec`` name, and compare it.

    Raises:
        ConfigError: Something is missing, or would be read for nothing.
        CodecSSLError: Data don't belong together or cannot be opened.
    """
    if args.input not in INPUTS:
        raise ConfigError(f"input must be one of {', '.join(INPUTS)}, not {args.input!r}")
    codec = None if args.codec is None else load_codec(args.codec, device_of(args))
    splits = {split: _open_split(args, split, codec) for split in SPLITS}
    source = _source(args, codec, splits["train"])
    for split in SPLITS:
        _put_together(args, split, splits[split], source)
    _compare(splits["train"], splits["valid"])
    return Material(codec, source, splits)


def _open_split(args: argparse.Namespace, split: str, codec: Codec | None) -> Opened:
    opened = Opened(data_paths(args, split, TYPES))
    _check_names(args, split, opened.paths.keys(), codec is not None)
    stores = {n: TokenStore(p) for n, p in opened.paths.items() if TYPES[n] == TYPES[CODES]}
    opened.stores = stores
    if FEATURES in opened.paths:
        opened.cache = FeatureCache(opened.paths[FEATURES])
    maker = None if codec is None else {"fingerprint": codec.fingerprint}
    if CODES in stores:
        report = contract.check(stores[CODES], stores.get(LABELS), expect_maker=maker)
    elif LABELS in stores:
        report = contract.check(stores[LABELS])
    else:
        return opened
    for line in report.lines():
        _logger.info("%s %s", split, line)
    return opened


def _check_names(
    args: argparse.Namespace, split: str, found: Collection[str], has_codec: bool
) -> None:
    """See that inputs and targets can be had, and that nothing is read in vain."""
    wanted = streams_of(args.target)
    from_codes = args.input == QUANTIZED and CODES in found and FEATURES not in found
    inputs_of_audio = FEATURES not in found and not from_codes
    codes_of_audio = CODES in wanted and CODES not in found
    if inputs_of_audio and AUDIO not in found:
        raise ConfigError(
            f"{split} data: input {args.input}: expected audio or features"
            f"{' or codes' if args.input == QUANTIZED else ''}, found {sorted(found)}"
        )
    if inputs_of_audio and args.input != MEL and not has_codec:
        raise ConfigError(f"input {args.input}: expected --codec, found none", stage="codec")
    if codes_of_audio and not (AUDIO in found and has_codec):
        raise ConfigError(
            f"{split} data: target {args.target}: expected codes, or audio and --codec, found"
            f" {sorted(found)} and {'a' if has_codec else 'no'} codec",
            stage="tokens",
        )
    if (LABELS in wanted) != (LABELS in found):
        raise ConfigError(
            f"{split} data: target {args.target}: expected"
            f" {'' if LABELS in wanted else 'no '}labels, found {sorted(found)}",
            stage="labels" if LABELS in wanted else None,
        )
    if AUDIO in found and not (inputs_of_audio or codes_of_audio):
        raise ConfigError(f"{split} data: audio would be read for nothing: leave it out")


def _check_cache(args: argparse.Namespace, cache: FeatureCache, source: WaveEncoder | None) -> None:
    """See that cached features are those that the options would make of waveforms."""
    found = cache.origin
    alike = found.encoder.partition(":")[0] == args.input and found.layer == 0
    if source is not None:
        alike &= found.fingerprint == source.fingerprint
    if not alike:
        made = "" if source is None else f" ({source.fingerprint[:12]})"
        raise ConfigError(
            f"{cache.path}: expected features of the input {args.input}{made}, found {found}",
            stage="features",
        )


def _source(args: argparse.Namespace, codec: Codec | None, train: Opened) -> WaveEncoder | None:
    """Input features of waveforms, which trained models make of what they are given."""
    if args.input == MEL:
        rate, hop = _grid(codec, train)
        args.input_conf = on_grid(args.input, args.input_conf, rate, hop)
    elif codec is None:
        return None
    return make_input(args.input, args.input_conf, codec, device_of(args))


def _grid(codec: Codec | None, train: Opened) -> tuple[int, int]:
    """Sample rate and hop of the targets."""
    if codec is not None:
        return codec.sample_rate, codec.hop_length
    found = train.stores.get(CODES) or train.stores[LABELS]
    return found.sample_rate, round(found.sample_rate / found.frame_rate)


def _put_together(
    args: argparse.Namespace, split: str, opened: Opened, source: WaveEncoder | None
) -> None:
    streams: dict[str, Stream] = {n: StoredStream(s) for n, s in opened.stores.items()}
    if opened.cache is not None:
        _check_cache(args, opened.cache, source)
        streams[FEATURES] = StoredStream(opened.cache)
    shapes = getattr(args, f"{split}_shape_file")
    leader = next(name for name in _LEADERS if name in opened.paths)
    if AUDIO in opened.paths:
        data_dir = DataDir(opened.paths[AUDIO])
        hop = round(source.sample_rate / source.frame_rate)
        samples = {}
        if leader == AUDIO:
            samples = _samples(data_dir, shapes, source.sample_rate)
        streams[AUDIO] = AudioStream(data_dir, source.sample_rate, hop, samples)
    wanted = None
    if shapes and leader != AUDIO:
        wanted = utterances_of(shapes[0], opened.stores.get(leader) or opened.cache)
    opened.frames = put_side_by_side(streams, leader, wanted)
    rates = {name: store.frame_rate for name, store in opened.stores.items()}
    if opened.cache is not None:
        rates[FEATURES] = opened.cache.origin.frame_rate
    if source is not None:
        rates["input"] = source.frame_rate
    if max(rates.values()) > 1.001 * min(rates.values()):
        raise ConfigError(f"{split} data: expected equal frame rates, found {rates}")


def _samples(data_dir: DataDir, shapes: list[str], rate: int) -> dict[str, int]:
    """Samples of each usable utterance: of a shape file, else of the headers."""
    if shapes:
        return {utt: int(value) for utt, value in read_table(shapes[0]).items()}
    found = measure(data_dir)
    if found.bad:
        _logger.warning("%s: left out %s", data_dir.path, found.bad.reasons())
    found.bad.check_rate(len(data_dir), MAX_BAD_RATE)
    return found.num_samples(rate)


def _compare(train: Opened, valid: Opened) -> None:
    if train.paths.keys() != valid.paths.keys():
        raise ConfigError(
            f"valid data: expected {sorted(train.paths)} as for training, found"
            f" {sorted(valid.paths)}"
        )
    for name, store in train.stores.items():
        contract.check_pair(store, valid.stores[name])
    if train.cache is not None and train.cache.origin != valid.cache.origin:
        raise ConfigError(
            f"valid data: expected features of {train.cache.origin}, found {valid.cache.origin}",
            stage="features",
        )
