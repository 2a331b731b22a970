"""From predicted frames to waveforms: the codec's own decoder, or a vocoder of mel spectra.

Legend: N samples, T frames, Q streams, M mel bands.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import nn
from typeguard import TypeCheckError

from codec_ssl.codecs.base import Codec, load_codec
from codec_ssl.errors import CheckpointError, ConfigError
from codec_ssl.features.vocoder_mel import MelConf
from codec_ssl.tokens.files import file_digest
from codec_ssl.train.checkpoint import load_state_strict, read

GRIFFIN_LIM_ITERATIONS = 32
# What a vocoder's configuration calls the options of its spectra.
_NAMES = {
    "sampling_rate": "sample_rate",
    "fft_size": "n_fft",
    "hop_size": "hop_length",
    "num_mels": "n_mels",
    "fmin": "fmin",
    "fmax": "fmax",
}
_FIXED = {"window": "hann", "log_base": 10.0}


@dataclass(frozen=True)
class VoiceOptions:
    """What makes waveforms.

    Attributes:
        codec: Of codes: see ``load_codec``.
        vocoder: Of spectra: a checkpoint; None takes Griffin-Lim.
        iterations: Of Griffin-Lim.
        device: Where to compute.
    """

    codec: str | Path | None = None
    vocoder: Path | None = None
    iterations: int = GRIFFIN_LIM_ITERATIONS
    device: str | torch.device = "cpu"


class Voice(ABC):
    """Makes waveforms of frames.

    Attributes:
        name: What makes them, exactly.
        sample_rate: Of the waveforms, in Hz.
    """

    name: str
    sample_rate: int

    @abstractmethod
    def speak(self, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Waveforms ``(N,)`` float32 of utterances ``(T, Q)`` int64 or ``(T, M)`` float32."""


class CodecVoice(Voice):
    """A codec's own decoder.

    Args:
        codec: The codec.
    """

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.name = f"codec {codec.fingerprint}"
        self.sample_rate = codec.sample_rate

    def speak(self, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        """See ``Voice.speak``."""
        rows = [torch.from_numpy(codes) for codes in frames]
        lens = torch.tensor([len(row) for row in rows])
        wavs, counts = self.codec.decode(nn.utils.rnn.pad_sequence(rows, batch_first=True), lens)
        wavs = wavs.float().cpu().numpy()
        return [wav[:count] for wav, count in zip(wavs, counts.tolist(), strict=True)]


class GriffinLim(Voice):
    """Griffin-Lim: needs no weights, and sounds like it.

    ESPnet's inverse of the mel bands, then librosa's algorithm, which ESPnet calls without a seed:
    the same text would sound a little different every time.

    Args:
        conf: How the spectra were made.
        iterations: Rounds of finding the phases.
    """

    def __init__(self, conf: MelConf, iterations: int = GRIFFIN_LIM_ITERATIONS) -> None:
        self.name = f"Griffin-Lim, {iterations} iterations"
        self.sample_rate = conf.sample_rate
        self._conf, self._iterations = conf, iterations

    def speak(self, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        """See ``Voice.speak``."""
        return [self._one(spectrum) for spectrum in frames]

    def _one(self, spectrum: np.ndarray) -> np.ndarray:
        import librosa  # it takes seconds to import
        from espnet2.utils.griffin_lim import logmel2linear

        conf = self._conf
        bands = {
            "fs": conf.sample_rate,
            "n_mels": conf.n_mels,
            "fmin": conf.fmin,
            "fmax": conf.fmax,
        }
        linear = logmel2linear(spectrum, n_fft=conf.n_fft, **bands)
        shape = {"n_fft": conf.n_fft, "hop_length": conf.hop_length, "win_length": conf.window}
        # The transform mirrors the signal at its ends: one frame alone is not enough for that.
        wav = librosa.griffinlim(
            linear.T, n_iter=self._iterations, center=len(linear) > 1, random_state=0, **shape
        )
        return wav.astype(np.float32)


class NeuralVocoder(Voice):
    """A vocoder trained with parallel_wavegan, such as HiFi-GAN, loaded by ESPnet.

    Its ``config.yml`` and, where it normalises spectra, ``stats.h5`` or ``stats.npy`` lie beside
    the checkpoint. HiFi-GAN is ESPnet's own generator and needs nothing more; other kinds need
    the package ``parallel_wavegan``, through which ESPnet loads them.

    Args:
        checkpoint: The ``.pkl`` file.
        conf: How the spectra were made.
        device: Where to compute.

    Raises:
        CheckpointError: It cannot be loaded.
        ConfigError: It wants other spectra.
    """

    def __init__(
        self, checkpoint: str | Path, conf: MelConf, device: str | torch.device = "cpu"
    ) -> None:
        path = Path(checkpoint)
        config = _read_config(path.parent / "config.yml")
        _check_spectra(path, config, conf)
        self.name = f"vocoder {file_digest(path)}"
        self.sample_rate, self._device = conf.sample_rate, torch.device(device)
        if config.get("generator_type") == "HiFiGANGenerator":
            self._invert = _HiFiGAN(path, config, self._device)
        else:
            self._invert = _through_espnet(path).to(self._device)

    @torch.no_grad()
    def speak(self, frames: Sequence[np.ndarray]) -> list[np.ndarray]:
        """See ``Voice.speak``."""
        spectra = [torch.from_numpy(spectrum).to(self._device) for spectrum in frames]
        return [self._invert(each).float().cpu().numpy().reshape(-1) for each in spectra]


def make_voice(mel: MelConf | None, made_by: Mapping[str, Any], options: VoiceOptions) -> Voice:
    """What speaks frames.

    Args:
        mel: How spectra were made; None for codes.
        made_by: What made the frames, see ``Frames.made_by``.
        options: What to speak them with.

    Raises:
        ConfigError: Codes without a codec.
        CheckpointError: Another codec than that of the codes: its codes mean other sounds.
    """
    if mel is not None:
        if options.vocoder is None:
            return GriffinLim(mel, options.iterations)
        return NeuralVocoder(options.vocoder, mel, options.device)
    if options.codec is None:
        raise ConfigError("expected --codec: what decodes the codes isn't recorded")
    codec = load_codec(options.codec, options.device)
    maker = made_by["codes"]
    if maker["maker"] != codec.fingerprint:
        raise CheckpointError(
            f"{options.codec}: expected the codec that made the codes, {maker['name']} "
            f"({maker['maker'][:12]}), found {codec.name} ({codec.fingerprint[:12]})"
        )
    return CodecVoice(codec)


class _HiFiGAN(nn.Module):
    """ESPnet's generator with the weights and the normalisation of a checkpoint."""

    def __init__(self, path: Path, config: dict[str, Any], device: torch.device) -> None:
        from espnet2.gan_tts.hifigan.hifigan import HiFiGANGenerator

        super().__init__()
        try:
            self.net = HiFiGANGenerator(**config["generator_params"])
        except (KeyError, TypeError, TypeCheckError) as error:
            raise CheckpointError(
                f"{path.parent}/config.yml: generator_params: not those of ESPnet's HiFi-GAN: "
                f"{error}"
            ) from error
        try:
            state = read(path)["model"]["generator"]
        except (KeyError, TypeError) as error:
            raise CheckpointError(f"{path}: expected weights of model.generator") from error
        load_state_strict(self.net, state, str(path))
        self.net.remove_weight_norm()
        mean, scale = _statistics(path.parent) or (np.zeros(1), np.ones(1))
        self.register_buffer("mean", torch.from_numpy(mean).float())
        self.register_buffer("scale", torch.from_numpy(scale).float())
        self.eval().to(device)

    def forward(self, spectrum: torch.Tensor) -> torch.Tensor:
        """Waveform ``(N, 1)`` of a spectrum ``(T, M)``."""
        return self.net.inference((spectrum - self.mean) / self.scale)


def _through_espnet(path: Path) -> nn.Module:
    from espnet2.tts.utils import ParallelWaveGANPretrainedVocoder

    try:
        return ParallelWaveGANPretrainedVocoder(path).eval()
    except ImportError as error:
        raise CheckpointError(
            f"{path}: this kind of vocoder needs the package parallel_wavegan: {error}; HiFi-GAN "
            "and Griffin-Lim need none"
        ) from error


def _read_config(path: Path) -> dict[str, Any]:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise CheckpointError(
            f"{path}: expected the vocoder's configuration beside its checkpoint: {error}"
        ) from error


def _check_spectra(path: Path, config: dict[str, Any], conf: MelConf) -> None:
    """Refuse a vocoder of other spectra: it would make noise, and say nothing."""
    for name, ours in _NAMES.items():
        if config.get(name) is not None and config[name] != getattr(conf, ours):
            raise ConfigError(
                f"{path}: {name}: expected {getattr(conf, ours)}, of the spectra that the model "
                f"predicts, found {config[name]}; make them with --mel_conf {ours}={config[name]}"
            )
    window = config.get("win_length") or conf.n_fft
    if window != conf.window:
        raise ConfigError(
            f"{path}: win_length: expected {conf.window}, of the spectra that the model predicts, "
            f"found {window}; make them with --mel_conf win_length={window}"
        )
    for name, ours in _FIXED.items():
        if config.get(name, ours) != ours:
            raise ConfigError(
                f"{path}: {name}: expected {ours!r}, as all spectra here, found {config[name]!r}"
            )


def _statistics(folder: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Mean and scale ``(M,)`` of the spectra that a vocoder was trained on, if they are there."""
    if (folder / "stats.npy").is_file():
        mean, scale = np.load(folder / "stats.npy")
        return mean.reshape(-1), scale.reshape(-1)
    if (folder / "stats.h5").is_file():
        try:
            import h5py
        except ImportError as error:
            raise CheckpointError(
                f"{folder}/stats.h5: reading it needs the package h5py; or save mean and scale as "
                "stats.npy (2, M)"
            ) from error
        with h5py.File(folder / "stats.h5") as file:
            return file["mean"][:].reshape(-1), file["scale"][:].reshape(-1)
    return None
