"""EnCodecMAE as ESPnet's trainer wants a model, with what is frozen in front of it.

Legend: B crops, N frames of all of them, S samples of the longest, Q codebooks, F width of the
input features.
"""

from collections.abc import Mapping
from typing import Any

import torch
from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import Tensor

from codec_ssl.codecs.base import Codec
from codec_ssl.features.base import WaveEncoder
from codec_ssl.features.baselines import CodecEmbeddings
from codec_ssl.features.codec_latents import CodecLatents
from codec_ssl.nn.packed import PackedLayout
from codec_ssl.ssl.encodecmae import EncodecMAE

Batch = Mapping[str, Tensor]


class FrozenFront:
    """Input features and codes of a batch, as far as they don't come with it; no gradient.

    None of its parts is in a checkpoint.

    Args:
        source: Input features of waveforms.
        codec: Codes of waveforms.
        table: Features of codes, for the input ``quantized`` where the batches bring codes.
        wants_codes: Whether the target needs codes.
    """

    def __init__(
        self,
        source: WaveEncoder | None,
        codec: Codec | None,
        table: CodecEmbeddings | None,
        wants_codes: bool,
    ) -> None:
        self._source, self._codec, self._table = source, codec, table
        self._wants_codes = wants_codes

    @torch.no_grad()
    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """Features ``(N, F)`` float32 and codes ``(N, Q)``, which are None if nothing wants them.

        The codec computes in its own precision, whatever that of the training is.
        """
        with torch.autocast(batch["lengths"].device.type, enabled=False):
            layout = PackedLayout.from_lengths(batch["lengths"], batch["lengths"].device)
            features, latent = batch.get("features"), None
            if features is None:
                features, latent = self._features(batch, layout)
            codes = batch.get("codes")
            if codes is None and self._wants_codes:
                if latent is None:
                    latent = self._latent(batch)
                codes = layout.pack(self._codec.quantize(latent))
        return features.float(), codes

    def _features(self, batch: Batch, layout: PackedLayout) -> tuple[Tensor, Tensor | None]:
        """Packed features, and the codec's padded latent if it was computed on the way."""
        if self._table is not None:
            return self._table.encode(batch["codes"], batch["lengths"], [0])[0][0], None
        if not isinstance(self._source, CodecLatents):
            found, _ = self._source.encode(batch["audio"], batch["audio_lengths"].cpu(), [0])
            return layout.pack(found[0]), None
        latent = self._latent(batch)
        if not self._source.quantized:
            return layout.pack(latent), latent
        return layout.pack(self._codec.dequantize(self._codec.quantize(latent))), latent

    def _latent(self, batch: Batch) -> Tensor:
        return self._codec.latent(batch["audio"], batch["audio_lengths"].cpu())[0]


class ESPnetEncodecMAE(AbsESPnetModel):
    """Wraps an :class:`EncodecMAE`.

    Args:
        encodecmae: The model.
        front: What makes its input.
    """

    def __init__(self, encodecmae: EncodecMAE, front: FrozenFront) -> None:
        super().__init__()
        self.encodecmae = encodecmae
        self.front = front

    def forward(self, **batch: Any) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Compute the loss of one batch.

        Args:
            batch: ``lengths`` (B,), and as far as they are there ``audio`` (B, S) with
                ``audio_lengths`` (B,), ``features`` (N, F), ``codes`` (N, Q), ``labels`` (N, 1);
                ESPnet adds the utterance ids.

        Returns:
            Loss, statistics, and number of masked frames, each of shape ``(1,)``.
        """
        features, codes = self.front(batch)
        loss, stats, weight = self.encodecmae(
            features, batch["lengths"], codes, batch.get("labels")
        )
        return force_gatherable((loss, stats, weight), loss.device)

    def collect_feats(self, **batch: Tensor) -> dict[str, Tensor]:
        """Nothing to collect: lengths come from stores and headers."""
        return {}
