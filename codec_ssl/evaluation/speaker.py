"""Speaker similarity: the cosine of two voices' embeddings.

The paper takes ESPnet-SPK; a model of that kind is used where one is named. Without, the embedding
is Resemblyzer's, whose weights lie in its package; the two are not to be compared.

Letters: N samples.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from codec_ssl.errors import CheckpointError
from codec_ssl.evaluation.opinion import MIN_SPEECH
from codec_ssl.evaluation.pair import resample
from codec_ssl.evaluation.signal import SPEECH_RATE, check_signals


class Embedder(Protocol):
    """Turns speech ``(N,)`` float32 at 16 kHz into a vector."""

    def __call__(self, wav: np.ndarray) -> np.ndarray:
        """The embedding."""
        ...


class SpeakerSimilarity:
    """The cosine, by one embedder."""

    def __init__(self, embed: Embedder) -> None:
        self._embed = embed

    def __call__(self, reference: np.ndarray, decoded: np.ndarray, sample_rate: int) -> float:
        """The similarity of two signals.

        Args:
            reference: ``(N,)`` float32.
            decoded: ``(M,)`` float32.
            sample_rate: Their rate, in Hz.

        Raises:
            CannotScore: If one is silent or shorter than 0.25 s.
        """
        pair = [resample(wav, sample_rate, SPEECH_RATE) for wav in (reference, decoded)]
        check_signals(*pair, MIN_SPEECH)
        a, b = (self._embed(wav).astype(np.float64) for wav in pair)
        return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def resemblyzer_embedder(device: str | torch.device = "cpu") -> Embedder:
    """Resemblyzer's embedding of all of the signal: silence is not cut out."""
    from resemblyzer import VoiceEncoder

    return VoiceEncoder(torch.device(device), verbose=False).embed_utterance


def espnet_embedder(source: str, device: str | torch.device = "cpu") -> Embedder:
    """The embedding of a model of ESPnet-SPK.

    Args:
        source: Experiment directory (``config.yaml`` and one ``.pth``), a ``.pth`` beside its
            ``config.yaml``, or a hub id (``espnet/voxcelebs12_rawnet3`` is VERSA's).
        device: Where to compute.

    Raises:
        CheckpointError: If there is no such model.
    """
    # Importing ESPnet's tasks takes many seconds.
    from espnet2.bin.spk_inference import Speech2Embedding

    try:
        if Path(source).exists():
            checkpoint = _checkpoint(Path(source))
            config = checkpoint.parent / "config.yaml"
            model = Speech2Embedding(str(config), str(checkpoint), device=str(device))
        else:
            model = Speech2Embedding.from_pretrained(source, device=str(device))
    except CheckpointError:
        raise
    # ESPnet and its downloader fail in many ways.
    except Exception as error:
        raise CheckpointError(
            f"{source}: expected a model of ESPnet-SPK, could not load it: "
            f"{type(error).__name__}: {error}"
        ) from error
    return lambda wav: model(wav).reshape(-1).cpu().numpy()


def _checkpoint(path: Path) -> Path:
    if path.is_file():
        return path
    found = sorted(path.glob("*.pth"))
    if len(found) != 1 or not (path / "config.yaml").is_file():
        raise CheckpointError(
            f"{path}: expected config.yaml and one .pth of ESPnet-SPK, found "
            f"{[file.name for file in found] or 'no .pth'}; name the .pth itself"
        )
    return found[0]
