"""The HEAR API (hearbenchmark.com/hear-api.html) for every encoder of the house.

``heareval`` and HEAR's validator (``bin/hear_validate.py`` runs it) take it as it is.

Letters: U sounds, N samples, T timestamps, D width.
"""

from typing import Any

import torch
import torchaudio.functional as audio_functional
from torch import Tensor, nn

from codec_ssl.config_sections import make_part
from codec_ssl.errors import ConfigError
from codec_ssl.evaluation.hear.embedder import CHUNK_SECONDS, Embedder, Pooling
from codec_ssl.features.waves import make_wave_encoder, read_wave_spec

# What HEAR's data sets come in, and so what the API allows.
SAMPLE_RATES = (16000, 22050, 32000, 44100, 48000)


class HearModel(nn.Module):
    """An embedder with the attributes that HEAR asks for.

    A rate that HEAR doesn't have, such as 24 kHz, is reached from the next that is a multiple of
    it, else from the next above.

    Args:
        embedder: Makes the embeddings; it stays on its device.

    Attributes:
        embedder: As given.
        sample_rate: Of the audio to be given, Hz: one of ``SAMPLE_RATES``.
        scene_embedding_size: Width of scene embeddings.
        timestamp_embedding_size: Width of timestamp embeddings.
    """

    def __init__(self, embedder: Embedder) -> None:
        super().__init__()
        self.embedder = embedder
        self.sample_rate = _api_rate(embedder.encoder.sample_rate)
        self.scene_embedding_size = embedder.scene_width
        self.timestamp_embedding_size = embedder.width

    def forward(self, audio: Tensor) -> Tensor:
        """Scene embeddings of audio (U, N) at ``sample_rate``."""
        return get_scene_embeddings(audio, self)

    def prepared(self, audio: Tensor) -> list[Tensor]:
        """Each sound (n,) of audio (U, N), at the encoder's rate.

        Raises:
            ConfigError: If the audio has another shape, or no samples.
        """
        if audio.dim() != 2 or audio.shape[1] == 0:
            raise ConfigError(f"HEAR audio: expected (sounds, samples), found {tuple(audio.shape)}")
        rate = self.embedder.encoder.sample_rate
        wavs = audio.float().to(self.embedder.encoder.device)
        if rate != self.sample_rate:
            wavs = audio_functional.resample(wavs, self.sample_rate, rate)
        return list(wavs)


def load_model(model_file_path: str = "", **options: Any) -> HearModel:
    """Load an encoder as a HEAR model; it is on the GPU where there is one.

    Args:
        model_file_path: An experiment directory, a checkpoint in one, a YAML file of
            ``encoder`` (from there, if it is a path) and options, or any name that
            ``make_wave_encoder`` knows.
        options: ``layer`` (the last one if not given), ``pooling``, ``chunk_seconds``, and those of
            ``make_wave_encoder``: ``codec``, ``checkpoint``, ``untrained_seed``, ``device``, …

    Raises:
        ConfigError: If there is no such encoder or option.
        CheckpointError: If its weights are missing or damaged.
    """
    given = read_wave_spec(model_file_path) | options
    return make_part(_load, f"HEAR model {model_file_path}", given)


def get_scene_embeddings(audio: Tensor, model: HearModel) -> Tensor:
    """One embedding a sound.

    Args:
        audio: Mono audio in [-1, 1] at ``model.sample_rate``: (U, N).
        model: What ``load_model`` gave.

    Returns:
        (U, ``model.scene_embedding_size``) float32, on the device of the audio.
    """
    return model.embedder.scenes(model.prepared(audio)).to(audio.device)


def get_timestamp_embeddings(audio: Tensor, model: HearModel) -> tuple[Tensor, Tensor]:
    """Embeddings at regular times.

    A last frame whose centre lies behind the end of the audio is left out.

    Args:
        audio: Mono audio in [-1, 1] at ``model.sample_rate``: (U, N).
        model: What ``load_model`` gave.

    Returns:
        (U, T, ``model.timestamp_embedding_size``) float32, and the centre of each frame in
        milliseconds (U, T) float32, both on the device of the audio.
    """
    frames = torch.stack(model.embedder.frames(model.prepared(audio)))
    times = model.embedder.times(frames.shape[1])
    count = max(1, int((times <= 1000 * audio.shape[1] / model.sample_rate).sum()))
    times = times[:count].float().expand(len(audio), -1)
    return frames[:, :count].to(audio.device), times.to(audio.device)


def _api_rate(rate: int) -> int:
    """The rate to ask for: the encoder's own if HEAR has it."""
    above = [each for each in SAMPLE_RATES if each >= rate]
    if not above:
        raise ConfigError(f"HEAR: expected an encoder of up to {SAMPLE_RATES[-1]} Hz, found {rate}")
    return next((each for each in above if each % rate == 0), above[0])


def _load(
    encoder: str,
    layer: int | None = None,
    *,
    pooling: Pooling = "mean",
    chunk_seconds: float = CHUNK_SECONDS,
    device: str | None = None,
    codec: str | None = None,
    checkpoint: str = "latest",
    untrained_seed: int | None = None,
    layer_weights: str | None = None,
) -> HearModel:
    found = make_wave_encoder(
        encoder,
        device or ("cuda" if torch.cuda.is_available() else "cpu"),
        codec=codec,
        checkpoint=checkpoint,
        untrained_seed=untrained_seed,
        layer_weights=layer_weights,
    )
    return HearModel(Embedder(found, layer, pooling=pooling, chunk_seconds=chunk_seconds))
