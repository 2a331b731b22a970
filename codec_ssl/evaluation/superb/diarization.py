"""SD: who speaks when, in mixtures of two (LibriMix in the benchmark; arXiv 2105.01051, section 3).

Letters: B utterances, T frames, D width, S speakers, U utterances of a set, C settings.
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from s3prl.nn.pit import pit_loss
from s3prl.nn.rnn import SuperbDiarizationModel
from torch import Tensor, nn

from codec_ssl.data.alignment import Segment
from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.superb.tables import RTTM, read_rttm
from codec_ssl.errors import DataError
from codec_ssl.evaluation.superb.measure import Measure
from codec_ssl.evaluation.superb.metrics.der import diarization_errors, segments_of
from codec_ssl.evaluation.superb.problem import Problem, Span

# Thresholds and median filters (frames) that the benchmark tries on the set that it scores.
SETTINGS = tuple(product((0.3, 0.4, 0.5, 0.6, 0.7), (1, 11)))
PLAIN = SETTINGS.index((0.5, 1))


class Speech(NamedTuple):
    """What the head gives.

    Attributes:
        logits: That each speaker speaks (B, T, S).
        lengths: Frames (B,).
        frame_rate: Frames a second.
    """

    logits: Tensor
    lengths: Tensor
    frame_rate: float


class DiarizationHead(nn.Module):
    """s3prl's ``SuperbDiarizationModel`` with SUPERB's sizes: one LSTM, a linear layer.

    Args:
        input_size: D.
        output_size: S.
        frame_rate: Frames a second.
        rnn_layers: LSTMs.
        hidden_size: Their width.
    """

    def __init__(
        self,
        input_size: int,
        output_size: int,
        frame_rate: float,
        rnn_layers: int = 1,
        hidden_size: int = 512,
    ) -> None:
        super().__init__()
        self.frame_rate = frame_rate
        self.model = SuperbDiarizationModel(input_size, output_size, rnn_layers, hidden_size)

    def forward(self, features: Tensor, lengths: Tensor) -> Speech:
        """Logits of features (B, T, D)."""
        return Speech(*self.model(features, lengths), self.frame_rate)


class Diarization(Problem):
    """Frames of each speaker, trained with the permutation that fits best.

    Training takes crops of 2000 frames, as in s3prl; scoring takes whole utterances, where s3prl
    puts the answers of crops together. LibriMix has no utterance so long.
    """

    name, title = "sd", "speaker diarization"
    metric, higher_is_better = "der", False

    @classmethod
    def read(cls, data_dir: DataDir) -> dict[str, Any]:
        """Segments of each utterance."""
        return dict(read_rttm(data_dir))

    @classmethod
    def learn(cls, labels: Mapping[str, Any]) -> dict[str, Any]:
        """The most speakers of an utterance."""
        return {"speakers": max(len(_speakers(segments)) for segments in labels.values())}

    def encode(self, label: Any, span: Span) -> np.ndarray:
        """Whether each speaker speaks (T, S); a border belongs to the nearest frame's start."""
        active = np.zeros((span.length, self.vocabulary["speakers"]), dtype=np.int64)
        speakers = _speakers(label)
        if len(speakers) > active.shape[1]:
            raise DataError(
                f"{RTTM}: expected at most {active.shape[1]} speakers in an utterance, as the"
                f" training set has, found {speakers}",
                stage="data",
            )
        for start, end, speaker in label:
            begin, stop = (round(time * span.frame_rate) - span.start for time in (start, end))
            active[max(begin, 0) : max(stop, 0), speakers.index(speaker)] = 1
        return active

    def build_head(self, width: int, frame_rate: float) -> nn.Module:
        """``DiarizationHead``."""
        return self.make_head(DiarizationHead, width, self.vocabulary["speakers"], frame_rate)

    def loss(
        self, head: nn.Module, outputs: Any, targets: Tensor, target_lengths: Tensor
    ) -> Tensor:
        """Binary cross-entropy a frame, each utterance's speakers in the order that fits best."""
        wanted = targets.clamp_min(0).to(outputs.logits.dtype)
        loss, _, _ = pit_loss(outputs.logits, wanted, target_lengths)
        return loss

    def predict(self, outputs: Any) -> Sequence[Any]:
        """Segments with each of ``SETTINGS``."""
        every = torch.sigmoid(outputs.logits.detach().float()).cpu().numpy()
        return [
            _answers(rows[:length], 1 / outputs.frame_rate)
            for rows, length in zip(every, outputs.lengths.tolist(), strict=True)
        ]

    def measure(self, predictions: Mapping[str, Any], truth: Any) -> dict[str, Measure]:
        """Diarization error rates.

        ``der`` is the benchmark's: that of whichever of ``SETTINGS`` is best on the very set that
        is scored. ``der_plain`` chooses nothing: threshold 0.5, no filter.
        """
        compared = [
            [
                diarization_errors(truth[utt], [Segment(*each) for each in answer])
                for answer in found
            ]
            for utt, found in predictions.items()
        ]
        errors = np.array([[each.errors for each in row] for row in compared])
        scored = np.array([row[0].scored for row in compared])

        def best(counts: np.ndarray) -> np.ndarray:
            return (counts @ errors).min(1) / (counts @ scored)

        def plain(counts: np.ndarray) -> np.ndarray:
            return (counts @ errors[:, PLAIN]) / (counts @ scored)

        return {"der": Measure(best, [len(scored)]), "der_plain": Measure(plain, [len(scored)])}

    def facts(self, truth: Any) -> dict[str, Any]:
        """Most speakers of an utterance."""
        return {"num_speakers": self.vocabulary["speakers"]}


def _speakers(segments: Sequence[Segment]) -> list[str]:
    return sorted({each.label for each in segments})


def _answers(probabilities: np.ndarray, frame_seconds: float) -> list[list[list[Any]]]:
    """Segments as plain lists with each setting."""
    return [
        [
            [round(start, 4), round(end, 4), speaker]
            for start, end, speaker in segments_of(
                probabilities, frame_seconds, threshold=threshold, median=median
            )
        ]
        for threshold, median in SETTINGS
    ]
