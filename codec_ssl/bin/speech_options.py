"""The options by which commands of ASR are told what the speech is."""

import argparse
from pathlib import Path

from codec_ssl.asr.speech import Speech
from codec_ssl.errors import ConfigError
from codec_ssl.features.cache import FeatureCache
from codec_ssl.tokens.store import TokenStore


def add_speech_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--store`` and ``--features``."""
    parser.add_argument("--store", type=Path, help="token store of the speech")
    parser.add_argument("--features", type=Path, help="feature cache, in place of a store")


def open_speech(args: argparse.Namespace) -> Speech:
    """The store or the cache.

    Raises:
        ConfigError: Not exactly one was named.
    """
    if (args.store is None) == (args.features is None):
        raise ConfigError("expected either --store or --features")
    return TokenStore(args.store) if args.store else FeatureCache(args.features)
