"""A unit HiFi-GAN as ESPnet's trainer wants it: turns of discriminator and generator.

Legend: B batch, N samples of a crop, T its frames, Q streams, U units of an utterance.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from espnet2.gan_tts.hifigan.hifigan import (
    HiFiGANMultiPeriodDiscriminator,
    HiFiGANMultiScaleDiscriminator,
    HiFiGANMultiScaleMultiPeriodDiscriminator,
)
from espnet2.gan_tts.hifigan.loss import (
    DiscriminatorAdversarialLoss,
    FeatureMatchLoss,
    GeneratorAdversarialLoss,
    MelSpectrogramLoss,
)
from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_gan_espnet_model import AbsGANESPnetModel
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from codec_ssl.errors import ConfigError
from codec_ssl.vocoder.generator import UnitGenerator

DISCRIMINATORS: Mapping[str, type[nn.Module]] = {
    "multi_scale_multi_period": HiFiGANMultiScaleMultiPeriodDiscriminator,
    "multi_period": HiFiGANMultiPeriodDiscriminator,
    "multi_scale": HiFiGANMultiScaleDiscriminator,
}
GENERATOR, DISCRIMINATOR = 0, 1


@dataclass(frozen=True)
class LossConf:
    """What a generator is trained with; the defaults are HiFi-GAN's.

    Attributes:
        adversarial: Weight of the discriminators' verdicts, squared, summed over them.
        feat_match: Weight of the differences of their features, summed over layers.
        mel: Weight of the difference of log mel spectra.
        duration: Weight of the squared error of log durations, where they are learnt.
        mel_params: Options of ESPnet's ``MelSpectrogramLoss`` besides its rate.
        discriminator_start: The step, from 0, at which the discriminators join; before it
            neither they nor their losses are computed.
    """

    adversarial: float = 1.0
    feat_match: float = 2.0
    mel: float = 45.0
    duration: float = 1.0
    mel_params: dict[str, Any] = field(
        default_factory=lambda: {"n_fft": 1024, "hop_length": 256, "n_mels": 80, "log_base": None}
    )
    discriminator_start: int = 0

    @classmethod
    def from_plain(cls, conf: Mapping[str, Any]) -> "LossConf":
        """From options, of which ``mel_params`` may name some only.

        Raises:
            ConfigError: There is no such option.
        """
        default = cls()
        unknown = conf.keys() - vars(default).keys()
        if unknown:
            raise ConfigError(
                f"loss_conf: expected some of {sorted(vars(default))}, found {sorted(unknown)}"
            )
        return cls(**{**conf, "mel_params": {**default.mel_params, **conf.get("mel_params", {})}})


def build_discriminator(name: str, conf: Mapping[str, Any]) -> nn.Module:
    """Build one of ESPnet's discriminators.

    Raises:
        ConfigError: There is none of the name, or it refuses an option.
    """
    if name not in DISCRIMINATORS:
        raise ConfigError(f"discriminator: expected one of {list(DISCRIMINATORS)}, found {name!r}")
    try:
        return DISCRIMINATORS[name](**conf)
    except (TypeError, AssertionError) as error:
        raise ConfigError(f"discriminator_conf: {name} refuses it: {error}") from error


class ESPnetVocoder(AbsGANESPnetModel):
    """Wraps a :class:`UnitGenerator` with discriminators.

    Args:
        vocoder: The generator.
        discriminator: ESPnet's, that gives the outputs of all layers.
        sample_rate: In Hz.
        losses: How they count.
    """

    def __init__(
        self,
        vocoder: UnitGenerator,
        discriminator: nn.Module,
        sample_rate: int,
        losses: LossConf | None = None,
    ) -> None:
        super().__init__()
        self.vocoder, self.discriminator = vocoder, discriminator
        self.losses = losses or LossConf()
        # As HiFi-GAN has them: sums over layers and discriminators, verdicts among the features.
        self.adversarial = GeneratorAdversarialLoss(average_by_discriminators=False)
        self.judgement = DiscriminatorAdversarialLoss(average_by_discriminators=False)
        self.feat_match = FeatureMatchLoss(
            average_by_layers=False, average_by_discriminators=False, include_final_outputs=True
        )
        self.mel = MelSpectrogramLoss(fs=sample_rate, **self.losses.mel_params)
        # Turns of the generator in training; kept with the weights, so that a resumed run knows.
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        # The true audio and what was made of its units, for the other turn with the same batch.
        self._shown: tuple[Tensor, Tensor] | None = None

    def forward(self, forward_generator: bool = True, **batch: Any) -> dict[str, Any]:
        """One turn.

        Args:
            forward_generator: Whose turn it is.
            batch: ``audio`` (B, N); ``codes`` (B * T, Q) and ``lengths`` (B,), all of them T;
                ``speaker`` (B,) or (B, D) and ``f0`` (B * T, 1), where the generator takes them;
                ``units`` (sum of U, Q), ``durations`` (sum of U,), ``units_lengths`` (B,) of whole
                utterances, where it learns durations; the utterance ids, which ESPnet adds.

        Returns:
            Loss, statistics, weight, and the number of the optimizer.
        """
        if forward_generator or self._discriminators_joined:
            made = self._generate_once(batch, keep=not forward_generator)
            true = batch["audio"][:, None]
            turn = self._generator_turn if forward_generator else self._discriminator_turn
            loss, stats = turn(made, true, batch)
        else:
            # The trainer has no pause: a loss of 0, told because its reporter counts what is told.
            loss = sum(0.0 * p.sum() for p in self.discriminator.parameters())
            stats = {"discriminator_loss": loss}
        if forward_generator and self.training:
            self.steps += 1
        told = {name: value.detach() for name, value in stats.items()}
        loss, told, weight = force_gatherable((loss, told, len(batch["audio"])), loss.device)
        number = GENERATOR if forward_generator else DISCRIMINATOR
        return {"loss": loss, "stats": told, "weight": weight, "optim_idx": number}

    @property
    def _discriminators_joined(self) -> bool:
        start = self.losses.discriminator_start
        if start == 0:
            return True  # the number of steps lies on the device
        # Validation does not ask discriminators that have not learnt from a batch yet.
        return int(self.steps) >= start + (not self.training)

    def _generate_once(self, batch: Mapping[str, Tensor], *, keep: bool) -> Tensor:
        """What was made for the discriminator's turn with this very batch, or made now.

        The generator is trained after that turn, so that only then it is still what it would make.
        """
        shown, self._shown = self._shown, None
        if shown is not None and shown[0] is batch["audio"]:
            return shown[1]
        made = self._generate(batch)
        if keep:
            self._shown = batch["audio"], made
        return made

    def _generate(self, batch: Mapping[str, Tensor]) -> Tensor:
        """Waveforms ``(B, 1, N)`` of a batch."""
        size = (len(batch["audio"]), -1)
        f0 = batch["f0"][:, 0].unflatten(0, size) if "f0" in batch else None
        codes = batch["codes"].unflatten(0, size)
        return self.vocoder(codes, batch["lengths"], batch.get("speaker"), f0)[:, None]

    def _discriminator_turn(
        self, made: Tensor, true: Tensor, batch: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        found = self.discriminator(made.detach()), self.discriminator(true)
        real, fake = self.judgement(*found)
        loss = real + fake
        return loss, {
            "discriminator_loss": loss,
            "discriminator_real_loss": real,
            "discriminator_fake_loss": fake,
        }

    def _generator_turn(
        self, made: Tensor, true: Tensor, batch: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        stats = {"mel_loss": self._mel_loss(made, true)}
        if self._discriminators_joined:
            found = self.discriminator(made)
            with torch.no_grad():
                wanted = self.discriminator(true)
            stats["adversarial_loss"] = self.adversarial(found)
            stats["feat_match_loss"] = self.feat_match(found, wanted)
        if self.vocoder.durations is not None:
            stats["duration_loss"] = self._duration_loss(batch)
        loss = sum(getattr(self.losses, name[: -len("_loss")]) * v for name, v in stats.items())
        return loss, {"generator_loss": loss, **stats}

    def _mel_loss(self, made: Tensor, true: Tensor) -> Tensor:
        # In half precision the floor of ESPnet's logarithm would be 0.
        with torch.autocast(made.device.type, enabled=False):
            return self.mel(made.float(), true.float())

    def _duration_loss(self, batch: Mapping[str, Tensor]) -> Tensor:
        counts = batch["units_lengths"]
        units, durations = (
            pad_sequence(batch[name].split(counts.tolist()), batch_first=True)
            for name in ("units", "durations")
        )
        return self.vocoder.duration_loss(units, counts, durations)

    def collect_feats(self, **batch: Tensor) -> dict[str, Tensor]:
        """Nothing to collect: batches are crops."""
        return {}
