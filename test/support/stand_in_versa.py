"""A package ``versa`` with the parts of VERSA 1.0 that the adapter touches, and their habits.

Names, signatures, keys of the answers and the numbers given in place of failures are those of
wavlab-speech/versa; the measuring is not: every metric answers with something that tells what it
was given.
"""

DEFINITION = """
class MetricRegistry:
    def __init__(self):
        self._metrics, self._metadata, self._aliases = {}, {}, {}

    def register(self, metric_class, metadata, aliases=None):
        self._metrics[metadata] = metric_class
        self._metadata[metadata] = metadata
        for alias in aliases or []:
            self._aliases[alias] = metadata

    def get_metric(self, name):
        return self._metrics.get(self._aliases.get(name, name))

    def get_metadata(self, name):
        return self._metadata.get(self._aliases.get(name, name))


class BaseMetric:
    def __init__(self, config=None):
        self.config = config or {}
        self._setup()

    def _setup(self):
        pass


class MetricFactory:
    def __init__(self, registry):
        self.registry = registry

    def create_metric(self, name, config=None):
        metric_class = self.registry.get_metric(name)
        if not metric_class:
            raise ValueError(f"Metric '{name}' not found in registry")
        return metric_class(config)
"""
SCORER = """
from versa.definition import MetricFactory, MetricRegistry


def _create_populated_registry():
    import versa as versa_package

    registry = MetricRegistry()
    for name in dir(versa_package):
        if name.startswith("register_") and name.endswith("_metric"):
            getattr(versa_package, name)(registry)
    return registry


class VersaScorer:
    def __init__(self, registry=None):
        self.registry = registry or _create_populated_registry()
        self.factory = MetricFactory(self.registry)
"""
INIT = """
import numpy as np

from versa.definition import BaseMetric


class McdF0Metric(BaseMetric):
    def compute(self, predictions, references=None, metadata=None):
        assert predictions.dtype == references.dtype == np.float64
        assert len(predictions) == len(references)
        config = self.config
        assert (config["f0min"], config["f0max"], config["dtw"]) == (40, 800, False)
        return {"mcd": 5.0, "f0rmse": 1.0, "f0corr": np.float64(metadata["sample_rate"])}


class PesqMetric(BaseMetric):
    def compute(self, predictions, references, metadata=None):
        # VERSA catches what PESQ raises, and answers 0.
        return {"pesq": 0.0 if np.abs(predictions).max() < 0.01 else 3.5}


class SignalMetric(BaseMetric):
    def compute(self, predictions, references=None, metadata=None):
        gain = np.abs(predictions).max() / np.abs(references).max()
        return {"sdr": 0.0, "sir": 0.0, "sar": 0.0, "si_snr": 0.0, "ci_sdr": gain}


class PseudoMosMetric(BaseMetric):
    def _setup(self):
        self.predictors = self.config["predictor_types"]
        if "utmos" in self.predictors:
            raise OSError("no network")

    def compute(self, predictions, references=None, metadata=None):
        assert self.predictors == ["dnsmos"]
        return {"dns_overall": len(predictions) / metadata["sample_rate"], "dns_p808": 1.0}


class VisqolMetric(BaseMetric):
    def compute(self, predictions, references=None, metadata=None):
        raise RuntimeError("too short")


class WhisperWerMetric(BaseMetric):
    def compute(self, predictions, references=None, metadata=None):
        assert self.config["beam_size"] == 1
        words = len(metadata["text"].split())
        counts = {"delete": 1, "insert": 2, "replace": 0, "equal": words - 1}
        return {f"whisper_wer_{name}": count for name, count in counts.items()}


class SpeakerMetric(BaseMetric):
    def compute(self, predictions, references=None, metadata=None):
        return {"spk_similarity": np.float32(0.25)}


def register_mcd_f0_metric(registry):
    registry.register(McdF0Metric, "mcd_f0", aliases=["mcd"])


def register_pesq_metric(registry):
    registry.register(PesqMetric, "pesq")


def register_signal_metric(registry):
    registry.register(SignalMetric, "signal_metric", aliases=["signal"])


def register_pseudo_mos_metric(registry):
    registry.register(PseudoMosMetric, "pseudo_mos")


def register_visqol_metric(registry):
    registry.register(VisqolMetric, "visqol")


def register_whisper_wer_metric(registry):
    registry.register(WhisperWerMetric, "whisper_wer")


def register_speaker_metric(registry):
    registry.register(SpeakerMetric, "speaker")
"""


def write(folder):
    """Make the package in a folder, which is to be put on the path."""
    package = folder / "versa"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(INIT)
    (package / "definition.py").write_text(DEFINITION)
    (package / "scorer_shared.py").write_text(SCORER)
    return folder
