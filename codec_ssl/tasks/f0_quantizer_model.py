"""An F0 quantizer as ESPnet's trainer wants a model: a loss, statistics and a weight.

Letters: N frames of all utterances (packed), B utterances, T frames of the longest.
"""

from typing import Any

import torch
import torch.nn.functional as F
from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import Tensor

from codec_ssl.nn.quantize import histogram, perplexity
from codec_ssl.vocoder.f0_quantizer import F0Quantizer

COMMITMENT_WEIGHT = 0.02
VOICING_WEIGHT = 1.0


class ESPnetF0Quantizer(AbsESPnetModel):
    """Errors of pitch and voicing, and commitment.

    Args:
        quantizer: The plain module.
        commitment_weight: Of the commitment loss.
        voicing_weight: Of the cross entropy of voicing.
    """

    def __init__(
        self,
        quantizer: F0Quantizer,
        commitment_weight: float = COMMITMENT_WEIGHT,
        voicing_weight: float = VOICING_WEIGHT,
    ) -> None:
        super().__init__()
        self.quantizer = quantizer
        self.commitment_weight, self.voicing_weight = commitment_weight, voicing_weight

    def forward(
        self, features: Tensor, features_lengths: Tensor, **kwargs: Any
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Compute the loss of one packed batch; in training the codebook moves.

        Pitch counts where there is one, so its error is a mean over voiced frames.

        Args:
            features: Pitch and voicing ``(N, 2)``, crops or utterances end to end.
            features_lengths: ``(B,)``.
            kwargs: The utterance ids, which ESPnet adds.

        Returns:
            Loss, statistics, and number of frames, each of shape ``(1,)``.
        """
        lengths = features_lengths.tolist()
        contours = torch.nn.utils.rnn.pad_sequence(features.split(lengths), batch_first=True)
        found = self.quantizer(contours, features_lengths)
        inside = torch.arange(contours.size(1), device=contours.device)
        inside = inside < features_lengths.to(contours.device)[:, None]
        voiced = contours[..., 1]
        squares = (found.pitch - contours[..., 0]).square() * voiced
        pitch_loss = squares.sum() / voiced.sum().clamp(min=1)
        voicing_loss = F.binary_cross_entropy_with_logits(found.voicing[inside], voiced[inside])
        loss = pitch_loss + self.voicing_weight * voicing_loss
        loss = loss + self.commitment_weight * found.commitment
        counts = histogram(found.ids, self.quantizer.num_bins)
        right = ((found.voicing > 0) == (voiced > 0))[inside]
        stats = {
            "loss": loss.detach(),
            "pitch_loss": pitch_loss.detach(),
            "voicing_loss": voicing_loss.detach(),
            "voicing_error": 1 - right.float().mean(),
            "commitment_loss": found.commitment.detach(),
            "perplexity": perplexity(counts).mean(),
            "code_usage": (counts > 0).float().mean(),
        }
        return force_gatherable((loss, stats, len(features)), loss.device)

    def collect_feats(self, **batch: Tensor) -> dict[str, Tensor]:
        """Nothing to collect: lengths come from the cache."""
        return {}
