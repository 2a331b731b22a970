"""What a vocoder's experiment is, apart from its weights: tokens, grid, speakers, pitch.

All of it is plain values in ``config.yaml`` under ``data_record``, and ``speakers.safetensors``
where speakers are vectors, so that an experiment directory is enough for synthesis.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.tokens.files import canonical
from codec_ssl.train.checkpoint import digest_state, load_state_strict, load_weights
from codec_ssl.vocoder.generator import TABLE, VECTORS, SpeakerConf, UnitGenerator
from codec_ssl.vocoder.speakers import SpeakerVectors

NONE, RESEMBLYZER = "none", "resemblyzer"
SPEAKER_KINDS = (NONE, TABLE, RESEMBLYZER)
# All else about a generator follows from its data.
_OPTIONS = ("embed_dim", "durations", "duration_params", "generator_params")


@dataclass(frozen=True)
class PitchFacts:
    """F0 codes of a training.

    Attributes:
        bins: How many different ones there may be.
        frame_rate: Codes a second.
        maker: Fingerprint of the quantizer.
    """

    bins: int
    frame_rate: float
    maker: str


@dataclass(frozen=True)
class VocoderFacts:
    """What a vocoder makes waveforms of.

    Attributes:
        tokens: What its tokens are, see ``contract.record``.
        sample_rate: Of the waveforms, in Hz.
        speaker_kind: ``none``, ``table`` or ``resemblyzer``.
        speakers: Speakers of the training; empty where they are not told apart.
        speaker_dim: Width of a speaker's vector; 0 where there are none.
        pitch: Its F0 codes; None takes none.

    Raises:
        ConfigError: A frame isn't a whole number of samples.
    """

    tokens: dict[str, Any]
    sample_rate: int
    speaker_kind: str
    speakers: list[str]
    speaker_dim: int
    pitch: PitchFacts | None

    def __post_init__(self) -> None:
        samples = self.sample_rate / self.frame_rate
        if abs(samples - round(samples)) > 1e-6 * samples:
            raise ConfigError(
                f"expected frames of a whole number of samples, found {self.frame_rate:g} frames a "
                f"second at {self.sample_rate} Hz"
            )

    @property
    def frame_rate(self) -> float:
        """Frames a second."""
        return self.tokens["frame_rate"]

    @property
    def hop(self) -> int:
        """Samples a frame."""
        return round(self.sample_rate / self.frame_rate)

    def speaker_number(self, utt_id: str, speaker: str) -> int:
        """Number of a speaker.

        Raises:
            ConfigError: The training had no such speaker.
        """
        if speaker not in self.speakers:
            known = ", ".join(self.speakers[:5]) + (", ..." if len(self.speakers) > 5 else "")
            raise ConfigError(
                f"utterance {utt_id}: expected one of the {len(self.speakers)} speakers of the "
                f"training ({known}), found {speaker!r}"
            )
        return self.speakers.index(speaker)

    def to_plain(self) -> dict[str, Any]:
        """Plain values, for YAML."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_plain`."""
        pitch = plain["pitch"]
        return cls(**{**plain, "pitch": pitch and PitchFacts(**pitch)})


def build_vocoder(config: Mapping[str, Any]) -> UnitGenerator:
    """Build the generator of a configuration, with fresh weights.

    Args:
        config: Content of ``config.yaml``, with ``data_record``.

    Raises:
        ConfigError: An option is wrong.
    """
    conf = dict(config.get("vocoder_conf") or {})
    if unknown := sorted(conf.keys() - set(_OPTIONS)):
        raise ConfigError(f"vocoder_conf: expected some of {_OPTIONS}, found {unknown}")
    facts = VocoderFacts.from_plain(config["data_record"]["facts"])
    speakers = None
    if facts.speaker_kind == TABLE:
        speakers = SpeakerConf(TABLE, count=len(facts.speakers))
    elif facts.speaker_kind == RESEMBLYZER:
        speakers = SpeakerConf(VECTORS, dim=facts.speaker_dim)
    return UnitGenerator(
        facts.tokens["sizes"],
        hop=facts.hop,
        speakers=speakers,
        f0_bins=facts.pitch.bins if facts.pitch else 0,
        **conf,
    )


@dataclass(frozen=True)
class Vocoder:
    """A trained experiment.

    Attributes:
        path: Its directory.
        checkpoint: Which weights were loaded.
        config: Content of its ``config.yaml``.
        facts: What it makes waveforms of.
        model: In eval mode.
        vectors: Of its speakers, where it takes vectors.
    """

    path: Path
    checkpoint: str
    config: dict[str, Any]
    facts: VocoderFacts
    model: UnitGenerator
    vectors: SpeakerVectors | None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the weights and what they mean."""
        digest = hashlib.sha256(canonical(self.facts.to_plain()).encode())
        digest_state(digest, self.model.state_dict())
        if self.vectors is not None:
            digest.update(self.vectors.vectors.tobytes())
        return digest.hexdigest()

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.model.parameters()).device

    def speaker_input(self, utt_ids: Sequence[str], speakers: Sequence[str]) -> Tensor | None:
        """What the generator takes for speakers; None where it does not tell them apart.

        Args:
            utt_ids: Of the utterances, for the message.
            speakers: Who speaks each of them.

        Raises:
            ConfigError: The training had no such speaker.
        """
        if self.facts.speaker_kind == NONE:
            return None
        pairs = zip(utt_ids, speakers, strict=True)
        numbers = [self.facts.speaker_number(utt_id, speaker) for utt_id, speaker in pairs]
        if self.vectors is None:
            return torch.tensor(numbers, device=self.device)
        return torch.from_numpy(self.vectors.of(speakers)).to(self.device)


def load_vocoder(
    exp_dir: str | Path, checkpoint: str = "best", device: str | torch.device = "cpu"
) -> Vocoder:
    """Load a vocoder.

    Args:
        exp_dir: Experiment directory of ``vocoder_train``.
        checkpoint: ``best``, ``latest`` or an epoch number.
        device: Where to compute.

    Raises:
        CheckpointError: Something is missing or damaged.
    """
    folder = Path(exp_dir)
    config, state = load_weights(folder, checkpoint, prefix="vocoder.")
    if "facts" not in (config.get("data_record") or {}):
        raise CheckpointError(f"{folder}: expected an experiment of vocoder_train", stage="train")
    model = build_vocoder(config)
    load_state_strict(model, state, str(folder))
    facts = VocoderFacts.from_plain(config["data_record"]["facts"])
    vectors = SpeakerVectors.load(folder) if facts.speaker_kind == RESEMBLYZER else None
    if vectors is not None and vectors.names != facts.speakers:
        raise CheckpointError(
            f"{folder}: expected vectors of the {len(facts.speakers)} speakers of config.yaml, "
            f"found {len(vectors.names)} others",
            stage="train",
        )
    model = model.for_synthesis().to(device)
    return Vocoder(folder, str(checkpoint), config, facts, model, vectors)
