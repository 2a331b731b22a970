"""The speech side of an ASR data set: units of a token store, features of a cache, or audio.

The continuous features are the upper bound of RepCodec (arXiv 2309.00169, section 4.1): in place
of units, through a Linear.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from codec_ssl.data.waveforms import Waveforms
from codec_ssl.errors import CheckpointError, DataError
from codec_ssl.features.cache import FeatureCache
from codec_ssl.tokens import contract
from codec_ssl.tokens.meta import features_name
from codec_ssl.tokens.store import TokenStore

Speech = TokenStore | FeatureCache | Waveforms
CODES, FEATURES, AUDIO = "codes", "features", "audio"
CONTINUOUS = "continuous"


def record_speech(speech: Speech) -> dict[str, Any]:
    """What a model keeps about the speech that it was trained on: plain values, for YAML."""
    if isinstance(speech, TokenStore):
        return {CODES: contract.record(speech)}
    if isinstance(speech, Waveforms):
        return {AUDIO: {"sample_rate": speech.sample_rate, "content": speech.content}}
    return {
        FEATURES: {
            "origin": asdict(speech.origin),
            "width": speech.width,
            "content": speech.meta.content,
        }
    }


def check_speech(
    speech: Speech, recorded: Mapping[str, Any], source: str | Path, *, same_data: bool = False
) -> None:
    """Check speech against what :func:`record_speech` kept.

    Args:
        speech: What is at hand.
        recorded: What was kept.
        source: The experiment, for the message.
        same_data: Whether the very same utterances are expected, as when a training goes on.

    Raises:
        CheckpointError: It is of another tokenizer or encoder, or other data than recorded.
    """
    found = record_speech(speech)
    if found.keys() != recorded.keys():
        raise CheckpointError(
            f"{speech.path}: expected {' and '.join(recorded)}, with which {source} was trained,"
            f" found {' and '.join(found)}"
        )
    if isinstance(speech, TokenStore):
        contract.check_checkpoint(speech, recorded[CODES], same_data=same_data)
        return
    [(kind, told)] = recorded.items()
    for what, expected in told.items():
        if found[kind][what] != expected and (same_data or what != "content"):
            raise CheckpointError(
                f"{speech.path}: {what}: expected {expected}, with which {source} was trained,"
                f" found {found[kind][what]}",
                stage="features" if kind == FEATURES else "data",
            )


def seconds_of(speech: Speech) -> dict[str, float]:
    """Duration of each utterance in seconds, by its frames."""
    rate = speech.origin.frame_rate if isinstance(speech, FeatureCache) else speech.frame_rate
    return {u: n / rate for u, n in zip(speech.utt_ids, speech.lengths.tolist(), strict=True)}


def check_frames(speech: Speech) -> None:
    """Refuse a set with an empty utterance.

    Raises:
        DataError: Naming it.
    """
    empty = [utt for utt, count in zip(speech.utt_ids, speech.lengths, strict=True) if not count]
    if empty:
        raise DataError(f"{speech.path}: expected frames, found none in {empty[0]}", "features")


def describe(speech: Speech) -> dict[str, str | None]:
    """What tables call it: ``features``, ``tokenizer`` and ``sizes``.

    Features are ``<encoder>_l<layer>``, or the encoder alone where it has no layers; of a codec
    its name. The tokenizer is the store's maker without the sizes that its name may end in.
    """
    if isinstance(speech, FeatureCache):
        origin = speech.origin
        return {
            "features": features_name({"encoder": origin.encoder, "layer": origin.layer}),
            "tokenizer": CONTINUOUS,
            "sizes": None,
        }
    if isinstance(speech, Waveforms):
        return {"features": AUDIO, "tokenizer": CONTINUOUS, "sizes": None}
    maker, sizes = speech.meta.maker, "x".join(map(str, speech.meta.sizes))
    tokenizer = maker["name"].removesuffix(sizes).rstrip("_") or maker["name"]
    known = maker.get("encoder") or maker["kind"] == "codec"
    return {
        "features": features_name(maker) if known else None,
        "tokenizer": maker["name"] if maker["kind"] == "codec" else tokenizer,
        "sizes": sizes,
    }
