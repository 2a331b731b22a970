"""SV: are two utterances of one speaker? An x-vector, trained to tell speakers apart.

Letters: B utterances of a batch, T frames, D width, E size of an embedding, N trials, R draws.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from s3prl.nn.speaker_loss import amsoftmax
from s3prl.nn.speaker_model import XVECTOR_TDNNS_LENGTH_REDUCTION, SuperbXvector
from torch import Tensor, nn

from codec_ssl.data.data_dir import DataDir
from codec_ssl.data.tables import numbered_lines
from codec_ssl.errors import ConfigError, DataError
from codec_ssl.evaluation.superb.measure import Measure
from codec_ssl.evaluation.superb.metrics.eer import (
    ErrorRates,
    Trials,
    equal_error_rate,
    min_detection_cost,
)
from codec_ssl.evaluation.superb.problem import UNKNOWN, Problem, Span

TRIALS = "trials"
# Statistics over time need two frames behind the network's context.
_LEAST_FRAMES = XVECTOR_TDNNS_LENGTH_REDUCTION + 2
_MARGIN = {"margin": 0.4, "scale": 30.0}


class Trial(NamedTuple):
    """Two utterances, and whether they are of one speaker."""

    is_target: bool
    enrol: str
    test: str


class XvectorHead(nn.Module):
    """s3prl's x-vector, and the weights of its AM-softmax, which only the loss uses.

    Args:
        xvector: The network.
        loss: Margin, scale and a direction for each of the training's speakers.
    """

    def __init__(self, xvector: SuperbXvector, loss: amsoftmax) -> None:
        super().__init__()
        self.xvector, self.criterion = xvector, loss

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Embeddings (B, E) of features (B, T, D).

        The network's context takes 14 frames. Utterances with fewer than 16, which the
        benchmark's corpus hasn't, are repeated until they have them.
        """
        short = lengths < _LEAST_FRAMES
        if short.any():
            features, lengths = _repeated(features, lengths, short)
        return self.xvector(features, lengths)


class SpeakerVerification(Problem):
    """Speakers of the training set, and trials of other speakers; VoxCeleb1 in the benchmark.

    The benchmark has no valid trials: s3prl scores every checkpoint on the test trials. Here
    checkpoint and learning rate are chosen by the EER of trials of the valid set.
    """

    name, title = "sv", "speaker verification"
    metric, higher_is_better = "eer", False

    @classmethod
    def read(cls, data_dir: DataDir) -> dict[str, Any]:
        """Speakers."""
        return dict(data_dir.utt2spk)

    @classmethod
    def learn(cls, labels: Mapping[str, Any]) -> dict[str, Any]:
        """Speakers, sorted."""
        return {"speakers": sorted(set(labels.values()))}

    @classmethod
    def truth(cls, data_dir: DataDir) -> list[Trial]:
        """Trials.

        Raises:
            DataError: There are none, a line is none, or they are of one kind only.
        """
        path = data_dir.path / TRIALS
        found = [_trial(line, f"{path}:{number}") for number, line in numbered_lines(path)]
        if len({trial.is_target for trial in found}) < 2:
            raise DataError(f"{path}: expected trials of both kinds, found {len(found)}", "data")
        return found

    def encode(self, label: Any, span: Span) -> np.ndarray:
        """Number of the speaker (1,)."""
        speakers = self.vocabulary["speakers"]
        number = speakers.index(label) if label in speakers else UNKNOWN
        return np.array([number], dtype=np.int64)

    def build_head(self, width: int, frame_rate: float) -> nn.Module:
        """s3prl's ``SuperbXvector`` and ``amsoftmax``.

        Raises:
            ConfigError: ``head_conf`` has an option that there isn't.
        """
        options = {**_MARGIN, **self.head_conf}
        margin = {name: float(options.pop(name)) for name in _MARGIN}
        try:
            xvector = SuperbXvector(width, **options)
        except TypeError as error:
            raise ConfigError(f"head_conf of {self.name}: {error}") from error
        speakers = len(self.vocabulary["speakers"])
        return XvectorHead(xvector, amsoftmax(xvector.output_size, speakers, **margin))

    def loss(
        self, head: nn.Module, outputs: Tensor, targets: Tensor, target_lengths: Tensor
    ) -> Tensor:
        """AM-softmax over the training's speakers; 0 where none of the batch is one."""
        speakers = targets.squeeze(1)
        known = speakers != UNKNOWN
        if not known.any():
            return outputs.sum() * 0
        return head.criterion(outputs[known], speakers[known])[0]

    def predict(self, outputs: Tensor) -> Sequence[Any]:
        """Embeddings, of length 1."""
        return list(torch.nn.functional.normalize(outputs.detach().float(), dim=1).cpu().numpy())

    def measure(self, predictions: Mapping[str, Any], truth: Any) -> dict[str, Measure]:
        """EER and minDCF of the trials by cosine.

        Intervals draw utterances: trials share them, so that trials are not drawn by themselves.

        Raises:
            DataError: A trial's utterance is missing.
        """
        places = {utt: number for number, utt in enumerate(predictions)}
        missing = [u for trial in truth for u in (trial.enrol, trial.test) if u not in places]
        if missing:
            raise DataError(f"trials: expected utterance {missing[0]}, found no prediction for it")
        sides = [np.array([places[getattr(t, side)] for t in truth]) for side in ("enrol", "test")]
        vectors = np.stack(list(predictions.values()))
        scores = np.einsum("nd,nd->n", vectors[sides[0]], vectors[sides[1]])
        trials = Trials(np.array([trial.is_target for trial in truth]), scores)

        def measured(cost: Callable[[ErrorRates], float]) -> Measure:
            def statistic(counts: np.ndarray) -> np.ndarray:
                weights = (row[sides[0]] * row[sides[1]] for row in counts)
                return np.array([cost(trials.rates(each.astype(np.float64))) for each in weights])

            return Measure(statistic, [len(places)])

        return {"eer": measured(equal_error_rate), "min_dcf": measured(min_detection_cost)}

    def facts(self, truth: Any) -> dict[str, Any]:
        """How many speakers were learnt from, and how many trials there are."""
        targets = sum(trial.is_target for trial in truth)
        return {
            "train_speakers": len(self.vocabulary["speakers"]),
            "num_trials": len(truth),
            "target_trials": targets,
        }


def _trial(line: str, where: str) -> Trial:
    fields = line.split()
    if len(fields) != 3 or fields[0] not in ("0", "1"):
        raise DataError(
            f"{where}: expected '<1|0> <utterance> <utterance>', found {line!r}", "data"
        )
    return Trial(fields[0] == "1", fields[1], fields[2])


def _repeated(features: Tensor, lengths: Tensor, short: Tensor) -> tuple[Tensor, Tensor]:
    """Repeat short utterances: frame t is frame t modulo the length."""
    wanted = torch.where(short, -(-_LEAST_FRAMES // lengths) * lengths, lengths)
    frames = torch.arange(int(wanted.max()), device=features.device)
    places = frames % lengths[:, None]
    return features.gather(1, places[..., None].expand(-1, -1, features.shape[-1])), wanted
