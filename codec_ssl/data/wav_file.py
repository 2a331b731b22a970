"""Writing audio files."""

import io
from pathlib import Path

import numpy as np
import soundfile


def write_wav(path: str | Path, wav: np.ndarray, sample_rate: int) -> None:
    """Write a mono signal as 16-bit WAV; makes the folder.

    Args:
        path: The file.
        wav: Samples ``(N,)``; what is beyond [-1, 1] is clipped.
        sample_rate: In Hz.
    """
    _write(path, wav_bytes(wav, sample_rate))


def wav_bytes(wav: np.ndarray, sample_rate: int) -> bytes:
    """The contents of a file that :func:`write_wav` writes."""
    return _encoded(np.clip(wav, -1, 1), sample_rate, "WAV", "PCM_16")


def write_flac(path: str | Path, samples: np.ndarray, sample_rate: int) -> None:
    """Write a mono signal as FLAC, the numbers that it is read back as; makes the folder.

    Args:
        path: The file.
        samples: ``(N,)`` int16, or int32 of 24 bits, each in the upper bits of its number.
        sample_rate: In Hz.
    """
    subtype = "PCM_16" if samples.dtype == np.int16 else "PCM_24"
    _write(path, _encoded(samples, sample_rate, "FLAC", subtype))


def _encoded(data: np.ndarray, rate: int, container: str, subtype: str) -> bytes:
    content = io.BytesIO()  # libsndfile would flush each small file to the disk and wait for it
    soundfile.write(content, data, rate, format=container, subtype=subtype)
    return content.getvalue()


def _write(path: str | Path, content: bytes) -> None:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
