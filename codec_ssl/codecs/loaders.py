"""One loader a kind of codec; its library is imported when a codec of the kind is asked for."""

from collections.abc import Callable
from importlib import import_module

from codec_ssl.codecs.base import Codec

KINDS = ("dac", "encodec", "espnet")


def loader(kind: str) -> Callable[..., Codec]:
    """Return ``load_<kind>`` of the kind's module."""
    return getattr(import_module(f"codec_ssl.codecs.{kind}"), f"load_{kind}")
