"""Tasks that put an utterance into classes: keywords, speakers, emotions, intents.

The head is SUPERB's: a projection of each frame, the mean over time, a linear layer.

Letters: B utterances of a batch, C classes of all labels together.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from s3prl.nn.linear import MeanPoolingLinear
from torch import Tensor, nn

from codec_ssl.data.data_dir import DataDir
from codec_ssl.errors import DataError
from codec_ssl.evaluation.superb.measure import Measure, ratio
from codec_ssl.evaluation.superb.problem import UNKNOWN, Problem, Span

LABEL_ACCURACY = "label_accuracy"


class Classification(Problem):
    """One label or several, each with classes of its own; right is who has all of them right.

    Classes are those of the training set: an utterance of another one counts as wrong. (s3prl
    takes the classes of all sets; on the benchmark's corpora they are the same.)

    Attributes:
        labels: Names of the ``utt2<label>`` files.
    """

    metric, higher_is_better, pools = "accuracy", True, True
    labels: ClassVar[tuple[str, ...]]

    @classmethod
    def read(cls, data_dir: DataDir) -> dict[str, Any]:
        """Labels, as many as there are names, of the utterances that have all of them."""
        tables = [
            data_dir.utt2spk if name == "spk" else data_dir.labels(name) for name in cls.labels
        ]
        labelled = [utt for utt in data_dir.utt_ids if all(utt in table for table in tables)]
        if not labelled:
            names = " and ".join(f"utt2{name}" for name in cls.labels)
            raise DataError(f"{data_dir.path}: expected labels in {names}, found none", "data")
        return {utt: [table[utt] for table in tables] for utt in labelled}

    @classmethod
    def learn(cls, labels: Mapping[str, Any]) -> dict[str, Any]:
        """Classes of each label, sorted, and the most frequent labels."""
        classes = [sorted(set(values)) for values in zip(*labels.values(), strict=True)]
        often = Counter(map(tuple, labels.values())).most_common(1)[0][0]
        return {"classes": classes, "most_frequent": list(often)}

    @property
    def classes(self) -> list[list[str]]:
        """Classes of each label."""
        return self.vocabulary["classes"]

    def encode(self, label: Any, span: Span) -> np.ndarray:
        """Class of each label (number of labels,)."""
        pairs = zip(label, self.classes, strict=True)
        return np.array([_index(known, value) for value, known in pairs], dtype=np.int64)

    def build_head(self, width: int, frame_rate: float) -> nn.Module:
        """s3prl's ``MeanPoolingLinear``: logits (B, C), labels side by side."""
        return self.make_head(MeanPoolingLinear, width, sum(map(len, self.classes)))

    def loss(
        self, head: nn.Module, outputs: Tensor, targets: Tensor, target_lengths: Tensor
    ) -> Tensor:
        """Cross-entropy of each label, summed over labels."""
        parts = zip(self._split(outputs), targets.unbind(1), strict=True)
        return sum(known_cross_entropy(logits, wanted) for logits, wanted in parts)

    def predict(self, outputs: Tensor) -> Sequence[Any]:
        """The likeliest class of each label."""
        likeliest = [logits.argmax(1).tolist() for logits in self._split(outputs)]
        return [
            [names[index] for names, index in zip(self.classes, found, strict=True)]
            for found in zip(*likeliest, strict=True)
        ]

    def measure(self, predictions: Mapping[str, Any], truth: Any) -> dict[str, Measure]:
        """Accuracy; where there are several labels also the share of all of them that is right."""
        right = [
            [one == other for one, other in zip(found, truth[utt], strict=True)]
            for utt, found in predictions.items()
        ]
        measures = {self.metric: ratio([all(each) for each in right])}
        if len(self.labels) > 1:
            measures[LABEL_ACCURACY] = ratio([np.mean(each) for each in right])
        return measures

    def facts(self, truth: Any) -> dict[str, Any]:
        """Number of classes, and the ``metric`` of always answering the most frequent ones."""
        most_frequent = self.vocabulary["most_frequent"]
        majority = np.mean([list(label) == most_frequent for label in truth.values()])
        return {
            "num_classes": [len(names) for names in self.classes],
            "majority": float(majority),
        }

    def _split(self, logits: Tensor) -> Sequence[Tensor]:
        return logits.split([len(names) for names in self.classes], dim=1)


class KeywordSpotting(Classification):
    """KS: which of a few commands was said; Speech Commands v1 in the benchmark."""

    name, title, labels = "ks", "keyword spotting", ("command",)


class SpeakerIdentification(Classification):
    """SID: who of the training's speakers it is; VoxCeleb1 in the benchmark."""

    name, title, labels = "sid", "speaker identification", ("spk",)


class EmotionRecognition(Classification):
    """ER: with which emotion it was said; four classes of IEMOCAP in the benchmark."""

    name, title, labels = "er", "emotion recognition", ("emotion",)


class IntentClassification(Classification):
    """IC: action, object and location of a command; Fluent Speech Commands in the benchmark."""

    name, title = "ic", "intent classification"
    labels = ("action", "object", "location")


def known_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy over the rows whose class is known; 0 where none is.

    Args:
        logits: (B, C).
        targets: (B,), ``UNKNOWN`` where the class is not among the training's.
    """
    total = torch.nn.functional.cross_entropy(
        logits, targets, ignore_index=UNKNOWN, reduction="sum"
    )
    return total / (targets != UNKNOWN).sum().clamp_min(1)


def _index(known: Sequence[str], value: str) -> int:
    return known.index(value) if value in known else UNKNOWN
