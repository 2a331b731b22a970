"""Augmentation of packed embeddings in training: codebook dropout, SpecAugment, noise.

Legend: B utterances, N frames of all utterances together, Q codebooks, D width.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from codec_ssl.nn.packed import PackedLayout


def kept_codebooks(kind: str, rate: float, batch_size: int, num_codebooks: int) -> Tensor:
    """Choose which codebook sequences of each utterance stay.

    Args:
        kind: ``prefix`` (DAC's quantizer dropout: with probability ``rate`` an utterance keeps
            its first n codebooks, n uniform in 1..Q) or ``independent`` (each codebook but the
            first is dropped with probability ``rate``).
        rate: Probability.
        batch_size: B.
        num_codebooks: Q.

    Returns:
        bool ``(B, Q)`` on the CPU.
    """
    if kind == "independent":
        keep = torch.rand(batch_size, num_codebooks) >= rate
        keep[:, 0] = True
        return keep
    first = torch.randint(1, num_codebooks + 1, (batch_size,))
    first[torch.rand(batch_size) >= rate] = num_codebooks
    return torch.arange(num_codebooks) < first.unsqueeze(1)


@dataclass(frozen=True)
class SpecAugment:
    """Masks with zeros spans of frames and bands of embedding dimensions (Codec-ASR).

    Attributes:
        time_masks: Spans an utterance.
        time_width: Greatest length of a span, as a share of the utterance's frames.
        feature_masks: Bands an utterance.
        feature_width: Greatest width of a band, as a share of D.
    """

    time_masks: int = 10
    time_width: float = 0.05
    feature_masks: int = 2
    feature_width: float = 0.3375

    def __call__(self, x: Tensor, layout: PackedLayout) -> Tensor:
        """Mask packed embeddings ``(N, D)``."""
        lengths = torch.tensor(layout.lengths, dtype=torch.float32)
        begin, end = _spans(lengths, self.time_masks, self.time_width)
        position = layout.position.unsqueeze(1)
        begin, end = begin.to(x.device)[layout.owner], end.to(x.device)[layout.owner]
        drop = ((position >= begin) & (position < end)).any(1).unsqueeze(1)
        width = torch.full_like(lengths, x.size(1))
        begin, end = _spans(width, self.feature_masks, self.feature_width)
        channel = torch.arange(x.size(1)).view(1, -1, 1)
        bands = ((channel >= begin.unsqueeze(1)) & (channel < end.unsqueeze(1))).any(2)
        return x.masked_fill(drop | bands.to(x.device)[layout.owner], 0.0)


def _spans(sizes: Tensor, count: int, share: float) -> tuple[Tensor, Tensor]:
    """Draw ``count`` spans in [0, size) of each size: first and end place, ``(B, count)``."""
    sizes = sizes.unsqueeze(1)
    width = (torch.rand(sizes.size(0), count) * (sizes * share + 1)).floor()
    begin = (torch.rand(sizes.size(0), count) * (sizes - width + 1)).floor()
    return begin.long(), (begin + width).long()


@dataclass(frozen=True)
class EmbeddingNoise:
    """Adds Gaussian noise in proportion to each embedding's own size (Codec-ASR).

    Attributes:
        level: Standard deviation of the noise over the root mean square of the embedding.
        prob: Probability that an utterance gets noise.
    """

    level: float = 0.1
    prob: float = 0.5

    def __call__(self, x: Tensor, layout: PackedLayout) -> Tensor:
        """Add noise to packed embeddings ``(N, D)``."""
        chosen = (torch.rand(layout.batch_size) < self.prob).to(x.device, x.dtype)
        rms = x.detach().square().mean(1, keepdim=True).sqrt()
        return x + self.level * chosen[layout.owner].unsqueeze(1) * rms * torch.randn_like(x)
