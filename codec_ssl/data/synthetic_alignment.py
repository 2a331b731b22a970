"""Phone alignments of transcribed speech without an acoustic model: by warping synthetic speech.

The transcript is said by espeak-ng, whose phone times are exact; dynamic time warping between the
two recordings carries the times over. Rougher than a trained aligner, and good enough to rank
representations by phone. T1 and T2 are numbers of 10 ms frames of recording and synthesis.
"""

import logging
from collections.abc import Sequence

import numpy as np

from codec_ssl.data.alignment import PAUSE, Segment
from codec_ssl.data.audio import BadAudio, read_audio
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.espeak import Request, Speech, synthesize
from codec_ssl.data.mini_corpus import phone_segments
from codec_ssl.errors import DataError

SAMPLE_RATE = 16000
_HOP = 160
_VOICES = ("m3", "f2")
_RATE, _PITCH = 150, 50
# Steps of the warp: equal, or up to twice as fast or slow, so that no phone vanishes.
_STEPS = np.array([[1, 1], [1, 2], [2, 1]])
_STEP_COSTS = np.array([1.0, 1.5, 1.5])
_SILENCE_DB = 35.0
_MIN_PAUSE_FRAMES = 10

_logger = logging.getLogger(__name__)


def align_data_dir(data_dir: DataDir, language: str = "en") -> dict[str, list[Segment]]:
    """Align every transcribed utterance of a data dir.

    Args:
        data_dir: Its ``text`` says which utterances.
        language: Voice of espeak-ng, such as ``en`` or ``de``.

    Returns:
        Phone segments in seconds, pauses as ``sil``, for the utterances that could be aligned;
        the others are logged with the reason.

    Raises:
        DataError: If there are no transcripts, or espeak-ng is not installed.
    """
    texts = {u: t.lower() for u, t in data_dir.text.items() if any(map(str.isalpha, t))}
    if not texts:
        raise DataError(f"{data_dir.path}: expected transcripts in 'text', found none")
    requests = [
        Request(text, f"{language}+{voice}", _RATE, _PITCH)
        for text in texts.values()
        for voice in _VOICES
    ]
    spoken = synthesize(requests)
    aligned = {}
    for utt_id in texts:
        candidates = [next(spoken) for _ in _VOICES]
        try:
            wav, _ = read_audio(data_dir.source(utt_id), SAMPLE_RATE)
            aligned[utt_id] = align(wav, candidates)
        except (BadAudio, DataError) as error:
            _logger.warning("%s is not aligned: %s", utt_id, error)
    return aligned


def align(wav: np.ndarray, candidates: Sequence[Speech]) -> list[Segment]:
    """Align a recording with the best fitting of several syntheses of its transcript.

    Args:
        wav: Samples ``(N,)`` at 16 kHz.
        candidates: The transcript, said by different voices.

    Raises:
        DataError: If the recording is over twice as fast or slow as every synthesis.
    """
    recorded, speaking = _features(wav)
    best: tuple[float, list[Segment]] | None = None
    for speech in candidates:
        cost, segments = _align_one(recorded, speaking, speech)
        if np.isfinite(cost) and (best is None or cost < best[0]):
            best = (cost, segments)
    if best is None:
        raise DataError("the recording is over twice as fast or slow as the synthetic speech")
    return best[1]


def _align_one(
    recorded: np.ndarray, speaking: np.ndarray, speech: Speech
) -> tuple[float, list[Segment]]:
    import librosa
    import soxr

    wav = soxr.resample(speech.samples.astype(np.float32) / 32768, speech.sample_rate, SAMPLE_RATE)
    synthetic, audible = _features(wav)
    # Warping over long pauses would bend the phones beside them, so it sees speech only.
    frames, frames_synthetic = np.flatnonzero(speaking), np.flatnonzero(audible)
    try:
        total, path = librosa.sequence.dtw(
            recorded[frames].T,
            synthetic[frames_synthetic].T,
            metric="cosine",
            step_sizes_sigma=_STEPS,
            weights_mul=_STEP_COSTS,
        )
    except librosa.ParameterError:  # the lengths differ too much for the steps to reach the end
        return np.inf, []
    labels = _labels_at(speech, frames_synthetic)
    per_frame = [PAUSE] * len(recorded)
    path = path[::-1]
    for here, there in zip(frames[path[:, 0]], path[:, 1], strict=True):
        per_frame[here] = labels[there]
    _fill_skipped(per_frame, frames, path)
    return float(total[-1, -1]) / len(path), _runs(per_frame)


def _fill_skipped(per_frame: list[str], frames: np.ndarray, path: np.ndarray) -> None:
    """Give frames that a double step jumped over the label before them."""
    for skipped in np.setdiff1d(np.arange(len(frames)), path[:, 0]):
        per_frame[frames[skipped]] = per_frame[frames[skipped - 1]]


def _labels_at(speech: Speech, frames: np.ndarray) -> list[str]:
    segments = phone_segments(speech, len(speech.samples) / speech.sample_rate)
    starts = np.array([segment.start for segment in segments])
    index = np.searchsorted(starts, (frames + 0.5) * _HOP / SAMPLE_RATE, side="right") - 1
    return [segments[i].label for i in np.maximum(index, 0)]


def _features(wav: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return normalised cepstra and slopes ``(T, 26)``, and which frames are speech ``(T,)``."""
    import librosa

    power = librosa.feature.melspectrogram(
        y=wav, sr=SAMPLE_RATE, n_fft=400, hop_length=_HOP, n_mels=40, center=True
    )
    level = librosa.power_to_db(power.sum(axis=0), ref=1.0)
    speaking = level > np.percentile(level, 95) - _SILENCE_DB
    cepstra = librosa.feature.mfcc(S=librosa.power_to_db(power, top_db=60), n_mfcc=14)[1:]
    cepstra = np.concatenate([cepstra, librosa.feature.delta(cepstra, width=5)])
    voiced = cepstra[:, speaking] if speaking.any() else cepstra
    spread = voiced.std(axis=1, keepdims=True) + 1e-6
    normalised = (cepstra - voiced.mean(axis=1, keepdims=True)) / spread
    return normalised.T, _without_short_gaps(speaking)


def _without_short_gaps(speaking: np.ndarray) -> np.ndarray:
    """Keep closures of stops as speech: only gaps of 100 ms and more are pauses."""
    kept = speaking.copy()
    edges = np.flatnonzero(np.diff(np.concatenate([[1], speaking.astype(int), [1]])))
    for start, stop in edges.reshape(-1, 2):
        if start > 0 and stop < len(speaking) and stop - start < _MIN_PAUSE_FRAMES:
            kept[start:stop] = True
    return kept


def _runs(per_frame: Sequence[str]) -> list[Segment]:
    """Join equal neighbours into segments in seconds."""
    seconds = _HOP / SAMPLE_RATE
    edges = [0] + [i for i in range(1, len(per_frame)) if per_frame[i] != per_frame[i - 1]]
    return [
        Segment(start * seconds, stop * seconds, per_frame[start])
        for start, stop in zip(edges, [*edges[1:], len(per_frame)], strict=True)
    ]
