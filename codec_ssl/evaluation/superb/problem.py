"""What one of the benchmark's tasks is: labels, a head on frozen features, predictions, measures.

========  =======================================================  ==================
name      what                                                     labels
========  =======================================================  ==================
ks        keyword spotting                                         utt2command
sid       speaker identification                                   utt2spk
er        emotion recognition, five folds                          utt2emotion
ic        intent classification                                    utt2action, …
pr        phone recognition                                        phones
asr       speech recognition                                       text
sf        slot filling                                             text, slots
sv        speaker verification                                     utt2spk, trials
sd        speaker diarization                                      rttm
qbe       query by example: nothing is trained                     matches_*
========  =======================================================  ==================

Letters: B utterances of a batch, T frames, D width, U utterances of a set.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import ConfigError
from codec_ssl.evaluation.superb.measure import Measure

_PACKAGE = "codec_ssl.evaluation.superb"
# Where each task's class is; a family is imported when one of its tasks is asked for.
PROBLEMS = {
    "ks": "classification.KeywordSpotting",
    "sid": "classification.SpeakerIdentification",
    "er": "classification.EmotionRecognition",
    "ic": "classification.IntentClassification",
    "pr": "recognition.PhoneRecognition",
    "asr": "recognition.SpeechRecognition",
    "sf": "recognition.SlotFilling",
    "sv": "verification.SpeakerVerification",
    "sd": "diarization.Diarization",
    "qbe": "query.QueryByExample",
}
# A target that no class of the training set has: no loss is made of it.
UNKNOWN = -100


@dataclass(frozen=True)
class Span:
    """Which frames of an utterance a batch has: all of them, or those of a crop.

    Attributes:
        start: First frame.
        length: Frames.
        frame_rate: Frames a second.
    """

    start: int
    length: int
    frame_rate: float


class Problem(ABC):
    """One task. It is built for a training, and again, from what the training kept, to score.

    Args:
        vocabulary: What ``learn`` returned.
        head_conf: Options of the head; the benchmark's values are the defaults.

    Attributes:
        name: Short name, a key of ``PROBLEMS``.
        title: What a reader calls it.
        metric: Name of the measure that chooses checkpoint and learning rate on the valid set.
        higher_is_better: Its direction.
        bucketed: Whether batches are of utterances of about equal length.
        pools: Whether the head is linear up to the mean over time: the mean of the frames is then
            all that it needs.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    metric: ClassVar[str]
    higher_is_better: ClassVar[bool]
    bucketed: ClassVar[bool] = False
    pools: ClassVar[bool] = False

    def __init__(
        self, vocabulary: Mapping[str, Any], head_conf: Mapping[str, Any] | None = None
    ) -> None:
        self.vocabulary, self.head_conf = dict(vocabulary), dict(head_conf or {})

    @classmethod
    @abstractmethod
    def read(cls, data_dir: DataDir) -> dict[str, Any]:
        """Labels by utterance; utterances without one are left out.

        Raises:
            DataError: The data dir has no such labels, or a broken one.
        """

    @classmethod
    @abstractmethod
    def learn(cls, labels: Mapping[str, Any]) -> dict[str, Any]:
        """What the training keeps of its labels, as plain values: classes, symbols."""

    @classmethod
    def truth(cls, data_dir: DataDir) -> Any:
        """What predictions are measured by: the labels, if nothing else is needed."""
        return cls.read(data_dir)

    @abstractmethod
    def encode(self, label: Any, span: Span) -> np.ndarray:
        """Targets int64 of any shape whose first axis may differ; ``UNKNOWN`` for unseen ones."""

    @abstractmethod
    def build_head(self, width: int, frame_rate: float) -> nn.Module:
        """The network, called with features (B, T, D) and lengths (B,).

        Raises:
            ConfigError: ``head_conf`` has an option that there isn't.
        """

    @abstractmethod
    def loss(
        self, head: nn.Module, outputs: Any, targets: Tensor, target_lengths: Tensor
    ) -> Tensor:
        """The training's loss, a scalar.

        Args:
            head: What made the outputs.
            outputs: What the head returned.
            targets: (B, …) int64, padded with ``UNKNOWN``.
            target_lengths: (B,).
        """

    @abstractmethod
    def predict(self, outputs: Any) -> Sequence[Any]:
        """Prediction for each utterance (B), in plain values."""

    @abstractmethod
    def measure(self, predictions: Mapping[str, Any], truth: Any) -> dict[str, Measure]:
        """Measures of a set, ``metric`` first.

        Args:
            predictions: By utterance.
            truth: See ``truth``.
        """

    def facts(self, truth: Any) -> dict[str, Any]:
        """What else is recorded beside a score, such as the number of classes."""
        return {}

    def make_head[M: nn.Module](self, build: type[M], *args: Any, **defaults: Any) -> M:
        """A network with ``head_conf`` over the defaults.

        Raises:
            ConfigError: It has no such option.
        """
        try:
            return build(*args, **defaults | self.head_conf)
        except TypeError as error:
            raise ConfigError(f"head_conf of {self.name}: {error}") from error

    @classmethod
    def is_better(cls, value: float, than: float) -> bool:
        """Whether a value of ``metric`` is better than another one."""
        return value > than if cls.higher_is_better else value < than


def problem_class(name: str) -> type[Problem]:
    """The class of a task.

    Raises:
        ConfigError: There is no such task.
    """
    if name not in PROBLEMS:
        raise ConfigError(f"task of SUPERB: expected one of {', '.join(PROBLEMS)}, found {name!r}")
    module, _, found = PROBLEMS[name].partition(".")
    return getattr(import_module(f"{_PACKAGE}.{module}"), found)
