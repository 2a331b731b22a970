"""HuBERT, data2vec, wav2vec 2.0, WavLM and mHuBERT through ``transformers``.

As RepCodec takes them (arXiv 2309.00169, 4.1): waveforms are normalised only if the model was
trained so, and audio beyond 100 s goes through in pieces. The authors lose a frame at each cut;
here pieces overlap by what a frame needs, so that there are as many as without cutting.

Letters: N samples, T frames.
"""

import json
import logging
from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
from torch import Tensor
from transformers import AutoFeatureExtractor, PreTrainedModel

from codec_ssl.features.blocks import SAMPLE_RATE, BlockEncoder

CHUNK_FRAMES = 5000
# transformers' own, for models that want normalised waveforms.
_VARIANCE_FLOOR = 1e-7

_logger = logging.getLogger(__name__)


class ConvEncoder(BlockEncoder):
    """A model with a convolutional front end.

    Args:
        model: One of ``transformers``, with ``encoder.layers``.
        normalize: Whether it wants waveforms of mean 0 and variance 1.
        name: Name for tables and messages.
        device: Where to compute.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        normalize: bool,
        name: str,
        device: str | torch.device = "cpu",
    ) -> None:
        config = model.config
        self.normalize = normalize
        self._convs = list(zip(config.conv_kernel, config.conv_stride, strict=True))
        self.hop = prod(config.conv_stride)
        super().__init__(
            model,
            model.encoder.layers,
            config.hidden_size,
            SAMPLE_RATE / self.hop,
            name,
            json.dumps([config.model_type, normalize]),
            device,
        )

    def frames_of(self, num_samples: int) -> int:
        """See ``WaveEncoder.frames_of``: 400 samples for the first frame, 320 for each more."""
        count = num_samples
        for kernel, stride in self._convs:
            count = (count - kernel) // stride + 1
        return max(0, count)

    def samples_for(self, num_frames: int) -> int:
        """See ``WaveEncoder.samples_for``."""
        count = num_frames
        for kernel, stride in reversed(self._convs):
            count = (count - 1) * stride + kernel
        return count

    def _run(self, wav: Tensor) -> None:
        self._model(wav.unsqueeze(0))

    def _layers_of(self, wav: Tensor, layers: Sequence[int]) -> dict[int, Tensor]:
        if self.normalize:
            wav = (wav - wav.mean()) / (wav.var(correction=0) + _VARIANCE_FLOOR).sqrt()
        frames = self.frames_of(len(wav))
        cuts = [*range(0, frames, CHUNK_FRAMES), frames]
        pieces = []
        for first, last in pairwise(cuts):
            piece = wav[first * self.hop :]
            if last < frames:  # the last piece keeps the samples behind its last frame
                piece = piece[: self.samples_for(last - first)]
            pieces.append(super()._layers_of(piece, layers))
        return {layer: torch.cat([piece[layer] for piece in pieces]) for layer in layers}


def load_conv_encoder(
    model: PreTrainedModel, source: str, name: str, device: str | torch.device
) -> ConvEncoder:
    """Wrap a model; its feature extractor's settings say whether it wants normalised waveforms.

    Args:
        model: The model.
        source: Hub id or folder that it came from.
        name: Name for tables and messages.
        device: Where to compute.
    """
    try:
        normalize = bool(AutoFeatureExtractor.from_pretrained(source).do_normalize)
    except (OSError, ValueError, AttributeError) as error:
        normalize = model.config.feat_extract_norm == "layer"
        _logger.warning(
            "%s: no preprocessor_config.json (%s); waveforms are %snormalised, as models with %s "
            "norm in front are as a rule",
            source,
            type(error).__name__,
            "" if normalize else "not ",
            model.config.feat_extract_norm,
        )
    return ConvEncoder(model, normalize, name, device)
