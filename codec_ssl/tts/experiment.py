"""What an experiment is, apart from its weights: symbols, speakers, statistics, frames.

All of it is plain values in ``config.yaml`` under ``data_record``, so that an experiment
directory is enough for synthesis.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.features.vocoder_mel import MelConf
from codec_ssl.tokens.files import canonical
from codec_ssl.train.checkpoint import digest_state, load_state_strict, load_weights
from codec_ssl.tts.codec_fastspeech2 import CodecFastSpeech2
from codec_ssl.tts.durations import FrameGrid
from codec_ssl.tts.fastspeech2 import PhoneFastSpeech2
from codec_ssl.tts.mel_fastspeech2 import MelFastSpeech2
from codec_ssl.tts.phone_store import Statistics
from codec_ssl.tts.symbols import Symbols

CODES, MEL = "codes", "mel"
TARGETS = (CODES, MEL)


@dataclass(frozen=True)
class MelFacts:
    """Mel spectra of a training.

    Attributes:
        conf: How they were made.
        mean: Of each band over all training frames.
        deviation: Standard deviation, likewise.
    """

    conf: MelConf
    mean: list[float]
    deviation: list[float]

    def normalize(self, spectrum: np.ndarray) -> np.ndarray:
        """``(T, M)`` to zero mean and unit variance, float32."""
        return ((spectrum - np.array(self.mean)) / np.array(self.deviation)).astype(np.float32)

    def restore(self, spectrum: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`normalize`."""
        return (spectrum * np.array(self.deviation) + np.array(self.mean)).astype(np.float32)


@dataclass(frozen=True)
class Facts:
    """What a model speaks.

    Attributes:
        symbols: Its phones.
        speakers: Its speakers; empty where it does not tell them apart.
        languages: Languages of the training.
        pitch: Statistics of log F0 over phones.
        energy: Statistics of energy over phones.
        grid: Where its frames lie.
        sizes: K of each stream; empty for spectra.
        mel: Its spectra; None for codes.
    """

    symbols: Symbols
    speakers: list[str]
    languages: list[str]
    pitch: Statistics
    energy: Statistics
    grid: FrameGrid
    sizes: list[int]
    mel: MelFacts | None

    def speaker_number(self, utt_id: str, speaker: str) -> int:
        """Number of a speaker; 0 where the model does not tell speakers apart.

        Raises:
            ConfigError: The training had no such speaker.
        """
        if not self.speakers:
            return 0
        if speaker not in self.speakers:
            raise ConfigError(
                f"utterance {utt_id}: expected one of the speakers of the training, "
                f"{', '.join(self.speakers)}, found {speaker!r}; --speaker of tts_synthesize "
                "chooses one, a training with --speakers false has one voice"
            )
        return self.speakers.index(speaker)

    def to_plain(self) -> dict[str, Any]:
        """Plain values, for YAML."""
        plain = {
            "symbols": self.symbols.names,
            "speakers": self.speakers,
            "languages": self.languages,
            "pitch": asdict(self.pitch),
            "energy": asdict(self.energy),
            "grid": asdict(self.grid),
            "sizes": self.sizes,
        }
        return plain if self.mel is None else {**plain, "mel": asdict(self.mel)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Facts":
        """The inverse of :meth:`to_plain`."""
        mel = plain.get("mel")
        return cls(
            symbols=Symbols(plain["symbols"]),
            speakers=list(plain["speakers"]),
            languages=list(plain["languages"]),
            pitch=Statistics(**plain["pitch"]),
            energy=Statistics(**plain["energy"]),
            grid=FrameGrid(**plain["grid"]),
            sizes=list(plain["sizes"]),
            mel=mel and MelFacts(**{**mel, "conf": MelConf(**mel["conf"])}),
        )


def build_tts(config: Mapping[str, Any]) -> CodecFastSpeech2 | MelFastSpeech2:
    """Build the model of a configuration, with fresh weights.

    Args:
        config: Content of ``config.yaml``, with ``data_record``.

    Raises:
        ConfigError: The target is unknown, or an option of the model is wrong.
    """
    facts = Facts.from_plain(config["data_record"])
    counts = {"num_symbols": len(facts.symbols), "num_speakers": max(1, len(facts.speakers))}
    conf = dict(config.get("tts_conf") or {})
    if config["target"] == CODES:
        stacks = config["decoder_stacks"]
        return CodecFastSpeech2(**counts, sizes=facts.sizes, decoder_stacks=stacks, **conf)
    if config["target"] == MEL and facts.mel is not None:
        return MelFastSpeech2(**counts, odim=facts.mel.conf.n_mels, **conf)
    raise ConfigError(f"target: expected one of {TARGETS}, found {config['target']!r}")


@dataclass(frozen=True)
class Experiment:
    """A trained experiment.

    Attributes:
        path: Its directory.
        checkpoint: Which weights were loaded.
        config: Content of its ``config.yaml``.
        facts: What it speaks.
        model: In eval mode.
    """

    path: Path
    checkpoint: str
    config: dict[str, Any]
    facts: Facts
    model: PhoneFastSpeech2

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over the weights and what they mean."""
        digest = hashlib.sha256(canonical(self.facts.to_plain()).encode())
        digest_state(digest, self.model.state_dict())
        return digest.hexdigest()

    @property
    def made_by(self) -> dict[str, Any]:
        """What made the frames that it was trained on."""
        return self.config["data_record"]["train"]["phones"]["plan"]["frames"]


def load_experiment(
    exp_dir: str | Path, checkpoint: str = "best", device: str | torch.device = "cpu"
) -> Experiment:
    """Load a model.

    Args:
        exp_dir: Experiment directory of ``tts_train``.
        checkpoint: ``best``, ``latest`` or an epoch number.
        device: Where to compute.

    Raises:
        CheckpointError: Something is missing or damaged.
    """
    folder = Path(exp_dir)
    config, state = load_weights(folder, checkpoint, prefix="tts.")
    if not config.get("data_record"):
        raise CheckpointError(f"{folder}: expected an experiment of tts_train", stage="train")
    # Random weights would only be drawn, and told of in the log, to be replaced.
    conf = {**(config.get("tts_conf") or {}), "init_type": "pytorch"}
    model = build_tts({**config, "tts_conf": conf})
    load_state_strict(model, state, str(folder))
    facts = Facts.from_plain(config["data_record"])
    return Experiment(folder, checkpoint, config, facts, model.to(device).eval())
