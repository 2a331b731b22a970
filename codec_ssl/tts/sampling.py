"""Choosing codes from their scores.

Legend: T frames, Q streams, K codebook size.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from codec_ssl.errors import ConfigError

METHODS = ("greedy", "sample")


@dataclass(frozen=True)
class Sampling:
    """How codes are chosen.

    Attributes:
        method: ``greedy`` takes the best, ``sample`` draws.
        temperature: Scores are divided by it before drawing.
        top_k: Draws among so many best; 0 among all.
        seed: Of the draws; an utterance's depend on it and on its id, not on its neighbours.

    Raises:
        ConfigError: There is no such method, or a value is out of range.
    """

    method: str = "greedy"
    temperature: float = 1.0
    top_k: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"sampling: expected one of {METHODS}, found {self.method!r}")
        if self.temperature <= 0 or self.top_k < 0:
            raise ConfigError(f"sampling: expected temperature > 0 and top_k >= 0, found {self}")


def choose(scores: Sequence[Tensor], sampling: Sampling, utt_id: str) -> Tensor:
    """Choose the codes of an utterance.

    Args:
        scores: Of each of Q streams ``(T, K)``.
        sampling: How.
        utt_id: The utterance.

    Returns:
        ``(T, Q)`` int64 on the CPU.
    """
    if sampling.method == "greedy":
        return torch.stack([stream.argmax(1) for stream in scores], 1).cpu()
    generator = torch.Generator().manual_seed(zlib.crc32(f"{sampling.seed} {utt_id}".encode()))
    return torch.stack([_draw(stream, sampling, generator) for stream in scores], 1)


def _draw(scores: Tensor, sampling: Sampling, generator: torch.Generator) -> Tensor:
    scores = scores.float().cpu() / sampling.temperature
    if 0 < sampling.top_k < scores.size(1):
        least = scores.topk(sampling.top_k, dim=1).values[:, -1:]
        scores = scores.masked_fill(scores < least, -torch.inf)
    return torch.multinomial(scores.softmax(1), 1, generator=generator)[:, 0]
