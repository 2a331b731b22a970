"""Decoder-only ASR as ESPnet's trainer wants a model: a loss, statistics and a weight."""

from typing import Any

from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import Tensor

from codec_ssl.asr.decoder_only import DecoderOnlyASR


class ESPnetDecoderOnlyASR(AbsESPnetModel):
    """Wraps a :class:`DecoderOnlyASR`.

    Args:
        asr: The model.
    """

    def __init__(self, asr: DecoderOnlyASR) -> None:
        super().__init__()
        self.asr = asr

    def forward(
        self, text: Tensor, text_lengths: Tensor, **speech: Any
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Compute the loss of one packed batch.

        Args:
            text: Pieces of all utterances end to end.
            text_lengths: ``(B,)``.
            speech: ``codes`` (N, Q) and ``codes_lengths`` (B,), or ``features`` (N, F) and
                ``features_lengths``; and the utterance ids, which ESPnet adds.

        Returns:
            Loss, statistics, and number of predicted tokens, each of shape ``(1,)``.
        """
        name = "codes" if "codes" in speech else "features"
        loss, stats, count = self.asr(speech[name], speech[f"{name}_lengths"], text, text_lengths)
        return force_gatherable((loss, stats, count), loss.device)

    def collect_feats(self, **batch: Tensor) -> dict[str, Tensor]:
        """Nothing to collect: lengths come from indexes and transcripts."""
        return {}
