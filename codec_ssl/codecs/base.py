"""The contract of a frozen codec, and how one is found by name.

B batch, N samples, T frames, Q codebooks, K codebook size, D latent width.
"""

import hashlib
import json
import logging
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import soxr
import torch
from torch import Tensor, nn

from codec_ssl.errors import CodecError

PRECISIONS = ("fp32", "bf16")

_logger = logging.getLogger(__name__)


class Codec(nn.Module):
    """A frozen waveform codec: always in eval mode, without gradients, all its codebooks.

    An utterance gets the same codes alone, in a batch and in chunks of a long file. Batches and
    chunks are computed so that every frame sees what it sees alone; what remains is the rounding
    of float32 sums, which may decide a tie between two entries differently. Each subclass says
    what was measured.

    Args:
        name: Name of the codec, for reports and stores.
        sample_rate: Rate of the waveform, in Hz.
        hop_length: Samples a frame.
        num_codebooks: Codebooks used, Q.
        codebook_size: Entries of a codebook, K.
        latent_dim: Width of the latent before and after quantization, D.
        config: What decides the codes besides the weights; part of the fingerprint.
        precision: ``fp32`` (TF32 is kept off too, so that devices agree), or ``bf16`` autocast of
            the encoder: faster on some devices, with other codes.
    """

    def __init__(
        self,
        name: str,
        *,
        sample_rate: int,
        hop_length: int,
        num_codebooks: int,
        codebook_size: int,
        latent_dim: int,
        config: Mapping[str, Any],
        precision: str = "fp32",
    ) -> None:
        super().__init__()
        if precision not in PRECISIONS:
            raise CodecError(f"codec {name}: precision is one of {PRECISIONS}, found {precision!r}")
        self.name = name
        self.sample_rate = int(sample_rate)
        self.hop_length = int(hop_length)
        self.num_codebooks = int(num_codebooks)
        self.codebook_size = int(codebook_size)
        self.latent_dim = int(latent_dim)
        self.config = dict(config)
        self.precision = precision

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode, whatever the parent module asks for."""
        return super().train(False)

    def freeze(self) -> Self:
        """Turn gradients off and eval mode on. Every loader calls it once the weights are in."""
        self.requires_grad_(False)
        return self.eval()

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self.sample_rate / self.hop_length

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of weights and configuration: equal on every device and in every process."""
        digest = hashlib.sha256()
        settings = {
            "sample_rate": self.sample_rate,
            "hop_length": self.hop_length,
            "num_codebooks": self.num_codebooks,
            "codebook_size": self.codebook_size,
            "precision": self.precision,
            "config": self.config,
        }
        digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
        for key, value in sorted(self.state_dict().items()):
            array = value.detach().cpu().contiguous()
            digest.update(f"{key} {array.dtype} {tuple(array.shape)}".encode())
            digest.update(array.reshape(-1).view(torch.uint8).numpy().data)
        return digest.hexdigest()

    def num_frames(self, num_samples: int) -> int:
        """Frames of an utterance: the last one may be partly filled."""
        return -(-num_samples // self.hop_length)

    def encode(
        self, wav: Tensor, wav_lens: Tensor | None = None, *, sample_rate: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Code a padded batch.

        Args:
            wav: Waveforms ``(B, N)``, float in [-1, 1].
            wav_lens: Samples of each ``(B,)``; None takes them all.
            sample_rate: Rate of ``wav`` in Hz. Another rate than the codec's is resampled, which
                is logged once a rate. None says that it is the codec's.

        Returns:
            Codes ``(B, T, Q)`` int64, zero behind the end, and frames of each ``(B,)``.

        Raises:
            CodecError: If shapes or lengths don't fit, or an utterance is empty.
        """
        latent, lens = self.latent(wav, wav_lens, sample_rate=sample_rate)
        codes = self.quantize(latent)
        return codes.masked_fill(~_valid(lens, codes.size(1))[..., None], 0), lens

    def latent(
        self, wav: Tensor, wav_lens: Tensor | None = None, *, sample_rate: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return what the quantizer gets: ``(B, T, D)`` float32, and lengths; see ``encode``."""
        wav, lens = self._check_batch(wav, wav_lens)
        if sample_rate is not None and sample_rate != self.sample_rate:
            wav, lens = self._resampled(wav, lens, sample_rate)
        with self._numerics(), self._autocast():
            latent = self._encode(wav.to(self.device), lens).float()
        frames = torch.tensor([self.num_frames(n) for n in lens], device=self.device)
        return latent.masked_fill(~_valid(frames, latent.size(1))[..., None], 0.0), frames

    def quantize(self, latent: Tensor) -> Tensor:
        """Return the codes ``(B, T, Q)`` of a latent ``(B, T, D)``."""
        with self._numerics():
            return self._quantize(latent.float())

    def dequantize(self, codes: Tensor) -> Tensor:
        """Return the quantized latent ``(B, T, D)`` of codes ``(B, T, Q)``."""
        with self._numerics():
            vectors = self.codebook_vectors()
            return sum(vectors[q][codes[..., q]] for q in range(codes.size(-1)))

    def decode(self, codes: Tensor, code_lens: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Turn codes ``(B, T, Q)`` into waveforms ``(B, T * hop)`` and their lengths in samples.

        The true length of an utterance isn't in its codes: cut the result where it is known.
        Rows of equal length are decoded together. The first ``Q' <= Q`` codebooks will do.

        Raises:
            CodecError: If a code is out of range or a length doesn't fit.
        """
        codes = codes.to(self.device)
        if codes.dim() != 3 or not 1 <= codes.size(2) <= self.num_codebooks:
            expected = f"(B, T, {self.num_codebooks}) or fewer codebooks"
            raise CodecError(f"codec {self.name}: expected {expected}, found {tuple(codes.shape)}")
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < self.codebook_size:
            raise CodecError(
                f"codec {self.name}: codes are 0..{self.codebook_size - 1}, "
                f"found {int(codes.min())}..{int(codes.max())}"
            )
        lens = _lengths(code_lens, codes.size(0), codes.size(1), self.name)
        rows: dict[int, Tensor] = {}
        for length, members in _equal(lens).items():
            with self._numerics():
                wavs = self._decode(codes[members, :length])
            wavs = nn.functional.pad(wavs, (0, self._num_samples(length) - wavs.size(-1)))
            rows.update(zip(members, wavs, strict=True))
        wav = nn.utils.rnn.pad_sequence([rows[i] for i in range(len(lens))], batch_first=True)
        return wav, torch.tensor([self._num_samples(n) for n in lens], device=self.device)

    def encode_stream(
        self, blocks: Iterable[np.ndarray], chunk_seconds: float = 30.0
    ) -> Iterator[Tensor]:
        """Code a signal of any length in flat memory.

        Args:
            blocks: Consecutive samples ``(n,)`` at the codec's rate, in pieces of any size.
            chunk_seconds: Audio coded at a time, context apart.

        Yields:
            Consecutive codes ``(t, Q)`` int64 on the CPU; together those of the whole signal.

        Raises:
            CodecError: If there is no sample at all.
        """
        chunk = max(1, round(chunk_seconds * self.sample_rate / self.hop_length)) * self.hop_length
        pieces = (torch.as_tensor(b, dtype=torch.float32)[None, None] for b in blocks if len(b))
        latents = self._latent_stream((piece.to(self.device) for piece in pieces), chunk)
        empty = True
        while True:
            # A generator must not hold a grad mode open while its consumer runs.
            with self._numerics():
                with self._autocast():
                    latent = next(latents, None)
                if latent is None:
                    break
                codes = self._quantize(latent.float().transpose(1, 2))[0].cpu()
            empty = False
            yield codes
        if empty:
            raise CodecError(f"codec {self.name}: the audio has no samples", stage="data")

    @abstractmethod
    def codebook_vectors(self) -> Tensor:
        """Return ``(Q, K, D)``: rows whose sum over the codebooks is the quantized latent."""

    @abstractmethod
    def _encode(self, wav: Tensor, lens: list[int]) -> Tensor:
        """Latent ``(B, T, D)`` of ``(B, N)``; values behind the end of a row don't matter."""

    @abstractmethod
    def _quantize(self, latent: Tensor) -> Tensor:
        """Codes ``(B, T, Q)`` of the latent ``(B, T, D)``."""

    @abstractmethod
    def _decode(self, codes: Tensor) -> Tensor:
        """Waveforms ``(B, N)`` of codes ``(B, T, Q)`` that all have T frames."""

    @abstractmethod
    def _latent_stream(self, blocks: Iterator[Tensor], chunk: int) -> Iterator[Tensor]:
        """Latents ``(1, D, t)`` of blocks ``(1, 1, n)``."""

    def _num_samples(self, num_frames: int) -> int:
        return num_frames * self.hop_length

    def _check_batch(self, wav: Tensor, wav_lens: Tensor | None) -> tuple[Tensor, list[int]]:
        if wav.dim() != 2 or not wav.is_floating_point():
            raise CodecError(
                f"codec {self.name}: expected float waveforms (B, N), "
                f"found {wav.dtype} {tuple(wav.shape)}"
            )
        # A module taken out of this one may have been switched to training by hand.
        self.eval()
        return wav.float(), _lengths(wav_lens, wav.size(0), wav.size(1), self.name)

    def _resampled(self, wav: Tensor, lens: list[int], rate: int) -> tuple[Tensor, list[int]]:
        _log_resampling(self.name, rate, self.sample_rate)
        rows = [
            torch.from_numpy(soxr.resample(row[:n].cpu().numpy(), rate, self.sample_rate))
            for row, n in zip(wav, lens, strict=True)
        ]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True), [len(row) for row in rows]

    @contextmanager
    def _numerics(self) -> Iterator[None]:
        """No gradients; on a GPU, convolutions that don't depend on a search or on TF32."""
        with ExitStack() as stack:
            stack.enter_context(torch.no_grad())
            if self.device.type == "cuda":
                flags = torch.backends.cudnn.flags(
                    enabled=True, benchmark=False, deterministic=True, allow_tf32=False
                )
                stack.enter_context(flags)
            yield

    def _autocast(self) -> torch.autocast:
        enabled = self.precision == "bf16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=enabled)


def load_codec(
    spec: str | Path, device: str | torch.device = "cpu", *, precision: str | None = None
) -> Codec:
    """Load a frozen codec.

    Args:
        spec: A name in ``conf/codecs`` (``dac_16k``), the path of such a YAML file, a checkpoint
            (``dac.DAC.save(package=False)``; EnCodec's own ``.th``), or the directory of an
            ESPnet codec experiment (``config.yaml`` beside ``*.pth``).
        device: Where to put it.
        precision: ``fp32`` or ``bf16``; None takes what the configuration says.

    Raises:
        CodecError: If there is no such codec, or its weights are missing, damaged or of another
            model; the message says where they were looked for and how to get them.
    """
    # The loaders import the codecs' libraries, and their classes derive from this module's.
    from codec_ssl.codecs.config import read_spec
    from codec_ssl.codecs.loaders import loader

    config = read_spec(spec)
    if precision is not None:
        config["precision"] = precision
    return loader(config.pop("kind"))(**config).to(device)


def _lengths(lens: Tensor | None, batch: int, longest: int, name: str) -> list[int]:
    values = [longest] * batch if lens is None else [int(n) for n in lens]
    if len(values) != batch or not all(1 <= n <= longest for n in values):
        raise CodecError(
            f"codec {name}: expected {batch} lengths of 1..{longest}, found {values}", stage="data"
        )
    return values


def _equal(lens: list[int]) -> dict[int, list[int]]:
    """Group the indices of equal lengths."""
    groups: dict[int, list[int]] = {}
    for index, length in enumerate(lens):
        groups.setdefault(length, []).append(index)
    return groups


def _valid(lens: Tensor, longest: int) -> Tensor:
    return torch.arange(longest, device=lens.device) < lens[:, None]


@cache
def _log_resampling(name: str, found: int, wanted: int) -> None:
    _logger.info("codec %s: resampling audio from %d Hz to %d Hz", name, found, wanted)
