"""Which utterances and frames a probe looks at: drawn once, equal for every system.

Letters: U utterances, M drawn frames, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from codec_ssl.data.alignment import frame_labels
from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError
from codec_ssl.features.base import SpeechEncoder
from codec_ssl.features.factory import make_source
from codec_ssl.features.stream import FeatureBatch, stream_features
from codec_ssl.tokens.store import TokenStore


@dataclass(frozen=True)
class Split:
    """A labelled part of the corpus: its data dir, and the codes of its audio."""

    name: str
    data_dir: DataDir
    store: TokenStore


@dataclass(frozen=True)
class Sample:
    """The utterances and frames of one split that every system is scored on.

    Attributes:
        split: Where they come from.
        utt_ids: Utterances (U), sorted.
        owners: Position in ``utt_ids`` of each drawn frame (M,), ascending.
        frames: Number of each drawn frame within its utterance (M,), ascending in an utterance.
        phones: Phone of each drawn frame (M,); empty if the split has no alignments.
    """

    split: Split
    utt_ids: list[str]
    owners: np.ndarray
    frames: np.ndarray
    phones: np.ndarray


def draw_sample(
    split: Split, *, with_phones: bool, max_utterances: int, max_frames: int, seed: int
) -> Sample:
    """Draw utterances, then aligned frames in them, uniformly without replacement.

    Raises:
        DataError: If the data dir and the store have no utterance in common.
    """
    known = set(split.store.utt_ids)
    shared = sorted(utt for utt in split.data_dir.utt_ids if utt in known)
    if not shared:
        raise DataError(
            f"{split.data_dir.path} and {split.store.path}: expected shared utterances, found none",
            stage="tokens",
        )
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(shared))[:max_utterances]
    utt_ids = [shared[i] for i in sorted(chosen)]
    owners, frames, phones = _aligned_frames(split, utt_ids, with_phones)
    picked = np.sort(random.permutation(len(owners))[:max_frames])
    return Sample(split, utt_ids, owners[picked], frames[picked], phones[picked])


def _aligned_frames(
    split: Split, utt_ids: list[str], with_phones: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every frame that has a phone: owners, frame numbers and phones."""
    alignments = split.data_dir.phones if with_phones else {}
    owners, frames, phones = [np.empty(0, int)], [np.empty(0, int)], [np.empty(0, str)]
    for owner, utt in enumerate(utt_ids):
        if utt in alignments:
            count = split.store.num_frames(utt)
            labels = np.array(frame_labels(alignments[utt], count, split.store.meta.frame_rate))
            numbers = np.flatnonzero(labels != "")
            owners.append(np.full(len(numbers), owner))
            frames.append(numbers)
            phones.append(labels[numbers])
    return np.concatenate(owners), np.concatenate(frames), np.concatenate(phones)


@dataclass(frozen=True)
class Collected:
    """Features of a sample: ``frames[layer]`` (M, D) and ``pooled[layer]`` (U, D), float32."""

    frames: dict[int, Tensor]
    pooled: dict[int, Tensor]


def collect(encoder: SpeechEncoder, sample: Sample, layers: Sequence[int]) -> Collected:
    """Drawn frames and mean-pooled utterances of all layers, in one pass over the sample.

    Memory is (M + U) * D * 4 bytes a layer, whatever the utterances' lengths.
    """
    offsets = np.searchsorted(sample.owners, np.arange(len(sample.utt_ids) + 1))
    position = {utt: i for i, utt in enumerate(sample.utt_ids)}
    frames = {layer: _zeros(encoder, len(sample.owners)) for layer in layers}
    pooled = {layer: _zeros(encoder, len(sample.utt_ids)) for layer in layers}
    split = sample.split
    source = make_source(encoder, split.store, sample.utt_ids, split.data_dir)
    for batch in stream_features(encoder, source, layers):
        owners = np.array([position[utt] for utt in batch.utt_ids])
        rows, columns = _drawn_rows(batch, owners, offsets, sample.frames)
        lengths, targets = (
            torch.as_tensor(values, device=encoder.device) for values in (batch.lengths, owners)
        )
        for layer, features in batch.features.items():
            frames[layer][rows] = features[torch.as_tensor(columns, device=features.device)]
            sums = torch.segment_reduce(features, "sum", lengths=lengths)
            pooled[layer].index_add_(0, targets, sums)
    totals = torch.as_tensor(source.num_frames, device=encoder.device)[:, None].clamp_min(1)
    return Collected(frames, {layer: sums / totals for layer, sums in pooled.items()})


def _zeros(encoder: SpeechEncoder, rows: int) -> Tensor:
    return torch.zeros(rows, encoder.width, device=encoder.device)


def _drawn_rows(
    batch: FeatureBatch, owners: np.ndarray, offsets: np.ndarray, frames: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the sample that lie in a batch, and their places in its packed features."""
    rows, columns = [np.empty(0, int)], [np.empty(0, int)]
    firsts = np.cumsum(batch.lengths) - batch.lengths
    pieces = zip(owners, batch.starts, batch.lengths, firsts, strict=True)
    for owner, start, length, first in pieces:
        low, high = offsets[owner], offsets[owner + 1]
        inside = low + np.searchsorted(frames[low:high], [start, start + length])
        rows.append(np.arange(inside[0], inside[1]))
        columns.append(first + frames[inside[0] : inside[1]] - start)
    return np.concatenate(rows), np.concatenate(columns)
