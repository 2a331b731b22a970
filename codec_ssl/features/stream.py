"""Stream layer features of a whole corpus in flat memory: nothing is dumped.

Pieces of about equal length are batched together, so little is padded, and an utterance longer
than ``chunk_frames`` is cut into near-equal pieces, so memory and attention cost are bounded.

Letters: B pieces in a batch, T frames of the longest, N frames of all (packed), D width.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from codec_ssl.data.audio import AudioSource, read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.features.base import SpeechEncoder
from codec_ssl.tokens.store import TokenStore

CHUNK_FRAMES = 5000
BATCH_FRAMES = 8000


@dataclass(frozen=True)
class FeatureBatch:
    """Packed features of one batch of pieces.

    Attributes:
        utt_ids: Utterance of each piece (B).
        starts: First frame of each piece within its utterance, int64 (B,); 0 unless it was cut.
        lengths: Frames of each piece, int64 (B,), summing to N.
        features: ``{layer: (N, D) float32}`` on the encoder's device, pieces one after another.
    """

    utt_ids: list[str]
    starts: np.ndarray
    lengths: np.ndarray
    features: dict[int, Tensor]


class Source(Protocol):
    """Where an encoder's inputs come from."""

    utt_ids: list[str]
    num_frames: np.ndarray
    can_cut: bool

    def read(self, utt_ids: list[str], starts: np.ndarray, lengths: np.ndarray) -> list[Tensor]:
        """Inputs of the pieces, each (T, Q) codes or (N,) samples."""
        ...


class CodeSource:
    """Codes from a token store.

    Args:
        store: The store.
        utt_ids: Utterances to take; all of the store where None.
    """

    can_cut = True

    def __init__(self, store: TokenStore, utt_ids: Sequence[str] | None = None) -> None:
        self._store = store
        self.utt_ids = list(store.utt_ids if utt_ids is None else utt_ids)
        self.num_frames = np.array([store.num_frames(utt) for utt in self.utt_ids], dtype=np.int64)

    def read(self, utt_ids: list[str], starts: np.ndarray, lengths: np.ndarray) -> list[Tensor]:
        """Codes (T, Q) of each piece."""
        codes, totals = self._store.read(utt_ids)
        firsts = np.cumsum(totals) - totals + starts
        rows = torch.as_tensor(codes)
        return [rows[first : first + length] for first, length in zip(firsts, lengths, strict=True)]


class WavSource:
    """Waveforms of a data dir.

    Args:
        data_dir: The data dir.
        sample_rate: Rate that the encoder takes, Hz.
        num_frames: Frames of each utterance to make.
        num_samples: Samples of each utterance to read, which make so many frames: here all sets
            of utterances meet, whatever counted their frames. Audio is cut to them, or continued
            with silence, for instance for a codec's last frame.
    """

    can_cut = False

    def __init__(
        self,
        data_dir: DataDir,
        sample_rate: int,
        num_frames: dict[str, int],
        num_samples: dict[str, int],
    ) -> None:
        self._data_dir, self._sample_rate, self._num_samples = data_dir, sample_rate, num_samples
        self.utt_ids = list(num_frames)
        self.num_frames = np.array(list(num_frames.values()), dtype=np.int64)

    def read(self, utt_ids: list[str], starts: np.ndarray, lengths: np.ndarray) -> list[Tensor]:
        """Samples (N,) of each utterance."""
        return [
            self._samples(self._data_dir.source(utt), self._num_samples[utt]) for utt in utt_ids
        ]

    def _samples(self, source: AudioSource, num_samples: int) -> Tensor:
        samples, _ = read_audio(source, self._sample_rate)
        wav = torch.zeros(num_samples)
        kept = torch.from_numpy(samples[:num_samples])
        wav[: len(kept)] = kept
        return wav


@torch.no_grad()
def stream_features(
    encoder: SpeechEncoder,
    source: Source,
    layers: Sequence[int],
    *,
    batch_frames: int = BATCH_FRAMES,
    chunk_frames: int = CHUNK_FRAMES,
) -> Iterator[FeatureBatch]:
    """Features of every utterance of a source, shortest first.

    The order depends on lengths and ids alone, never on ``batch_frames`` or the device.

    Args:
        encoder: The frozen model.
        source: Its inputs.
        layers: Layers to compute, in one pass.
        batch_frames: Most padded frames in a batch (one piece at least).
        chunk_frames: Longest piece, in frames.

    Yields:
        One ``FeatureBatch`` at a time; nothing is kept between batches.

    Raises:
        ConfigError: If a layer doesn't exist.
    """
    encoder.check_layers(layers)
    owners, starts, lengths = _plan(source, chunk_frames if source.can_cut else None)
    for begin, end in batch_slices(lengths, batch_frames):
        utt_ids = [source.utt_ids[owner] for owner in owners[begin:end]]
        inputs = source.read(utt_ids, starts[begin:end], lengths[begin:end])
        features = encode_packed(encoder, inputs, lengths[begin:end], layers)
        yield FeatureBatch(utt_ids, starts[begin:end], lengths[begin:end], features)


def _plan(source: Source, chunk_frames: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pieces as (owner, start, length), sorted by length, then utterance id, then start."""
    totals = source.num_frames
    pieces = np.ones_like(totals) if chunk_frames is None else -(-totals // chunk_frames)
    pieces = np.maximum(pieces, 1)
    owners = np.repeat(np.arange(len(totals)), pieces)
    nth = np.arange(len(owners)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    count, total = pieces[owners], totals[owners]
    starts = nth * total // count
    lengths = (nth + 1) * total // count - starts
    rank = np.empty(len(totals), dtype=np.int64)
    rank[sorted(range(len(totals)), key=source.utt_ids.__getitem__)] = np.arange(len(totals))
    order = np.lexsort((starts, rank[owners], lengths))
    return owners[order], starts[order], lengths[order]


def batch_slices(
    lengths: Sequence[int] | np.ndarray, batch_frames: int
) -> Iterator[tuple[int, int]]:
    """Slices of ascending lengths whose padded size stays within ``batch_frames``."""
    begin = 0
    for index, length in enumerate(lengths):
        if index > begin and (index - begin + 1) * length > batch_frames:
            yield begin, index
            begin = index
    if begin < len(lengths):
        yield begin, len(lengths)


def encode_packed(
    encoder: SpeechEncoder, inputs: list[Tensor], lengths: np.ndarray, layers: Sequence[int]
) -> dict[int, Tensor]:
    """Pad, encode, and pack the valid frames of each layer.

    Args:
        encoder: The frozen model.
        inputs: Codes (T, Q) or samples (n,) of each piece.
        lengths: Frames that each must give, (B,).
        layers: Layers to compute.

    Returns:
        ``{layer: (N, D) float32}`` on the encoder's device, pieces one after another.

    Raises:
        RuntimeError: If the encoder gives other frames than it promised.
    """
    lens = torch.tensor([len(item) for item in inputs], device=encoder.device)
    padded = torch.nn.utils.rnn.pad_sequence(inputs, batch_first=True).to(encoder.device)
    features, frame_lens = encoder.encode(padded, lens, layers)
    wanted = torch.as_tensor(lengths, device=frame_lens.device)
    if not torch.equal(frame_lens.long(), wanted):
        raise RuntimeError(f"{encoder.name} gave {frame_lens.tolist()} frames, not {lengths}")
    first = next(iter(features.values()))
    inside = torch.arange(first.shape[1], device=first.device) < wanted[:, None]
    return {layer: values[inside].float() for layer, values in features.items()}
