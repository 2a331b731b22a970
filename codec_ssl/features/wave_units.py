"""What turns waveforms into codes: a codec here, an encoder and a tokenizer in ``tokenizers``.

Either may keep the codes by the content of the waveform, so that each file is coded once however
often, and by whomever, it comes along.

Letters: B batch, N samples, T frames, Q codebooks, K codebook size, D width.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from codec_ssl.codecs.base import Codec
from codec_ssl.codecs.extract import maker_of
from codec_ssl.tokens.content_cache import ContentCache


class WaveUnits(ABC):
    """Waveforms in, codes out.

    Attributes:
        name: Short name for tables and messages.
        sample_rate: Rate of the waveforms, Hz.
        frame_rate: Frames a second.
        sizes: K of each codebook.
        maker: What token stores record about it.
        fingerprint: Changes whenever the same waveform could give other codes.
        device: Where it computes.
    """

    name: str
    sample_rate: int
    frame_rate: float
    sizes: list[int]
    maker: Mapping[str, Any]
    fingerprint: str
    device: torch.device

    @abstractmethod
    def encode(self, wav: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
        """Code a padded batch.

        Args:
            wav: Waveforms (B, N).
            lens: Samples of each (B,).

        Returns:
            Codes (B, T, Q) int64, with anything behind the end, and frames of each (B,).
        """

    @abstractmethod
    def frames_of(self, num_samples: int) -> int:
        """Frames that so many samples give."""

    @abstractmethod
    def samples_for(self, num_frames: int) -> int:
        """Least number of samples that give so many frames."""

    @abstractmethod
    def vectors(self) -> Tensor:
        """Vectors (Q, K, D) whose sum over Q stands for a frame."""


class CodecUnits(WaveUnits):
    """The codes of a codec.

    Args:
        codec: The codec, on the device where it computes.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self.name, self.device, self.fingerprint = codec.name, codec.device, codec.fingerprint
        self.sample_rate, self.frame_rate = codec.sample_rate, codec.frame_rate
        self.sizes, self.maker = [codec.codebook_size] * codec.num_codebooks, maker_of(codec)

    def encode(self, wav: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
        """See ``WaveUnits.encode``."""
        return self._codec.encode(wav.to(self.device), lens)

    def frames_of(self, num_samples: int) -> int:
        """See ``WaveUnits.frames_of``."""
        return self._codec.num_frames(num_samples)

    def samples_for(self, num_frames: int) -> int:
        """Samples of so many whole frames."""
        return num_frames * self._codec.hop_length

    def vectors(self) -> Tensor:
        """The codebooks, whose sum is the quantized latent."""
        return self._codec.codebook_vectors()


class CachedUnits(WaveUnits):
    """Codes that are made once for each content of a waveform, and found from then on.

    Args:
        units: Makes them.
        folder: Folder of ``ContentCache``.
    """

    def __init__(self, units: WaveUnits, folder: str | Path) -> None:
        self._units = units
        self.name, self.device, self.fingerprint = units.name, units.device, units.fingerprint
        self.sample_rate, self.frame_rate = units.sample_rate, units.frame_rate
        self.sizes, self.maker = units.sizes, units.maker
        self.cache = ContentCache(
            folder,
            sizes=units.sizes,
            frame_rate=units.frame_rate,
            sample_rate=units.sample_rate,
            maker=units.maker,
        )

    def encode(self, wav: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
        """See ``WaveUnits.encode``; only new waveforms are coded, one batch of them."""
        rows = [row[:n] for row, n in zip(wav.detach().float(), lens.tolist(), strict=True)]
        keys = [hashlib.sha256(row.cpu().numpy().tobytes()).digest() for row in rows]
        known = {key: self.cache.get(key) for key in keys}
        new = {key: row for key, row in zip(keys, rows, strict=True) if known[key] is None}
        if new:
            sizes = torch.tensor([len(row) for row in new.values()], device=wav.device)
            codes, counts = self._units.encode(pad_sequence([*new.values()], True), sizes)
            for key, found, count in zip(new, codes.cpu().numpy(), counts.tolist(), strict=True):
                known[key] = found[:count]
                self.cache.add(key, found[:count])
        found = [torch.from_numpy(known[key]) for key in keys]
        frames = torch.tensor([len(codes) for codes in found], device=self.device)
        return pad_sequence(found, batch_first=True).to(self.device), frames

    def frames_of(self, num_samples: int) -> int:
        """See ``WaveUnits.frames_of``."""
        return self._units.frames_of(num_samples)

    def samples_for(self, num_frames: int) -> int:
        """See ``WaveUnits.samples_for``."""
        return self._units.samples_for(num_frames)

    def vectors(self) -> Tensor:
        """See ``WaveUnits.vectors``."""
        return self._units.vectors()
