"""Codec2Vec as ESPnet's trainer wants a model: a loss, statistics and a weight."""

from typing import Any

import torch
from espnet2.torch_utils.device_funcs import force_gatherable
from espnet2.train.abs_espnet_model import AbsESPnetModel
from torch import Tensor

from codec_ssl.ssl.codec2vec import Codec2Vec


class ESPnetCodec2Vec(AbsESPnetModel):
    """Wraps a :class:`Codec2Vec` and counts real optimizer steps.

    Args:
        codec2vec: The model.
    """

    def __init__(self, codec2vec: Codec2Vec) -> None:
        super().__init__()
        self.codec2vec = codec2vec
        self.register_buffer("num_updates", torch.zeros((), dtype=torch.int64))
        # The same number on the host, so that no step waits for the device; None: not read yet.
        self._updates: int | None = None
        self.register_load_state_dict_post_hook(_forget_count)

    @property
    def updates(self) -> int:
        """Optimizer steps done, also those before a resume."""
        if self._updates is None:
            self._updates = int(self.num_updates)
        return self._updates

    def forward(
        self,
        codes: Tensor,
        codes_lengths: Tensor,
        labels: Tensor | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Compute the loss of one packed batch.

        Args:
            codes: ``(N, Q)``, all utterances end to end.
            codes_lengths: ``(B,)``.
            labels: ``(N, 1)``.
            kwargs: The utterance ids, which ESPnet adds.

        Returns:
            Loss, statistics, and number of masked frames, each of shape ``(1,)``.
        """
        loss, stats, weight = self.codec2vec(codes, codes_lengths, labels, self.updates)
        return force_gatherable((loss, stats, weight), loss.device)

    def collect_feats(self, **batch: Tensor) -> dict[str, Tensor]:
        """Nothing to collect: lengths come from the token store."""
        return {}

    def count_update(self) -> None:
        """To be called once after each real optimizer step: moves the teacher."""
        self._updates = self.updates + 1
        self.num_updates += 1
        self.codec2vec.after_update(self._updates)


def _forget_count(model: ESPnetCodec2Vec, incompatible: object) -> None:
    model._updates = None
