"""FastSpeech2 on aligned phones, for codec tokens and for mel spectra (arXiv 2601.12205, 4.3).

Encoder, predictors, embeddings of pitch and energy, length regulator, decoder and postnet are
those of ESPnet's ``FastSpeech2``, so its ``tts_conf`` serves as it is. The way through them is
ours, because in ESPnet's

- predictors give the last layer's bias behind an utterance's end, and the convolution after them
  brings it into the last phones: what is spoken alone sounds otherwise beside a longer one;
- an ``<eos>`` follows the phones, for which an alignment has no frame.

ESPnet's ``FastSpeech2Discrete`` and its task aren't used either: with ``ignore_id`` 0 they never
learn the first code of a codebook, their inference takes the maximum over the codes twice, and
pitch found while training is measured in samples instead of frames, which an assertion refuses.

Legend: B batch, P phones, T frames, N valid frames of a batch, D width.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from espnet2.legacy.nets.pytorch_backend.fastspeech.duration_predictor import DurationPredictorLoss
from espnet2.tts.fastspeech2.fastspeech2 import FastSpeech2
from torch import Tensor, nn
from typeguard import TypeCheckError

from codec_ssl.errors import ConfigError

Statistics = dict[str, Tensor]
# What follows from the data, or from how padding is kept out here.
_FIXED = {"use_masking": True, "apply_ff_mask": True, "reduction_factor": 1}
_FROM_DATA = ("idim", "odim", "spks", "langs", "spk_embed_dim", "use_gst")


@dataclass(frozen=True)
class PhoneBatch:
    """Phones of a batch, with what is known of them.

    Attributes:
        phones: Numbers of the symbols ``(B, P)`` int64, 0 behind the end.
        lens: Phones of each utterance ``(B,)``.
        speakers: Numbers of the speakers ``(B,)``, or None.
        durations: Frames of each phone ``(B, P)`` int64, 0 behind the end; None: predicted.
        pitch: Normalised pitch ``(B, P)``, 0 behind the end; None: predicted.
        energy: Normalised energy ``(B, P)``, likewise.
    """

    phones: Tensor
    lens: Tensor
    speakers: Tensor | None = None
    durations: Tensor | None = None
    pitch: Tensor | None = None
    energy: Tensor | None = None


@dataclass(frozen=True)
class Prosody:
    """What was predicted for each phone.

    Attributes:
        log_durations: Logarithm of frames + 1 ``(B, P)``.
        pitch: Normalised ``(B, P)``, 0 behind the end.
        energy: Normalised ``(B, P)``, 0 behind the end.
        durations: Frames that were used ``(B, P)`` int64: given, or predicted.
    """

    log_durations: Tensor
    pitch: Tensor
    energy: Tensor
    durations: Tensor


class PhoneFastSpeech2(nn.Module, ABC):
    """What both targets share: from phones to the decoder's output for every frame.

    Args:
        num_symbols: Kinds of phones.
        odim: Numbers that come out of a frame.
        num_speakers: Kinds of speakers; of 2 and more each has a learnt vector.
        **conf: Options of ESPnet's FastSpeech2.

    Raises:
        ConfigError: An option is unknown, or follows from the data.
    """

    def __init__(self, num_symbols: int, odim: int, num_speakers: int = 1, **conf: Any) -> None:
        super().__init__()
        refused = [name for name, value in conf.items() if _FIXED.get(name, value) != value]
        refused += [name for name in _FROM_DATA if name in conf]
        if refused:
            raise ConfigError(f"tts_conf: {', '.join(refused)} cannot be set here")
        try:
            net = FastSpeech2(num_symbols + 1, odim, spks=num_speakers, **{**conf, **_FIXED})
        except (TypeError, TypeCheckError) as error:
            raise ConfigError(f"tts_conf: not options of FastSpeech2: {error}") from error
        self.encoder, self.decoder = net.encoder, net.decoder
        self.speaker = None if net.spks is None else net.sid_emb
        self.duration_predictor = net.duration_predictor
        self.pitch_predictor, self.pitch_embed = net.pitch_predictor, net.pitch_embed
        self.energy_predictor, self.energy_embed = net.energy_predictor, net.energy_embed
        self.length_regulator = net.length_regulator
        self.head, self.postnet = net.feat_out, net.postnet
        self._detached = {
            "pitch": net.stop_gradient_from_pitch_predictor,
            "energy": net.stop_gradient_from_energy_predictor,
        }
        self._duration_loss = DurationPredictorLoss()

    def decode(self, batch: PhoneBatch, speed: float = 1.0) -> tuple[Tensor, Tensor, Prosody]:
        """Run encoder, predictors and decoder.

        Args:
            batch: The phones.
            speed: Predicted durations are divided by it.

        Returns:
            What the decoder gives ``(B, T, D)``, valid frames of each utterance ``(B,)``, and the
            prosody.
        """
        inside = valid(batch.lens)
        hidden, _ = self.encoder(batch.phones, inside[:, None])
        if self.speaker is not None:
            hidden = hidden + self.speaker(batch.speakers)[:, None]
        prosody = self._predict(hidden, ~inside, batch.durations, speed)
        pitch = prosody.pitch if batch.pitch is None else batch.pitch
        energy = prosody.energy if batch.energy is None else batch.energy
        hidden = hidden + self.pitch_embed(pitch[:, None]).transpose(1, 2)
        hidden = hidden + self.energy_embed(energy[:, None]).transpose(1, 2)
        frames = self.length_regulator(hidden, prosody.durations)
        lens = prosody.durations.sum(1)
        decoded, _ = self.decoder(frames, valid(lens)[:, None])
        return decoded, lens, prosody

    def forward(
        self, batch: PhoneBatch, target: Tensor, has_pitch: Tensor
    ) -> tuple[Tensor, Statistics, Tensor]:
        """Compute the training loss, with durations, pitch and energy as they really are.

        Args:
            batch: With durations, pitch and energy.
            target: Codes ``(B, T, Q)`` or normalised spectra ``(B, T, M)``.
            has_pitch: Utterances with a voiced frame ``(B,)`` bool.

        Returns:
            Loss, statistics, and number of frames.
        """
        decoded, lens, prosody = self.decode(batch)
        losses, stats = self.frame_losses(decoded, valid(lens), target)
        losses |= self._prosody_losses(batch, prosody, has_pitch)
        loss = torch.stack(list(losses.values())).sum()
        stats = {"loss": loss, **losses, **stats}
        return loss, {name: value.detach() for name, value in stats.items()}, lens.sum()

    @abstractmethod
    def frame_losses(
        self, decoded: Tensor, inside: Tensor, target: Tensor
    ) -> tuple[dict[str, Tensor], Statistics]:
        """Losses of the frames, and what else to report of them.

        Args:
            decoded: What the decoder gives ``(B, T, D)``.
            inside: Valid frames ``(B, T)`` bool.
            target: ``(B, T, ...)``.
        """

    def _predict(
        self, hidden: Tensor, outside: Tensor, durations: Tensor | None, speed: float
    ) -> Prosody:
        inputs = {name: hidden.detach() if off else hidden for name, off in self._detached.items()}
        pitch = self.pitch_predictor(inputs["pitch"], outside[..., None])[..., 0]
        energy = self.energy_predictor(inputs["energy"], outside[..., None])[..., 0]
        log_durations = self.duration_predictor(hidden, outside)
        if durations is None:
            durations = _spoken(log_durations.masked_fill(outside, 0.0), speed)
        return Prosody(
            log_durations,
            pitch.masked_fill(outside, 0.0),
            energy.masked_fill(outside, 0.0),
            durations,
        )

    def _prosody_losses(
        self, batch: PhoneBatch, prosody: Prosody, has_pitch: Tensor
    ) -> dict[str, Tensor]:
        """Mean squared errors over all phones; of pitch over those of voiced utterances."""
        inside = valid(batch.lens)
        voiced = inside & has_pitch[:, None]
        squares = (prosody.pitch - batch.pitch)[voiced].square()
        return {
            "duration_loss": self._duration_loss(
                prosody.log_durations[inside], batch.durations[inside]
            ),
            "pitch_loss": squares.sum() / voiced.sum().clamp_min(1),
            "energy_loss": F.mse_loss(prosody.energy[inside], batch.energy[inside]),
        }


def valid(lens: Tensor) -> Tensor:
    """Places inside an utterance ``(B, longest)`` bool, of lengths ``(B,)``."""
    return torch.arange(int(lens.max()), device=lens.device) < lens[:, None]


def _spoken(log_durations: Tensor, speed: float) -> Tensor:
    """Frames ``(B, P)`` of predicted logarithms; each utterance has one at least."""
    durations = torch.round((log_durations.exp() - 1).clamp_min(0) / speed).long()
    silent = durations.sum(1) == 0
    durations[silent, 0] = 1
    return durations
