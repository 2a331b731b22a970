"""What is measured and by what, and why some of it can't be had: the options of scoring.

What cannot be had is no error: it gets a reason, which stands in the tables in place of a number.
"""

import importlib.util
from dataclasses import dataclass
from importlib import metadata

from codec_ssl.evaluation import pitch

BACKENDS = ("auto", "own", "versa")


@dataclass(frozen=True)
class ScorerOptions:
    """What to measure, and by what.

    Attributes:
        metrics: Names of :data:`codec_ssl.report.codec_metrics.METRICS`.
        backend: ``versa``, ``own``, or ``auto``: VERSA's where they can be had and no weights are
            named for ours.
        utmos: Weights of UTMOS, see :class:`codec_ssl.evaluation.opinion.Utmos`.
        sheet_ssqa: Weights of SHEET-SSQA, see :class:`codec_ssl.evaluation.opinion.SheetSsqa`.
        speech_bert: Model of the speech BERT score.
        speech_bert_layer: Its layer.
        whisper: Model of the word error rate.
        language: What Whisper listens for; "": it finds out.
        speaker: Model of ESPnet-SPK; "": Resemblyzer.
        pitch: What finds F0, see :class:`codec_ssl.tts.prosody.PitchOptions`.
        device: Where networks compute.
    """

    metrics: tuple[str, ...]
    backend: str = "auto"
    utmos: str = ""
    sheet_ssqa: str = ""
    speech_bert: str = ""
    speech_bert_layer: int = 14
    whisper: str = ""
    language: str = ""
    speaker: str = ""
    pitch: str = pitch.TRACKER.method
    device: str = "cpu"

    def weights(self, metric: str) -> str:
        """Weights that were named for a metric, or ""."""
        option = _WEIGHT_OPTIONS.get(metric)
        return getattr(self, option) if option else ""


_WEIGHT_OPTIONS = {
    "utmos": "utmos",
    "sheet_ssqa": "sheet_ssqa",
    "speech_bert": "speech_bert",
    "wer": "whisper",
    "speaker_similarity": "speaker",
}
_NEED_WEIGHTS = {
    "utmos": "a folder or repository of SpeechMOS, or a TorchScript file",
    "sheet_ssqa": "a folder or repository of SHEET",
    "speech_bert": "a folder or hub id such as microsoft/wavlm-large",
    "wer": "a folder or hub id such as openai/whisper-large-v3",
}
# Modules and their distributions.
_PACKAGES = {
    "mcd": {"pyworld": "pyworld", "pysptk": "pysptk"},
    "f0_corr": {"pyworld": "pyworld", "pysptk": "pysptk"},
    "pesq": {"pesq": "pesq"},
    "ci_sdr": {"ci_sdr": "ci_sdr"},
    "si_sdr": {"ci_sdr": "ci_sdr"},
    "visqol": {"visqol": "visqol-python"},
    "dnsmos": {"speechmos": "speechmos", "onnxruntime": "onnxruntime"},
    "stoi": {"pystoi": "pystoi"},
    "mel_distance": {"dac": "descript-audio-codec"},
    "stft_distance": {"dac": "descript-audio-codec"},
    "speaker_similarity": {"resemblyzer": "resemblyzer"},
    "speech_bert": {"transformers": "transformers"},
    "wer": {"transformers": "transformers"},
}


def unavailable(metric: str, options: ScorerOptions) -> str:
    """Why a metric of ours cannot be had: a sentence, or ""."""
    weights = options.weights(metric)
    if metric in _NEED_WEIGHTS and not weights:
        option = _WEIGHT_OPTIONS[metric]
        return f"needs weights: --{option} names {_NEED_WEIGHTS[metric]}"
    packages = {} if metric == "speaker_similarity" and weights else _packages(metric, options)
    absent = [dist for module, dist in packages.items() if not importlib.util.find_spec(module)]
    return f"needs a package that is not installed: {', '.join(absent)}" if absent else ""


def maker_of(metric: str, options: ScorerOptions) -> str:
    """Package and version, or weights: what the numbers of a metric of ours depend on."""
    weights = options.weights(metric)
    if metric == "speech_bert":
        return f"{weights} layer {options.speech_bert_layer}"
    if metric == "wer":
        return " ".join(filter(None, (weights, options.language)))
    if weights:
        return weights
    dists = _packages(metric, options).values()
    made_by = ", ".join(f"{dist} {metadata.version(dist)}" for dist in dists)
    return f"{made_by} {options.pitch}" if metric in pitch.METRICS else made_by


def _packages(metric: str, options: ScorerOptions) -> dict[str, str]:
    if metric in pitch.METRICS:
        package = "librosa" if options.pitch == "pyin" else "pyworld"
        return {package: package}
    return _PACKAGES.get(metric, {})
