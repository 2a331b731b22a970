"""ESPnet's view of a SUPERB task's model: losses in training, measures of the whole valid set.

Letters: B utterances.
"""

from typing import Any

import torch
from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import Tensor

from codec_ssl.evaluation.superb.model import SuperbModel


class ESPnetSuperb(AbsESPnetModel):
    """Wraps a model; in validation it keeps what is predicted.

    Args:
        superb: The model.
        truth: What predictions on the valid set are measured by.

    Attributes:
        predictions: By utterance, since they were last cleared.
    """

    def __init__(self, superb: SuperbModel, truth: Any = None) -> None:
        super().__init__()
        self.superb, self._truth = superb, truth
        self.predictions: dict[str, Any] = {}

    def forward(
        self,
        inputs: Tensor,
        input_lengths: Tensor,
        targets: Tensor,
        target_lengths: Tensor,
        utt_id: list[str],
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Compute the loss of a batch.

        Args:
            inputs: See ``SuperbModel``.
            input_lengths: (B,).
            targets: See ``Problem.loss``.
            target_lengths: (B,).
            utt_id: Ids (B), which ESPnet adds.

        Returns:
            Loss, statistics, and number of utterances.
        """
        problem, head = self.superb.problem, self.superb.head
        outputs = self.superb(inputs, input_lengths)
        loss = problem.loss(head, outputs, targets, target_lengths)
        if not self.training:
            found = problem.predict(outputs)
            self.predictions |= dict(zip(utt_id, found, strict=True))
        stats = {"loss": loss.detach()}
        return force_gatherable((loss, stats, torch.tensor(len(utt_id))), loss.device)

    def measure(self, predictions: dict[str, Any]) -> dict[str, float]:
        """Values of the task's measures on the valid set."""
        found = self.superb.problem.measure(predictions, self._truth)
        return {name: measure.value for name, measure in found.items()}

    def collect_feats(self, **batch: Tensor) -> dict[str, Tensor]:
        """Nothing to collect."""
        return {}
