"""Measures of a decoded signal against its original, by installed packages that need no download.

Do Neural Codecs Generalize? (arXiv 2601.12205) measures by VERSA; settings are VERSA's. All take
``(reference, decoded, sample_rate)``: mono float32 ``(N,)`` of equal length, aligned, and their
rate in Hz; those defined at a rate resample to it. All raise :class:`CannotScore` with a reason
where a signal is silent, too short or not finite, and never give a value in place of one.

Letters: N samples.
"""

import warnings
from functools import cache
from typing import Any

import numpy as np
import torch

from codec_ssl.evaluation.pair import CannotScore, resample

SPEECH_RATE = 16000
VISQOL_RATE = 48000
# In samples: 20 s.
MAX_PESQ = 20 * SPEECH_RATE
# Beyond this, in dB, a ratio only says how numbers are rounded: 16-bit audio ends at 98 dB.
MAX_RATIO = 100.0
FILTER_TAPS = 512


def check_signal(name: str, wav: np.ndarray, min_samples: int = 1) -> None:
    """Refuse a signal ``(N,)`` that no measure can be taken of.

    Raises:
        CannotScore: If it has less than ``min_samples`` samples, is silent, or holds NaN or
            infinity.
    """
    if len(wav) < min_samples:
        raise CannotScore(f"{name} too short: {len(wav)} samples, needs {min_samples}")
    if not wav.any():
        raise CannotScore(f"{name} is silent")
    if not np.isfinite(wav).all():
        raise CannotScore(f"{name} holds NaN or infinity")


def check_signals(reference: np.ndarray, decoded: np.ndarray, min_samples: int = 1) -> None:
    """Refuse a pair that no measure can be taken of, see :func:`check_signal`."""
    check_signal("reference", reference, min_samples)
    check_signal("decoded signal", decoded, min_samples)


def ci_sdr(reference: np.ndarray, decoded: np.ndarray, sample_rate: int) -> float:
    """Signal-to-distortion ratio in dB, any filter of 512 taps forgiven (BSS Eval's SDR).

    It does not depend on the rate. Values are held within 100 dB either way. In double precision:
    VERSA's single precision finds the filter less well where bands of the original are empty.
    """
    return _ratio(reference, decoded, FILTER_TAPS)


def si_sdr(reference: np.ndarray, decoded: np.ndarray, sample_rate: int) -> float:
    """Signal-to-distortion ratio in dB, any gain forgiven: a filter of one tap.

    It does not depend on the rate. Values are held within 100 dB either way.
    """
    return _ratio(reference, decoded, 1)


def _ratio(reference: np.ndarray, decoded: np.ndarray, taps: int) -> float:
    import ci_sdr

    check_signals(reference, decoded, 2 * taps)
    pair = (torch.from_numpy(wav.astype(np.float64)) for wav in (reference, decoded))
    try:
        value = float(ci_sdr.pt.ci_sdr(*pair, filter_length=taps, compute_permutation=False))
    except RuntimeError as error:  # the solver's, of a signal with too few frequencies
        raise CannotScore(f"no filter of {taps} taps can be found: {error}") from error
    return float(np.clip(value, -MAX_RATIO, MAX_RATIO))


def pesq(reference: np.ndarray, decoded: np.ndarray, sample_rate: int) -> float:
    """Wide-band PESQ (ITU-T P.862.2) at 16 kHz, mean opinion scores from 1.04 to 4.64.

    Beyond 20 s it is the mean over equal pieces, those without speech left out: ITU's code has
    room for 50 bursts of speech, and runs wild on more. 20 s can't hold so many.
    """
    pair = [resample(wav, sample_rate, SPEECH_RATE) for wav in (reference, decoded)]
    check_signals(*pair)
    count = -(-len(pair[0]) // MAX_PESQ)
    pieces = zip(*(np.array_split(wav, count) for wav in pair), strict=True)
    scores = [score for piece in pieces if (score := _pesq(*piece)) is not None]
    if not scores:
        raise CannotScore("PESQ: No utterances detected")
    return float(np.mean(scores))


def _pesq(reference: np.ndarray, decoded: np.ndarray) -> float | None:
    """PESQ of at most 20 s; None where the original has no speech."""
    from pesq import NoUtterancesError, PesqError, pesq

    if not reference.any():
        return None
    check_signal("decoded signal, in a part,", decoded)
    try:
        return float(pesq(SPEECH_RATE, reference, decoded, "wb"))
    except NoUtterancesError:
        return None
    except PesqError as error:
        detail = error.args[0] if error.args else type(error).__name__
        detail = detail.decode() if isinstance(detail, bytes) else detail
        raise CannotScore(f"PESQ: {detail}") from error
    except ValueError as error:
        raise CannotScore(f"PESQ: {error}") from error


def stoi(reference: np.ndarray, decoded: np.ndarray, sample_rate: int) -> float:
    """Short-time objective intelligibility, at most 1; its own rate is 10 kHz."""
    from pystoi import stoi

    check_signals(reference, decoded)
    with warnings.catch_warnings():
        # pystoi warns, and gives 1e-5 in place of a value.
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(stoi(reference, decoded, sample_rate))
        except (RuntimeWarning, ValueError) as error:
            raise CannotScore("less than 30 frames (0.4 s) that are not silent") from error


def visqol(reference: np.ndarray, decoded: np.ndarray, sample_rate: int) -> float:
    """ViSQOL in its audio mode (at 48 kHz), mean opinion scores up to 4.73."""
    pair = [resample(wav, sample_rate, VISQOL_RATE) for wav in (reference, decoded)]
    check_signals(*pair)
    try:
        found = _visqol().measure_from_arrays(*(w.astype(np.float64) for w in pair), VISQOL_RATE)
    except ValueError as error:
        raise CannotScore(f"ViSQOL: {error}") from error
    if not np.isfinite(found.moslqo):
        raise CannotScore("ViSQOL gives no finite score")
    return float(found.moslqo)


@cache
def _visqol() -> Any:
    """The scorer, on as many threads as PyTorch has.

    It asks for numba's own threads, too late where numba is imported already: those of OpenMP are
    PyTorch's, which would then have more than it was told, and a forked process waits for them.
    """
    import numba
    from visqol import VisqolApi

    numba.config.THREADING_LAYER = "workqueue"
    numba.set_num_threads(min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS))
    scorer = VisqolApi()
    scorer.create(mode="audio")
    return scorer


def mel_distance(reference: np.ndarray, decoded: np.ndarray, sample_rate: int) -> float:
    """Distance of mel spectra at two resolutions, as the evaluation of DAC prints it.

    Magnitudes and their logs are compared by mean absolute difference: 150 mels of 2048 samples,
    and 80 of 512.
    """
    return _spectral("MelSpectrogramLoss", reference, decoded, sample_rate)


def stft_distance(reference: np.ndarray, decoded: np.ndarray, sample_rate: int) -> float:
    """Distance of spectra at two resolutions, of 2048 and 512 samples, as DAC prints it."""
    return _spectral("MultiScaleSTFTLoss", reference, decoded, sample_rate)


def _spectral(loss: str, reference: np.ndarray, decoded: np.ndarray, sample_rate: int) -> float:
    from audiotools import AudioSignal

    check_signals(reference, decoded, 2048)
    copy, original = (AudioSignal(wav, sample_rate) for wav in (decoded, reference))
    with torch.no_grad(), warnings.catch_warnings():
        # Of every resolution after the first, which is what is asked for.
        warnings.filterwarnings("ignore", "stft_data changed shape")
        return float(_spectral_loss(loss)(copy, original))


@cache
def _spectral_loss(name: str) -> torch.nn.Module:
    from dac.nn import loss

    return getattr(loss, name)()
