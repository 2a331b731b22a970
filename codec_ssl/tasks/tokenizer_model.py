"""A representation codec as ESPnet's trainer wants a model: a loss, statistics and a weight.

Letters: N frames of all utterances (packed), B utterances, D width, Q codebooks.
"""

from typing import Any

import torch
from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import Tensor, nn

from codec_ssl.nn.packed import PackedLayout
from codec_ssl.nn.quantize import histogram, perplexity
from codec_ssl.tokenizers.learned import (
    COMMITMENT_WEIGHT,
    RECONSTRUCTION_WEIGHT,
    RepresentationCodec,
)


class ESPnetTokenizer(AbsESPnetModel):
    """Loss of RepCodec (arXiv 2309.00169, 3.2) or of its VQ baseline.

    Args:
        codec: The plain module.
        reconstruction_weight: Of the mean squared error of the features.
        commitment_weight: Of the commitment loss.
    """

    def __init__(
        self,
        codec: RepresentationCodec,
        reconstruction_weight: float = RECONSTRUCTION_WEIGHT,
        commitment_weight: float = COMMITMENT_WEIGHT,
    ) -> None:
        super().__init__()
        self.codec = codec
        self.reconstruction_weight = reconstruction_weight
        self.commitment_weight = commitment_weight
        # Plain VQ has no parameter, and optimizers and DDP do not work without one.
        trainable = any(True for _ in codec.parameters())
        self.anchor = None if trainable else nn.Parameter(torch.zeros(()))

    def forward(
        self, features: Tensor, features_lengths: Tensor, **kwargs: Any
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Compute the loss of one packed batch; in training the codebooks move.

        Args:
            features: ``(N, D)`` in any precision, crops or utterances end to end.
            features_lengths: ``(B,)``.
            kwargs: The utterance ids, which ESPnet adds.

        Returns:
            Loss, statistics, and number of frames, each of shape ``(1,)``.
        """
        x = features.float()
        output = self.codec(x, PackedLayout.from_lengths(features_lengths, x.device))
        loss = (
            self.reconstruction_weight * output.reconstruction_loss
            + self.commitment_weight * output.commitment_loss
        )
        if self.anchor is not None:
            loss = loss + 0.0 * self.anchor
        error = output.reconstruction_loss.detach()
        stats = {
            "loss": loss.detach(),
            "reconstruction_loss": error,
            "relative_reconstruction_loss": error / x.square().mean().clamp(min=1e-20),
            "commitment_loss": output.commitment_loss.detach(),
            **self._code_stats(output.ids),
        }
        return force_gatherable((loss, stats, len(x)), loss.device)

    def _code_stats(self, ids: Tensor) -> dict[str, Tensor]:
        """Perplexity and share of entries in use, of this batch, for each of Q codebooks."""
        counts = histogram(ids, self.codec.quantizer.codebooks.size)
        used = (counts > 0).float().mean(1)
        stats = {f"perplexity_{n}": value for n, value in enumerate(perplexity(counts), 1)}
        stats |= {f"usage_{n}": value for n, value in enumerate(used, 1)}
        return stats | {"code_usage": used.mean()}

    def collect_feats(self, **batch: Tensor) -> dict[str, Tensor]:
        """Nothing to collect: lengths come from the cache or the store."""
        return {}
