"""Whisper's encoder on audio of any length (RepCodec, arXiv 2309.00169, 4.1).

Whisper itself pads or cuts to 30 s. As RepCodec takes it, log-mel frames are those of the audio,
positions go on as the sinusoids that they are, the norm behind the last block is left out, and
``samples // 320`` frames are kept.

Letters: N samples, T frames, D width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import WhisperFeatureExtractor
from transformers.models.whisper.modeling_whisper import WhisperEncoder as Encoder
from transformers.models.whisper.modeling_whisper import sinusoids

from codec_ssl.features.blocks import SAMPLE_RATE, BlockEncoder

HOP = 320


class WhisperEncoder(BlockEncoder):
    """The encoder of a Whisper model.

    Args:
        encoder: The model's encoder.
        extractor: Makes its log-mel spectra.
        name: Name for tables and messages.
        device: Where to compute.
    """

    def __init__(
        self,
        encoder: Encoder,
        extractor: WhisperFeatureExtractor,
        name: str,
        device: str | torch.device = "cpu",
    ) -> None:
        self._extractor = extractor
        settings = f"whisper{extractor.feature_size}"
        width = encoder.config.d_model
        super().__init__(encoder, encoder.layers, width, SAMPLE_RATE / HOP, name, settings, device)

    def frames_of(self, num_samples: int) -> int:
        """See ``WaveEncoder.frames_of``."""
        return num_samples // HOP

    def samples_for(self, num_frames: int) -> int:
        """See ``WaveEncoder.samples_for``."""
        return num_frames * HOP

    def _run(self, wav: Tensor) -> None:
        mel = self._extractor(
            wav.cpu().numpy(),
            sampling_rate=SAMPLE_RATE,
            padding="do_not_pad",
            truncation=False,
            return_tensors="pt",
        ).input_features
        x = F.gelu(self._model.conv1(mel.to(self.device)))
        x = F.gelu(self._model.conv2(x)).transpose(1, 2)
        x = x + self._positions(x.size(1))
        for block in self._blocks:
            x = block(x, None)

    def _positions(self, length: int) -> Tensor:
        """Positions ``(T, D)``: the model's own, and the same sinusoids behind them."""
        known = self._model.embed_positions.weight
        if length <= len(known):
            return known[:length]
        more = sinusoids(length, self.width)[len(known) :]
        return torch.cat((known, more.to(known)))
