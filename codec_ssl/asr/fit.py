"""Whether utterances fit a model: not longer than allowed, and enough frames for their tokens.

CTC needs a frame for each token and one between equal neighbours; where they are missing its loss
is infinite. A transducer's search gives at most a token a frame.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from codec_ssl.asr.fast_conformer import FACTORS, halved
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.tokens.files import canonical

_SHOWN = 5
_logger = logging.getLogger(__name__)
UNFIT = ("error", "skip")
# Kernel and stride of ESPnet's input layers along time.
_CONVOLUTIONS = {
    "conv2d": ((3, 2), (3, 2)),
    "conv2d1": ((3, 1), (3, 1)),
    "conv2d2": ((3, 2), (3, 1)),
    "conv2d6": ((3, 2), (5, 3)),
    "conv2d8": ((3, 2), (3, 2), (3, 2)),
}
# Fewer frames than these ESPnet's input layers refuse.
_LEAST = {"conv2d": 7, "conv2d1": 5, "conv2d2": 7, "conv2d6": 11, "conv2d8": 15}
FAST_CONFORMER = "fast_conformer"
UNITS, FILTERBANK, UPSTREAM = "codec_units", "default", "codec_ssl_upstream"


def frontend_frames(length: int, frontend: str, frontend_conf: Mapping[str, Any]) -> int:
    """Frames that leave a frontend: those of codes, or what is made of samples.

    That is ESPnet's centred STFT, or an encoder, which is loaded once to say it.
    """
    if frontend == UNITS:
        return length
    if frontend == UPSTREAM:
        from codec_ssl.frontend.upstream import count_frames  # it brings all encoders along

        return count_frames(length, canonical(frontend_conf))
    return 1 + length // frontend_conf.get("hop_length", 128)


def encoder_frames(frames: int, encoder: str, encoder_conf: Mapping[str, Any]) -> int:
    """Frames that leave an encoder; 0 where the utterance is too short for it.

    Args:
        frames: Frames that enter it.
        encoder: ``fast_conformer``, or the name of one of ESPnet's with an ``input_layer``.
        encoder_conf: Its options.

    Raises:
        ConfigError: The input layer is unknown.
    """
    if encoder == FAST_CONFORMER:
        return halved(frames, FACTORS.index(encoder_conf.get("subsampling", 8)))
    layer = encoder_conf.get("input_layer", "conv2d")
    if layer in (None, "linear"):
        return frames
    if layer not in _CONVOLUTIONS:
        known = ", ".join(("linear", *_CONVOLUTIONS))
        raise ConfigError(f"encoder_conf: input_layer is one of {known}, not {layer}")
    if frames < _LEAST[layer]:
        return 0
    for kernel, stride in _CONVOLUTIONS[layer]:
        frames = (frames - kernel) // stride + 1
    return max(frames, 0)


def frames_needed(tokens: Sequence[int], ctc: bool) -> int:
    """Least frames for a sequence of tokens; CTC needs a blank between equal ones."""
    repeats = sum(a == b for a, b in pairwise(tokens)) if ctc else 0
    return max(1, len(tokens) + repeats)


@dataclass
class Unfit:
    """Utterances that a model cannot be trained on.

    Attributes:
        long: Longer than the limit: utterance and seconds.
        short: With too few frames: utterance, frames that there are, and frames that are needed.
    """

    long: dict[str, float] = field(default_factory=dict)
    short: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.long) + len(self.short)

    def __contains__(self, utt_id: object) -> bool:
        return utt_id in self.long or utt_id in self.short

    def settle(self, path: Any, total: int, max_seconds: float | None, unfit: str) -> None:
        """Stop at such utterances, or log that they are left out; they are counted and named.

        Args:
            path: Where the speech is.
            total: Utterances in all.
            max_seconds: The limit.
            unfit: ``error`` or ``skip``.

        Raises:
            DataError: There are any and ``unfit`` is ``error``, or all are.
        """
        if not len(self):
            return
        told = []
        if self.long:
            some = [f"{utt}: {seconds:.1f} s" for utt, seconds in self.long.items()]
            told.append(f"{len(some)} longer than --max_seconds {max_seconds} ({_some(some)})")
        if self.short:
            some = [f"{utt}: {has} for {needs}" for utt, (has, needs) in self.short.items()]
            told.append(f"{len(some)} with fewer encoder frames than tokens ({_some(some)})")
        message = f"{path}: of {total} utterances, found {' and '.join(told)}"
        if unfit == "error" or len(self) == total:
            raise DataError(
                f"{message}; --unfit skip leaves them out, less subsampling or longer tokens give "
                "more frames a token",
                stage="data",
            )
        _logger.warning("%s: left out", message)


def find_unfit(
    frames: Mapping[str, int],
    tokens: Mapping[str, Sequence[int]],
    seconds: Mapping[str, float],
    *,
    encoder: str,
    encoder_conf: Mapping[str, Any],
    ctc: bool,
    max_seconds: float | None = None,
    one_a_frame: bool = True,
) -> Unfit:
    """Find utterances that a model cannot be trained on.

    Args:
        frames: Frames that enter the encoder, by utterance.
        tokens: Tokens of the transcripts.
        seconds: Durations.
        encoder: See :func:`encoder_frames`.
        encoder_conf: The same.
        ctc: Whether there is a CTC loss.
        max_seconds: Longest utterance; None allows all.
        one_a_frame: Whether tokens need frames of their own (CTC and transducer, not attention).
    """
    found = Unfit()
    for utt_id, count in frames.items():
        if max_seconds is not None and seconds[utt_id] > max_seconds:
            found.long[utt_id] = seconds[utt_id]
            continue
        has = encoder_frames(count, encoder, encoder_conf)
        needs = frames_needed(tokens[utt_id], ctc) if one_a_frame else 1
        if has < needs:
            found.short[utt_id] = (has, needs)
    return found


def _some(items: Sequence[str]) -> str:
    return ", ".join(items[:_SHOWN]) + ", ..." * (len(items) > _SHOWN)
