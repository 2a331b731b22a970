"""Opinion scores that networks predict from the decoded signal alone: DNSMOS, UTMOS, SHEET-SSQA.

DNSMOS comes with the package ``speechmos``. The other two have weights of their own, which the
user names: a folder or repository for ``torch.hub``, as their authors publish them.

Letters: N samples.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from codec_ssl.errors import CheckpointError
from codec_ssl.evaluation.pair import resample
from codec_ssl.evaluation.signal import SPEECH_RATE, check_signal

# A quarter of a second at 16 kHz, PESQ's least length: a shorter clip says nothing of quality.
MIN_SPEECH = 4000
_HUB_FILE = "hubconf.py"


def dnsmos(decoded: np.ndarray, sample_rate: int) -> float:
    """Overall DNSMOS (P.835) at 16 kHz, the peak at 1 as VERSA does; clips below 9 s are repeated.

    Args:
        decoded: ``(N,)`` float32.
        sample_rate: Its rate, in Hz.

    Raises:
        CannotScore: If it is silent or shorter than 0.25 s.
    """
    wav = _speech(decoded, sample_rate)
    return float(_dnsmos()(wav / np.abs(wav).max(), SPEECH_RATE, False)["ovrl_mos"])


def _speech(decoded: np.ndarray, sample_rate: int) -> np.ndarray:
    wav = resample(decoded, sample_rate, SPEECH_RATE)
    check_signal("decoded signal", wav, MIN_SPEECH)
    return wav


@cache
def _dnsmos() -> Any:
    """The predictor on one thread: onnxruntime's own pool fights with the other processes."""
    import onnxruntime
    import speechmos.dnsmos

    folder = Path(speechmos.dnsmos.__file__).parent / "dnsmos_models"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    predictor = speechmos.dnsmos.DNSMOS.__new__(speechmos.dnsmos.DNSMOS)
    predictor.onnx_sess, predictor.p808_onnx_sess = (
        onnxruntime.InferenceSession(folder / name, options, ["CPUExecutionProvider"])
        for name in ("sig_bak_ovr.onnx", "model_v8.onnx")
    )
    return predictor


class Utmos:
    """UTMOS, a predictor of naturalness that was trained on English.

    Args:
        source: A folder with ``hubconf.py`` and in it ``utmos22_strong`` (a clone of SpeechMOS), a
            repository ``owner/name:tag`` of the same, or a TorchScript file of the network.
        device: Where to compute.

    Raises:
        CheckpointError: If it cannot be loaded.
    """

    ENTRY = "utmos22_strong"

    def __init__(self, source: str, device: str | torch.device = "cpu") -> None:
        self._device = torch.device(device)
        self._is_script = Path(source).is_file()
        self._model = load_script(source) if self._is_script else load_hub(source, self.ENTRY)
        self._model.to(self._device).eval()

    @torch.no_grad()
    def __call__(self, decoded: np.ndarray, sample_rate: int) -> float:
        """The score of ``(N,)`` float32 at a rate in Hz.

        Raises:
            CannotScore: If it is silent or shorter than 0.25 s.
        """
        wav = torch.from_numpy(_speech(decoded, sample_rate)).to(self._device).unsqueeze(0)
        found = self._model(wav) if self._is_script else self._model(wav, SPEECH_RATE)
        return float(found.reshape(-1)[0])


class SheetSsqa:
    """SHEET-SSQA, a predictor trained on all of MOS-Bench.

    Args:
        source: A folder with ``hubconf.py`` and in it ``default`` (a clone of SHEET), or a
            repository ``owner/name:tag`` of the same.
        device: Where to compute.

    Raises:
        CheckpointError: If it cannot be loaded.
    """

    ENTRY = "default"

    def __init__(self, source: str, device: str | torch.device = "cpu") -> None:
        self._device = torch.device(device)
        self._predictor = load_hub(source, self.ENTRY)
        self._predictor.model.to(self._device)

    @torch.no_grad()
    def __call__(self, decoded: np.ndarray, sample_rate: int) -> float:
        """The score of ``(N,)`` float32 at a rate in Hz.

        Raises:
            CannotScore: If it is silent or shorter than 0.25 s.
        """
        wav = torch.from_numpy(_speech(decoded, sample_rate)).to(self._device)
        return float(np.asarray(self._predictor.predict(wav=wav)).reshape(-1)[0])


def load_hub(source: str, entry: str) -> Any:
    """Load a model as ``torch.hub`` does: the code of a folder or repository runs.

    Args:
        source: A folder with ``hubconf.py``, or ``owner/name:tag``, which is downloaded.
        entry: Name of the model in it.

    Raises:
        CheckpointError: If there is no such folder, repository or model.
    """
    folder = Path(source).expanduser()
    if folder.is_dir() and not (folder / _HUB_FILE).is_file():
        raise CheckpointError(f"{source}: expected {_HUB_FILE} in the folder, found none")
    where = "local" if folder.is_dir() else "github"
    try:
        return torch.hub.load(
            str(folder) if folder.is_dir() else source, entry, source=where, trust_repo=True
        )
    # The code of others: it may fail in any way.
    except Exception as error:
        raise CheckpointError(
            f"{source}: expected {entry!r} of torch.hub (a folder with {_HUB_FILE}, or "
            f"owner/name:tag of a repository), could not load it: {type(error).__name__}: {error}"
        ) from error


def load_script(path: str) -> torch.nn.Module:
    """Load a network that was saved as TorchScript.

    Raises:
        CheckpointError: If the file is none.
    """
    try:
        return torch.jit.load(path, map_location="cpu")
    except RuntimeError as error:
        first = str(error).strip().splitlines()[0]
        raise CheckpointError(f"{path}: expected a TorchScript file: {first}") from error
