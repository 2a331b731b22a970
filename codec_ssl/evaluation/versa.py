"""Metrics through VERSA, the toolkit of the paper, where the user has installed it.

Do Neural Codecs Generalize? (arXiv 2601.12205) scores all by VERSA; :data:`UNITS` has its settings.
Where VERSA puts a number in place of a failure, there is a reason here. VERSA downloads what its
models need when a metric is set up. (The package ``versa`` of the Python index is something else.)
"""

import importlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import numpy as np

from codec_ssl.evaluation.pair import CannotScore, Pair
from codec_ssl.evaluation.scores import Score
from codec_ssl.evaluation.signal import SPEECH_RATE, check_signals

_DISTRIBUTION = "versa-speech-audio-toolkit"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unit:
    """One metric of VERSA, which may give several of ours.

    Attributes:
        name: As VERSA registers it.
        keys: Our metric by what VERSA calls it in its answer.
        config: Settings.
        sample_rate: Rate that it is given, in Hz; None: the signals' own.
        aligned: Whether signals are laid side by side.
        failures: What VERSA answers where it could not measure.
    """

    name: str
    keys: Mapping[str, str]
    config: Mapping[str, Any] = field(default_factory=dict)
    sample_rate: int | None = SPEECH_RATE
    aligned: bool = True
    failures: tuple[float, ...] = ()


def _predictor(name: str) -> dict[str, Any]:
    return {"predictor_types": [name], "predictor_args": {name: {"fs": SPEECH_RATE}}}


UNITS = (
    Unit(
        "mcd_f0",
        {"mcd": "mcd", "f0corr": "f0_corr"},
        {
            "f0min": 40,
            "f0max": 800,
            "mcep_shift": 5,
            "mcep_fftl": 1024,
            "mcep_dim": 39,
            "mcep_alpha": 0.466,
            "dtw": False,
        },
    ),
    Unit("pesq", {"pesq": "pesq"}, failures=(0.0,)),
    Unit("discrete_speech", {"speech_bert": "speech_bert"}, aligned=False, failures=(0.0,)),
    Unit("signal_metric", {"ci_sdr": "ci_sdr"}, sample_rate=None),
    Unit("visqol", {"visqol": "visqol"}, {"model": "default"}, sample_rate=None),
    Unit("pseudo_mos", {"dns_overall": "dnsmos"}, _predictor("dnsmos"), aligned=False),
    Unit("pseudo_mos", {"utmos": "utmos"}, _predictor("utmos"), aligned=False),
    Unit("sheet_ssqa", {"sheet_ssqa": "sheet_ssqa"}, aligned=False),
    Unit(
        "whisper_wer",
        {"whisper_wer": "wer"},
        {"model_tag": "default", "beam_size": 1, "text_cleaner": "whisper_basic"},
        aligned=False,
    ),
    Unit(
        "speaker", {"spk_similarity": "speaker_similarity"}, {"model_tag": "default"}, aligned=False
    ),
)


def version() -> str | None:
    """VERSA's version, or None where it isn't installed."""
    try:
        importlib.import_module("versa.scorer_shared")
        return metadata.version(_DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "of a checkout"
    except ImportError as error:
        _logger.debug("no VERSA: %s", error)
        return None


class VersaMetric:
    """One unit, set up.

    Args:
        unit: Which.
        use_gpu: Whether VERSA's networks go to the GPU.

    Raises:
        ImportError: If VERSA is not installed or lacks this metric: its message says what to do.
        Exception: Whatever the metric's own packages raise when their models cannot be had.
    """

    def __init__(self, unit: Unit, use_gpu: bool = False) -> None:
        shared = importlib.import_module("versa.scorer_shared")
        suite = shared.VersaScorer().factory
        if suite.registry.get_metric(unit.name) is None:
            raise ImportError(f"VERSA has no metric {unit.name}: a package of it is not installed")
        self._unit = unit
        self._metric = suite.create_metric(unit.name, {**unit.config, "use_gpu": use_gpu})

    def __call__(self, pair: Pair) -> dict[str, Score]:
        """Our metrics of a pair.

        Raises:
            CannotScore: With VERSA's reason, or ours.
        """
        unit = self._unit
        take = pair.aligned if unit.aligned else pair.wholes
        reference, decoded = take(unit.sample_rate)
        check_signals(reference, decoded)
        if unit.name == "whisper_wer" and not pair.text:
            raise CannotScore("no transcript")
        facts = {
            "key": pair.utt_id,
            "sample_rate": unit.sample_rate or pair.sample_rate,
            "text": pair.text,
        }
        arrays = [np.ascontiguousarray(wav, dtype=np.float64) for wav in (decoded, reference)]
        try:
            answer = self._metric.compute(*arrays, metadata=facts)
        # VERSA's metrics are of many makers, and raise what they like.
        except Exception as error:
            raise CannotScore(f"VERSA: {type(error).__name__}: {error}") from error
        return {ours: self._read(answer, key) for key, ours in unit.keys.items()}

    def _read(self, answer: Mapping[str, Any], key: str) -> Score:
        if key == "whisper_wer":
            names = ("delete", "insert", "replace", "equal")
            delete, insert, replace, equal = (float(answer[f"{key}_{name}"]) for name in names)
            if not delete + replace + equal:
                raise CannotScore("no words in the transcript")
            return Score(delete + insert + replace, delete + replace + equal)
        value = float(np.asarray(answer[key]).reshape(-1)[0])
        if value in self._unit.failures:
            raise CannotScore(f"VERSA failed (it answers {value:g})")
        return Score(value)
