"""All layers of an encoder from waveforms of any rate, on whatever device they come.

It is what other toolkits' upstreams and ESPnet's frontend are made of.

Letters: B batch, N samples, T frames, L layers, D width.
"""

import logging
from collections.abc import Sequence
from functools import cache, partial
from typing import Any

import soxr
import torch
from torch import Tensor, nn

from codec_ssl.config_sections import make_part
from codec_ssl.features.base import WaveEncoder
from codec_ssl.features.unit_embeddings import UnitEmbeddings
from codec_ssl.features.waves import make_wave_encoder, read_wave_spec

_logger = logging.getLogger(__name__)


class HiddenStates(nn.Module):
    """Layers 0 to L of an encoder, which is frozen but for embeddings of units.

    A frozen encoder is no parameter of it and in none of its checkpoints: it is loaded from where
    it was.

    Args:
        encoder: See ``read_wave_spec``.
        sample_rate: Rate of the waveforms to be given, Hz.
        options: More options of ``make_wave_encoder``, which come before those of a YAML file.

    Attributes:
        encoder: The encoder, on the device of the last call.
        sample_rate: As given.

    Raises:
        ConfigError: If there is no such encoder or option.
        CheckpointError: If its weights are missing or damaged.
    """

    def __init__(self, encoder: str, sample_rate: int = 16000, **options: Any) -> None:
        super().__init__()
        spec = read_wave_spec(encoder) | options
        name = spec.pop("encoder")
        self._make = partial(
            make_part, make_wave_encoder, f"encoder {encoder}", {**spec, "name": name}
        )
        self.encoder: WaveEncoder = self._make()
        self.sample_rate = sample_rate

    @property
    def num_layers(self) -> int:
        """Layers that come out: L + 1."""
        return self.encoder.num_layers + 1

    @property
    def width(self) -> int:
        """D."""
        return self.encoder.width

    @property
    def trainable(self) -> bool:
        """Whether anything of it learns."""
        return self.encoder.learnt is not None

    def forward(self, wavs: Sequence[Tensor]) -> tuple[list[Tensor], Tensor]:
        """Encode whole utterances.

        Args:
            wavs: Samples (N,) of each at ``sample_rate``. One too short for a frame is continued
                with silence.

        Returns:
            Layers 0 to L, each (B, T, D) float32 with zeros behind the end, on the device of the
            waveforms, and frames of each (B,) int64.
        """
        self._move(wavs[0].device)
        rows = [self._prepared(wav) for wav in wavs]
        lens = torch.tensor([len(row) for row in rows], device=wavs[0].device)
        padded = nn.utils.rnn.pad_sequence(rows, batch_first=True)
        layers = list(range(self.num_layers))
        with torch.set_grad_enabled(self.trainable and torch.is_grad_enabled()):
            found, frames = self.encoder.encode(padded, lens, layers)
        frames = frames.to(wavs[0].device).long()
        inside = torch.arange(int(frames.max()), device=frames.device) < frames[:, None]
        states = [found[layer].to(frames.device).float() for layer in layers]
        return [
            state[:, : inside.shape[1]].masked_fill(~inside[..., None], 0.0) for state in states
        ], frames

    def _prepared(self, wav: Tensor) -> Tensor:
        """Samples at the encoder's rate, enough for a frame."""
        wav, rate = wav.detach().float(), self.encoder.sample_rate
        if rate != self.sample_rate:
            _say_resampling(self.encoder.name, self.sample_rate, rate)
            samples = soxr.resample(wav.cpu().numpy(), self.sample_rate, rate)
            wav = torch.from_numpy(samples).to(wav.device)
        return nn.functional.pad(wav, (0, max(0, self.encoder.samples_for(1) - len(wav))))

    def _move(self, device: torch.device) -> None:
        """Follow the waveforms: frozen parts are loaded again, where they are wanted."""
        if isinstance(self.encoder, UnitEmbeddings):
            if self.encoder.units.device != device:
                self.encoder.units = self._make(device=device).units
        elif self.encoder.device != device:
            self.encoder = self._make(device=device)


@cache
def _say_resampling(name: str, found: int, wanted: int) -> None:
    _logger.info("encoder %s: resampling audio from %d Hz to %d Hz", name, found, wanted)
