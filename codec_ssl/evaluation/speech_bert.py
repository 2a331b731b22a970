"""Speech BERT score: how well frames of the decoded speech find their like in the original.

Features are a layer of WavLM or HuBERT; of every decoded frame, the cosine with the most similar
original frame; the mean is the score (the precision of SpeechBERTScore). VERSA takes layer 14 of
WavLM large, on waveforms as they are. The order of frames does not matter, so none are aligned.

Letters: N samples, T frames, D width.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from codec_ssl.errors import ConfigError
from codec_ssl.evaluation.pair import resample
from codec_ssl.evaluation.signal import check_signals
from codec_ssl.features.huggingface import ConvEncoder
from codec_ssl.features.pretrained import load_pretrained, read_spec

LAYER = 14


class SpeechBert:
    """The score with one model.

    Args:
        source: Name of ``conf/encoders``, hub id, or folder in transformers' format.
        layer: Layer of it, 1-based.
        device: Where to compute.

    Raises:
        ConfigError: If there is no such model or layer, or it has no convolutions in front.
        CheckpointError: If it cannot be loaded.
    """

    def __init__(self, source: str, layer: int = LAYER, device: str | torch.device = "cpu") -> None:
        spec = read_spec(source)
        if spec is None:
            raise ConfigError(
                f"speech BERT score: expected a name of conf/encoders, a hub id or a folder with "
                f"config.json, found {source!r}"
            )
        encoder = load_pretrained(spec, device)
        if not isinstance(encoder, ConvEncoder):
            raise ConfigError(f"speech BERT score: expected WavLM or HuBERT, found {spec.model}")
        encoder.check_layers([layer])
        encoder.normalize = False  # as SpeechBERTScore, also for models that were trained so
        self._encoder, self._layer = encoder, layer

    def __call__(self, reference: np.ndarray, decoded: np.ndarray, sample_rate: int) -> float:
        """The score of two signals.

        Args:
            reference: ``(N,)`` float32.
            decoded: ``(M,)`` float32.
            sample_rate: Their rate, in Hz.

        Raises:
            CannotScore: If one is silent or gives no frame.
        """
        pair = [
            resample(wav, sample_rate, self._encoder.sample_rate) for wav in (reference, decoded)
        ]
        check_signals(*pair, self._encoder.samples_for(1))
        original, copy = (self._features(wav) for wav in pair)
        return best_match(copy, original)

    def _features(self, wav: np.ndarray) -> Tensor:
        lens = torch.tensor([len(wav)])
        features, counts = self._encoder.encode(
            torch.from_numpy(wav).unsqueeze(0), lens, [self._layer]
        )
        return features[self._layer][0, : counts[0]]


def best_match(copy: Tensor, original: Tensor) -> float:
    """Mean over frames of ``copy`` (T, D) of the largest cosine with a frame of ``original``."""
    cosines = normalize(copy, dim=1) @ normalize(original, dim=1).T
    return float(cosines.max(1).values.mean())
