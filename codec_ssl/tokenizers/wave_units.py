"""Tokens straight from waveforms: the encoder, and behind it what was fitted on its features.

Letters: B batch, N samples, T frames, Q token columns, K tokens of a column, D width.
"""

import hashlib

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from codec_ssl.features.base import WaveEncoder
from codec_ssl.features.coded import CodedWaves
from codec_ssl.features.wave_units import WaveUnits
from codec_ssl.tokenizers.base import Tokenizer
from codec_ssl.tokenizers.labels import check_origin, label_maker


class TokenizerUnits(WaveUnits):
    """Tokens that a k-means or RepCodec makes of an encoder's features.

    Args:
        encoder: The encoder that the tokenizer was fitted on.
        tokenizer: The tokenizer; it says which layer it takes.

    Raises:
        CheckpointError: If it was fitted on features of another encoder.
    """

    def __init__(self, encoder: WaveEncoder, tokenizer: Tokenizer) -> None:
        self._encoder, self._tokenizer = encoder, tokenizer
        fitted_on = encoder.encoder if isinstance(encoder, CodedWaves) else encoder
        origin = check_origin(tokenizer, fitted_on)
        self._layer = origin.layer
        self.name, self.device = f"{tokenizer.kind}:{encoder.name}", encoder.device
        self.sample_rate, self.frame_rate = encoder.sample_rate, encoder.frame_rate
        self.sizes, self.maker = tokenizer.sizes, label_maker(tokenizer, origin)
        parts = f"{encoder.fingerprint} {tokenizer.fingerprint}"
        self.fingerprint = hashlib.sha256(parts.encode()).hexdigest()

    @torch.no_grad()
    def encode(self, wav: Tensor, lens: Tensor) -> tuple[Tensor, Tensor]:
        """See ``WaveUnits.encode``."""
        features, frames = self._encoder.encode(wav.to(self.device), lens, [self._layer])
        rows = [row[:n] for row, n in zip(features[self._layer], frames.tolist(), strict=True)]
        tokens = self._tokenizer.encode(torch.cat(rows).float(), frames)
        return pad_sequence(list(tokens.split(frames.tolist())), batch_first=True), frames

    def frames_of(self, num_samples: int) -> int:
        """See ``WaveUnits.frames_of``."""
        return self._encoder.frames_of(num_samples)

    def samples_for(self, num_frames: int) -> int:
        """See ``WaveUnits.samples_for``."""
        return self._encoder.samples_for(num_frames)

    def vectors(self) -> Tensor:
        """The centroids of a k-means, the codebooks of a VQ or RepCodec."""
        return self._tokenizer.vectors()
