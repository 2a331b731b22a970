"""FastSpeech2 whose decoder predicts all streams of a codec (arXiv 2601.12205, section 4.3).

Legend: B batch, T frames, N valid frames of a batch, D width, Q streams, K codebook size.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
import torch.nn.functional as F
from espnet2.torch_utils.initialize import initialize
from torch import Tensor, nn

from codec_ssl.errors import ConfigError
from codec_ssl.tts.fastspeech2 import PhoneBatch, PhoneFastSpeech2, Prosody, Statistics

STACKS = ("shared", "per_stream")


class StreamStacks(nn.Module):
    """A decoder of its own for every stream; what they give stands side by side.

    Args:
        stacks: The decoders.
    """

    def __init__(self, stacks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.stacks = nn.ModuleList(stacks)

    def forward(self, frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, T, D)`` to ``(B, T, Q * D)``, and the mask."""
        return torch.cat([stack(frames, mask)[0] for stack in self.stacks], dim=-1), mask


class StreamHeads(nn.Module):
    """Scores of the codes of every stream.

    Args:
        dim: D.
        sizes: K of each stream.
        apart: Whether each stream has a decoder, and so D inputs, of its own.
    """

    def __init__(self, dim: int, sizes: Sequence[int], apart: bool) -> None:
        super().__init__()
        self.apart = apart
        self.heads = nn.ModuleList(nn.Linear(dim, size) for size in sizes)

    def forward(self, decoded: Tensor) -> list[Tensor]:
        """``(N, D)`` or ``(N, Q * D)`` to the scores ``(N, K)`` of each stream."""
        inputs = [decoded] * len(self.heads)
        if self.apart:
            inputs = list(decoded.chunk(len(self.heads), dim=-1))
        return [head(part) for head, part in zip(self.heads, inputs, strict=True)]


class CodecFastSpeech2(PhoneFastSpeech2):
    """Predicts Q codes for every frame, each independently of the others given the phones.

    The loss is the mean cross entropy over all codes of all valid frames; scores are computed for
    those frames only.

    Args:
        num_symbols: Kinds of phones.
        sizes: K of each stream.
        num_speakers: Kinds of speakers.
        decoder_stacks: ``shared``: one decoder with Q heads; ``per_stream``: Q decoders, as
            ESPnet's ``FastSpeech2Discrete`` has them and the paper used.
        **conf: Options of ESPnet's FastSpeech2, without a postnet: the refinement of a spectrum.

    Raises:
        ConfigError: There is no such design, or a postnet was asked for.
    """

    def __init__(
        self,
        num_symbols: int,
        sizes: Sequence[int],
        num_speakers: int = 1,
        *,
        decoder_stacks: str = "shared",
        **conf: Any,
    ) -> None:
        if decoder_stacks not in STACKS:
            raise ConfigError(f"decoder_stacks: expected one of {STACKS}, found {decoder_stacks!r}")
        if conf.pop("postnet_layers", 0):
            raise ConfigError("tts_conf: codes take no postnet: set postnet_layers 0")
        super().__init__(num_symbols, sum(sizes), num_speakers, postnet_layers=0, **conf)
        self.sizes = list(sizes)
        apart = decoder_stacks == "per_stream"
        if apart:
            self.decoder = StreamStacks([_fresh(self.decoder, conf) for _ in sizes])
        self.head = StreamHeads(self.head.in_features, sizes, apart)
        _initialize(self.head, conf)

    def frame_losses(
        self, decoded: Tensor, inside: Tensor, target: Tensor
    ) -> tuple[dict[str, Tensor], Statistics]:
        """Cross entropy; the share of right codes, of all streams and of the first."""
        codes = target[inside].unbind(1)
        scores = self.head(decoded[inside])
        pairs = list(zip(scores, codes, strict=True))
        loss = torch.stack([F.cross_entropy(score, code) for score, code in pairs]).mean()
        right = torch.stack([(score.argmax(1) == code).float().mean() for score, code in pairs])
        return {"ce": loss}, {"acc": right.mean(), "acc_first": right[0]}

    @torch.no_grad()
    def scores(self, batch: PhoneBatch, speed: float = 1.0) -> tuple[list[list[Tensor]], Prosody]:
        """Scores of the codes of each utterance.

        Args:
            batch: The phones.
            speed: Predicted durations are divided by it.

        Returns:
            For each utterance the scores ``(T, K)`` of each stream, and the prosody.
        """
        decoded, lens, prosody = self.decode(batch, speed)
        rows = zip(decoded, lens.tolist(), strict=True)
        return [self.head(row[:length]) for row, length in rows], prosody


def _fresh(decoder: nn.Module, conf: dict[str, Any]) -> nn.Module:
    """A decoder like this one, with weights of its own."""
    made = deepcopy(decoder)
    _initialize(made, conf)
    position = getattr(made, "embed", [None])[-1]
    if hasattr(position, "alpha"):  # what scales the positions starts where the first one's does
        position.alpha.data = decoder.embed[-1].alpha.data.clone()
    return made


def _initialize(module: nn.Module, conf: dict[str, Any]) -> None:
    kind = conf.get("init_type", "xavier_uniform")
    if kind != "pytorch":
        initialize(module, kind)
