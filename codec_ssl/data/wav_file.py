"""Writing WAV files."""

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
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = io.BytesIO()  # libsndfile would flush each small file to the disk and wait for it
    soundfile.write(content, np.clip(wav, -1, 1), sample_rate, format="WAV", subtype="PCM_16")
    path.write_bytes(content.getvalue())
