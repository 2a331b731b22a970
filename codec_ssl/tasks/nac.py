"""Training of Codec-ASR's codecs (arXiv 2407.03495): TD-NAC and Mel-NAC, with RVQ or FSQ.

ESPnet's discriminators and adversarial losses around the generators of
`codec_ssl.codecs.generators`, with NeMo's losses.

B batch, N samples, Q codebooks, T frames.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from espnet2.gan_codec.abs_gan_codec import AbsGANCodec
from espnet2.gan_codec.shared.discriminator.msstft_discriminator import MultiScaleSTFTDiscriminator
from espnet2.gan_tts.hifigan.hifigan import HiFiGANMultiPeriodDiscriminator
from espnet2.gan_tts.hifigan.loss import DiscriminatorAdversarialLoss, GeneratorAdversarialLoss
from espnet2.torch_utils.device_funcs import force_gatherable
from torch import Tensor, nn

from codec_ssl.codecs.generators import MEL, TIME_DOMAIN, build_generator
from codec_ssl.codecs.quantizers import codes_of, quantize, shape_of
from codec_ssl.errors import ConfigError
from codec_ssl.tasks.nac_losses import (
    MultiResolutionMelLoss,
    MultiResolutionSTFTLoss,
    RelativeFeatureMatchLoss,
)

_GENERATOR, _DISCRIMINATOR = 0, 1


class Discriminator(nn.Module):
    """Spectra at several resolutions, and samples at several periods.

    Args:
        stft: Options of ESPnet's ``MultiScaleSTFTDiscriminator``.
        period: Options of ESPnet's ``HiFiGANMultiPeriodDiscriminator``; None leaves it out.
    """

    def __init__(self, stft: Mapping[str, Any], period: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        parts = [MultiScaleSTFTDiscriminator(**stft)]
        if period is not None:
            parts.append(HiFiGANMultiPeriodDiscriminator(**period))
        self.parts = nn.ModuleList(parts)

    def forward(self, wav: Tensor) -> list[list[Tensor]]:
        """Outputs of every layer of every discriminator, of audio ``(B, 1, N)``."""
        return [layers for part in self.parts for layers in part(wav)]


class NeuralAudioCodec(AbsGANCodec):
    """A codec, its discriminators and their losses, as ESPnet's task trains them.

    Args:
        sampling_rate: In Hz.
        generator_params: Of `codec_ssl.codecs.generators.build_generator`.
        discriminator_params: Of `Discriminator`.
        discriminator_updates: The discriminators learn in the first ``u`` of every ``n`` steps:
            ``(u, n)``.
        mel_loss_params: Of `MultiResolutionMelLoss`, without the rate.
        stft_loss_params: Of `MultiResolutionSTFTLoss`.
        lambda_mel_l1: Weight of the absolute difference of log mel spectra.
        lambda_mel_l2: Weight of their squared difference.
        lambda_stft: Weight of the difference of log spectra.
        lambda_reconstruct: Weight of the absolute difference of samples.
        lambda_adv: Weight of the squared adversarial loss.
        lambda_feat_match: Weight of the relative feature matching.
        lambda_commit: Weight of the quantizer's own loss: the commitment of RVQ, the mean over
            its codebooks; the redundancy of an FSQ that standardizes; 0 of any other FSQ.
        cache_generator_outputs: Decode once a step, for both turns.

    Raises:
        ConfigError: Updates or parts that don't fit.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        generator_params: Mapping[str, Any],
        discriminator_params: Mapping[str, Any],
        sampling_rate: int = 16000,
        discriminator_updates: Sequence[int] = (1, 1),
        mel_loss_params: Mapping[str, Any] | None = None,
        stft_loss_params: Mapping[str, Any] | None = None,
        lambda_mel_l1: float = 1.0,
        lambda_mel_l2: float = 1.0,
        lambda_stft: float = 0.0,
        lambda_reconstruct: float = 0.0,
        lambda_adv: float = 1.0,
        lambda_feat_match: float = 1.0,
        lambda_commit: float = 1.0,
        cache_generator_outputs: bool = True,
    ) -> None:
        super().__init__()
        updates = list(discriminator_updates)
        if len(updates) != 2 or not 1 <= updates[0] <= updates[1]:
            raise ConfigError(
                "codec_conf.discriminator_updates: expected [updates, in so many steps], found "
                f"{updates}"
            )
        self.fs = sampling_rate
        self.generator = build_generator(self.kind, generator_params, sampling_rate)
        self.discriminator = Discriminator(**discriminator_params)
        self.updates, self.period = updates
        self.adversarial = GeneratorAdversarialLoss()
        self.discriminator_adversarial = DiscriminatorAdversarialLoss()
        self.feature_matching = RelativeFeatureMatchLoss()
        self.mel = MultiResolutionMelLoss(sampling_rate, **(mel_loss_params or {}))
        self.stft = MultiResolutionSTFTLoss(**(stft_loss_params or {})) if lambda_stft else None
        self.weights = {
            "mel_l1": lambda_mel_l1,
            "mel_l2": lambda_mel_l2,
            "stft": lambda_stft,
            "reconstruct": lambda_reconstruct,
            "adv": lambda_adv,
            "feat_match": lambda_feat_match,
            "commit": lambda_commit,
        }
        self.cache_generator_outputs = cache_generator_outputs
        # ESPnet's trainer empties it where it skips the discriminator's turn.
        self._cache: tuple[Tensor, Tensor] | None = None
        # A buffer: a resumed training goes on with the turn where it was.
        self.register_buffer("turns", torch.zeros((), dtype=torch.long))
        self.resting = False

    def meta_info(self) -> dict[str, Any]:
        """Rate, samples a frame, and sizes of the codebooks, under ESPnet's names."""
        books, size = shape_of(self.generator.quantizer)
        return {
            "fs": self.fs,
            "num_streams": books,
            "frame_shift": self.generator.hop_length,
            "code_size_per_stream": [size] * books,
        }

    def forward(
        self, audio: Tensor, forward_generator: bool = True, **kwargs: Any
    ) -> dict[str, Any]:
        """One turn of the generator or of the discriminators.

        Args:
            audio: ``(B, N)``.
            forward_generator: Whose turn it is.
            **kwargs: Nothing is taken from them.

        Returns:
            What ESPnet's trainer wants: ``loss``, ``stats``, ``weight`` and ``optim_idx``.
        """
        audio = audio.unsqueeze(1)
        turn = self._generator_turn if forward_generator else self._discriminator_turn
        loss, stats = turn(audio)
        loss, stats, weight = force_gatherable((loss, stats, len(audio)), loss.device)
        number = _GENERATOR if forward_generator else _DISCRIMINATOR
        return {"loss": loss, "stats": stats, "weight": weight, "optim_idx": number}

    def encode(self, x: Tensor, **kwargs: Any) -> Tensor:
        """Codes ``(Q, B, T)`` of audio ``(B, 1, N)``."""
        quantizer = self.generator.quantizer
        latent = self.generator.encoder(x).transpose(1, 2)
        return codes_of(quantizer, latent, shape_of(quantizer)[0]).permute(2, 0, 1)

    def decode(self, x: Tensor, **kwargs: Any) -> Tensor:
        """Audio ``(B, 1, N)`` of codes ``(Q, B, T)``."""
        return self.generator.decoder(self.generator.quantizer.decode(x))

    def _generator_turn(self, audio: Tensor) -> tuple[Tensor, dict[str, float]]:
        made, commitment = self._coded(audio)
        judged = self.discriminator(made)
        with torch.no_grad():
            true = self.discriminator(audio)
        losses = {
            "adv": self.adversarial(judged),
            "feat_match": self.feature_matching(judged, true),
            "commit": commitment,
            "reconstruct": F.l1_loss(made, audio),
        }
        losses["mel_l1"], losses["mel_l2"] = self.mel(made[:, 0], audio[:, 0])
        if self.stft is not None:
            losses["stft"] = self.stft(made[:, 0], audio[:, 0])
        losses = {name: self.weights[name] * loss for name, loss in losses.items()}
        total = sum(losses.values())
        stats = {f"{name}_loss": float(loss.detach()) for name, loss in losses.items()}
        stats["mel_loss"] = stats["mel_l1_loss"] + stats["mel_l2_loss"]
        return total, {"loss": float(total.detach()), **stats}

    def _discriminator_turn(self, audio: Tensor) -> tuple[Tensor, dict[str, float]]:
        if self.training:
            self.resting = int(self.turns % self.period) >= self.updates
            self.turns += 1
            if self.resting:
                self._cache = None
                return next(self.discriminator.parameters()).sum() * 0.0, {}
        made, _ = self._coded(audio)
        real, fake = self.discriminator_adversarial(
            self.discriminator(made.detach()), self.discriminator(audio)
        )
        loss = real + fake
        names = ("discriminator_loss", "real_loss", "fake_loss")
        values = (loss, real, fake)
        return loss, {n: float(v.detach()) for n, v in zip(names, values, strict=True)}

    def _coded(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Audio ``(B, 1, N)`` through the codec, and the commitment loss; once a step."""
        if self._cache is not None:
            cached, self._cache = self._cache, None
            return cached
        latent = self.generator.encoder(audio)
        quantized, commitment = quantize(self.generator.quantizer, latent)
        # A last frame that is partly filled is decoded in full.
        coded = self.generator.decoder(quantized)[..., : audio.size(-1)], commitment
        if self.training and self.cache_generator_outputs:
            self._cache = coded
        return coded


class TimeDomainCodec(NeuralAudioCodec):
    """TD-NAC: SEANet around a quantizer."""

    kind = TIME_DOMAIN


class MelCodec(NeuralAudioCodec):
    """Mel-NAC: mel encoder, quantizer, HiFi-GAN."""

    kind = MEL
