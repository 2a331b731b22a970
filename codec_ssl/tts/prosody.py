"""Pitch and energy of an utterance on a frame grid.

Legend: N samples, T frames.
"""

import math
import warnings
from dataclasses import dataclass

import numpy as np

from codec_ssl.errors import ConfigError
from codec_ssl.tts.durations import FrameGrid

METHODS = ("dio", "harvest", "pyin")
# What pYIN looks at, in periods of the lowest pitch: two, and two to compare them with.
_PYIN_PERIODS = 4
_ENERGY_WINDOW_SECONDS = 0.05


@dataclass(frozen=True)
class PitchOptions:
    """How pitch is found; the defaults are those of ESPnet's FastSpeech2 recipes.

    Attributes:
        method: WORLD's ``dio`` with StoneMask; its ``harvest``, slower, with fewer unvoiced gaps;
            or ``pyin`` (librosa's), slower still, which noise between harmonics misleads least.
        f0_min: Lowest pitch in Hz.
        f0_max: Highest pitch in Hz.

    Raises:
        ConfigError: There is no such method, or the range is empty.
    """

    method: str = "dio"
    f0_min: float = 80.0
    f0_max: float = 400.0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ConfigError(f"pitch: expected one of {METHODS}, found {self.method!r}")
        if not 0 < self.f0_min < self.f0_max:
            raise ConfigError(f"pitch: expected 0 < f0_min < f0_max, found {self}")


def fundamental(
    wav: np.ndarray, grid: FrameGrid, num_frames: int, options: PitchOptions
) -> np.ndarray:
    """Fundamental frequency at the centre of each frame.

    ESPnet's ``Dio`` isn't used: its frames lie at multiples of the hop, half a frame beside a
    codec's, it knows no other method, and it refuses durations that are a frame short of its own
    count.

    Args:
        wav: ``(N,)`` at the grid's rate.
        grid: Where the frames are.
        num_frames: T.
        options: How.

    Returns:
        ``(T,)`` float64 in Hz, 0 where unvoiced.
    """
    # Their frames lie at 0, 1, 2 ... hops: shifted so that the second one is our first.
    before = grid.hop_length - round(grid.first_centre)
    padded = np.zeros(max((num_frames + 1) * grid.hop_length, before + len(wav)) + 1)
    padded[before : before + len(wav)] = wav
    find = _pyin if options.method == "pyin" else _world
    return find(padded, grid, options)[1 : num_frames + 1]


def _world(wav: np.ndarray, grid: FrameGrid, options: PitchOptions) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyworld's own import of pkg_resources
        import pyworld

    period = 1000 * grid.hop_length / grid.sample_rate
    limits = {"f0_floor": options.f0_min, "f0_ceil": options.f0_max, "frame_period": period}
    f0, times = getattr(pyworld, options.method)(wav, grid.sample_rate, **limits)
    return pyworld.stonemask(wav, f0, times, grid.sample_rate) if options.method == "dio" else f0


def _pyin(wav: np.ndarray, grid: FrameGrid, options: PitchOptions) -> np.ndarray:
    import librosa

    f0, _, _ = librosa.pyin(
        wav,
        fmin=options.f0_min,
        fmax=options.f0_max,
        sr=grid.sample_rate,
        frame_length=math.ceil(_PYIN_PERIODS * grid.sample_rate / options.f0_min),
        hop_length=grid.hop_length,
        fill_na=0.0,
    )
    return f0


def continuous_log(f0: np.ndarray) -> np.ndarray:
    """Logarithm of a pitch track, on straight lines through its unvoiced stretches.

    Args:
        f0: ``(T,)`` in Hz, 0 where unvoiced.

    Returns:
        ``(T,)`` natural logarithms; all NaN where nothing is voiced.
    """
    voiced = np.flatnonzero(f0 > 0)
    if not len(voiced):
        return np.full(len(f0), np.nan)
    return np.interp(np.arange(len(f0)), voiced, np.log(f0[voiced]))


def energy(wav: np.ndarray, grid: FrameGrid, num_frames: int) -> np.ndarray:
    """Root of the energy in a Hann window of 50 ms around each frame.

    By Parseval's theorem it is ESPnet's ``Energy``, the norm of the window's spectrum, but for a
    constant, which the normalisation takes out; ESPnet's frames lie at multiples of the hop only.

    Args:
        wav: ``(N,)`` at the grid's rate.
        grid: Where the frames are.
        num_frames: T.

    Returns:
        ``(T,)`` float64.
    """
    size = max(2, round(_ENERGY_WINDOW_SECONDS * grid.sample_rate))
    left = max(0, size // 2 - round(grid.first_centre))
    padded = np.zeros(left + num_frames * grid.hop_length + size + len(wav))
    padded[left : left + len(wav)] = np.square(wav, dtype=np.float64)
    start = left + round(grid.first_centre) - size // 2
    windows = np.lib.stride_tricks.sliding_window_view(padded[start:], size)
    weights = np.square(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size))
    return np.sqrt(windows[: num_frames * grid.hop_length : grid.hop_length] @ weights)
