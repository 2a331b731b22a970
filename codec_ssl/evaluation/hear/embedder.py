"""Embeddings of sounds by a frozen encoder, as EnCodecMAE is evaluated (arXiv 2309.07391).

A sound goes through in chunks of four seconds, as long as the crops of the training. Frames of
all chunks together are its timestamp embeddings; their mean over time is its scene embedding.

Letters: U sounds, N samples, T frames, D width.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from codec_ssl.errors import ConfigError
from codec_ssl.features.base import WaveEncoder
from codec_ssl.features.stream import batch_slices, encode_packed
from codec_ssl.tokens.files import text_digest

type Pooling = Literal["mean", "mean_std"]

POOLINGS = get_args(Pooling.__value__)
CHUNK_SECONDS = 4.0
# A tail that is no longer (2048 samples of 24 kHz) belongs to the chunk before it.
_MIN_TAIL_SECONDS = 2048 / 24000
_BATCH_FRAMES = 4800
# Sounds wait for others of about their length: so many batches at a time.
_GROUP_BATCHES = 8


@dataclass(frozen=True)
class _Piece:
    """A chunk of a sound: whose, its samples (n,), and its frames."""

    owner: int
    wav: Tensor
    num_frames: int


class Embedder:
    """Frames and scene embeddings of sounds.

    Args:
        encoder: The frozen encoder.
        layer: Layer to take; None the last one.
        pooling: ``mean`` over time, or ``mean_std``: standard deviations behind the means.
        chunk_seconds: Longest piece that the encoder sees at once, to a whole frame.
        batch_frames: Most padded frames in a batch.

    Attributes:
        width: D, of a frame.
        scene_width: Of a scene embedding: D, or 2 D with standard deviations.

    Raises:
        ConfigError: If there is no such layer or pooling, or a chunk has no frame.
    """

    def __init__(
        self,
        encoder: WaveEncoder,
        layer: int | None = None,
        *,
        pooling: Pooling = "mean",
        chunk_seconds: float = CHUNK_SECONDS,
        batch_frames: int = _BATCH_FRAMES,
    ) -> None:
        self.encoder = encoder
        encoder.cut_nothing()  # chunks are cut here
        self.layer = encoder.num_layers if layer is None else layer
        encoder.check_layers([self.layer])
        if pooling not in POOLINGS:
            raise ConfigError(f"pooling: expected one of {POOLINGS}, found {pooling!r}")
        self.pooling, self.chunk_seconds, self._batch_frames = pooling, chunk_seconds, batch_frames
        self._chunk = round(chunk_seconds * encoder.frame_rate)
        if self._chunk < 1:
            raise ConfigError(f"chunk_seconds: expected at least a frame, found {chunk_seconds:g}")
        self.width = encoder.width
        self.scene_width = encoder.width * (2 if pooling == "mean_std" else 1)

    @property
    def settings(self) -> dict[str, str | int | float]:
        """All that embeddings depend on, but the sounds."""
        return {
            "encoder": self.encoder.name,
            "fingerprint": self.encoder.fingerprint,
            "layer": self.layer,
            "pooling": self.pooling,
            "chunk_seconds": self.chunk_seconds,
        }

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the settings."""
        return text_digest(json.dumps(self.settings, sort_keys=True))

    def frames(self, wavs: Sequence[Tensor]) -> list[Tensor]:
        """Timestamp embeddings.

        Args:
            wavs: Samples (N,) of each sound at the encoder's rate. One too short for a frame is
                continued with silence.

        Returns:
            Frames (T, D) float32 of each, on the encoder's device.
        """
        found: list[list[Tensor]] = [[] for _ in wavs]
        pieces = [piece for owner, wav in enumerate(wavs) for piece in self._pieces(owner, wav)]
        order = sorted(range(len(pieces)), key=lambda place: pieces[place].num_frames)
        done: dict[int, Tensor] = {}
        for begin, end in batch_slices([pieces[p].num_frames for p in order], self._batch_frames):
            batch = order[begin:end]
            lengths = np.array([pieces[place].num_frames for place in batch])
            inputs = [pieces[place].wav for place in batch]
            with torch.no_grad():
                packed = encode_packed(self.encoder, inputs, lengths, [self.layer])[self.layer]
            done.update(zip(batch, packed.split(lengths.tolist()), strict=True))
        for place, piece in enumerate(pieces):
            found[piece.owner].append(done[place])
        return [torch.cat(parts) for parts in found]

    def scenes(self, wavs: Sequence[Tensor]) -> Tensor:
        """Scene embeddings (U, D), or (U, 2 D) with standard deviations; see ``frames``."""
        return torch.stack([self._pooled(frames) for frames in self.frames(wavs)])

    def groups(self, num_samples: Sequence[int]) -> Iterator[list[int]]:
        """Places of sounds that together fill some batches, in order of length."""
        order = sorted(range(len(num_samples)), key=lambda place: num_samples[place])
        group: list[int] = []
        held = 0
        for place in order:
            group.append(place)
            held += self.encoder.frames_of(num_samples[place])
            if held >= _GROUP_BATCHES * self._batch_frames:
                yield group
                group, held = [], 0
        if group:
            yield group

    def times(self, num_frames: int) -> Tensor:
        """Centre of each frame in milliseconds (T,), float64."""
        half = self.encoder.samples_for(1) / 2
        hop = self.encoder.sample_rate / self.encoder.frame_rate
        samples = torch.arange(num_frames, dtype=torch.float64) * hop + half
        return 1000 * samples / self.encoder.sample_rate

    def _pooled(self, frames: Tensor) -> Tensor:
        mean = frames.mean(0)
        if self.pooling == "mean":
            return mean
        return torch.cat((mean, frames.std(0, correction=0)))

    def _pieces(self, owner: int, wav: Tensor) -> Iterator[_Piece]:
        least = self.encoder.samples_for(1)
        if len(wav) < least:
            wav = torch.nn.functional.pad(wav, (0, least - len(wav)))
        total = self.encoder.frames_of(len(wav))
        hop = self.encoder.sample_rate / self.encoder.frame_rate
        for first, last in pairwise(self._cuts(total)):
            piece = wav[round(first * hop) :]
            if last < total:  # the last one keeps the samples behind its last whole frame
                piece = piece[: self.encoder.samples_for(last - first)]
            yield _Piece(owner, piece, last - first)

    def _cuts(self, total: int) -> list[int]:
        cuts = [*range(0, total, self._chunk), total]
        tail = _MIN_TAIL_SECONDS * self.encoder.frame_rate
        if len(cuts) > 2 and cuts[-1] - cuts[-2] <= tail:
            del cuts[-2]
        return cuts
