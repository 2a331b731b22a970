"""Our encoders as upstreams of s3prl: ``S3PRLUpstream``, its ``Featurizer``, its problems.

s3prl's audio has 16 kHz and it counts every upstream's stride in whole samples of that: stride S
gives an utterance of N samples ceil(N / S) frames. Codecs have other rates, and 75 frames a second
are no whole stride. Frames are therefore given on s3prl's grid: each is the encoder's frame at the
centre of that grid's frame, for 50 frames a second (S = 320) simply the encoder's own.

    >>> register()  # doctest: +SKIP
    >>> upstream = s3prl.nn.S3PRLUpstream("codec_ssl_local", "exp/codec2vec",  # doctest: +SKIP
    ...                                   extra_conf={"cache": "dump/codes"})

Letters: B batch, N samples, T frames, L layers, D width, S stride.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from codec_ssl.errors import ConfigError
from codec_ssl.features.hidden_states import HiddenStates

ENTRY = "codec_ssl_local"
SAMPLE_RATE = 16000


def stride_of(frame_rate: float) -> int:
    """S of an encoder with so many frames a second."""
    return max(1, round(SAMPLE_RATE / frame_rate))


class UpstreamExpert(nn.Module):
    """What s3prl calls an upstream.

    Args:
        ckpt: See ``features.waves.read_wave_spec``.
        options: See ``features.waves.make_wave_encoder``.

    Attributes:
        stride: S.
    """

    def __init__(self, ckpt: str, **options: Any) -> None:
        super().__init__()
        self.states = HiddenStates(ckpt, SAMPLE_RATE, **options)
        self._frame_rate = self.states.encoder.frame_rate
        self.stride = stride_of(self._frame_rate)

    def get_downsample_rates(self, key: str) -> int:
        """Samples of 16 kHz a frame; the same for all layers."""
        return self.stride

    def forward(self, wavs: Sequence[Tensor]) -> dict[str, Any]:
        """Encode.

        Args:
            wavs: Samples (N,) of each utterance.

        Returns:
            ``hidden_states``, L + 1 layers (B, T, D), T = ceil(N / S) of the longest, zeros behind
            the end; ``last_hidden_state``, the last of them.
        """
        states, frames = self.states(wavs)
        counts = [-(-len(wav) // self.stride) for wav in wavs]
        places = torch.stack([self._places(max(counts), int(own)) for own in frames.tolist()]).to(
            frames.device
        )
        inside = torch.arange(max(counts)) < torch.tensor(counts)[:, None]
        outside = ~inside.to(frames.device)[..., None]
        on_grid = [
            state.gather(1, places[..., None].expand(-1, -1, state.shape[2])).masked_fill(
                outside, 0.0
            )
            for state in states
        ]
        return {"hidden_states": on_grid, "last_hidden_state": on_grid[-1]}

    def _places(self, count: int, own: int) -> Tensor:
        """The encoder's frame at the centre of each frame of the grid: (count,) int64."""
        centres = (torch.arange(count, dtype=torch.float64) + 0.5) * self.stride / SAMPLE_RATE
        return (centres * self._frame_rate).long().clamp_max(own - 1)


def codec_ssl_local(
    ckpt: str, model_config: str | None = None, refresh: bool = False, **options: Any
) -> UpstreamExpert:
    """Entry for torch.hub and s3prl: load an encoder as an upstream.

    Args:
        ckpt: An experiment directory, a checkpoint in one, a YAML file of ``encoder`` and options,
            or any name that ``features.waves.make_wave_encoder`` knows.
        model_config: The same YAML file by s3prl's other option; then ``ckpt`` may be empty.
        refresh: s3prl's: download again. Nothing is downloaded here.
        options: Those of ``make_wave_encoder``: ``codec``, ``cache``, ``checkpoint``,
            ``untrained_seed``, ``tokenizer``, …

    Raises:
        ConfigError: If there is no such encoder or option.
    """
    if model_config and ckpt:
        raise ConfigError(f"upstream: expected ckpt or model_config, found {ckpt}, {model_config}")
    given = str(ckpt or model_config or "")
    if given.startswith("~"):
        given = str(Path(given).expanduser())
    return UpstreamExpert(given, **options)


def register() -> None:
    """Add ``codec_ssl_local`` to s3prl's names of upstreams, in this process."""
    import s3prl.hub  # takes seconds, and not everyone who loads an upstream has it

    setattr(s3prl.hub, ENTRY, codec_ssl_local)
