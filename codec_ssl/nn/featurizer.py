"""The weighted sum of an encoder's layers, whose weights a task learns.

Letters: B utterances, T frames, L layers, D width.
"""

import torch
from torch import Tensor, nn


class WeightedLayers(nn.Module):
    """Sum of the layers times the softmax of learnt weights, which begin equal.

    It is s3prl's ``Featurizer`` for layers that lie side by side. One layer alone is taken as it
    is, without a weight.

    Args:
        num_layers: L.
        width: D.
        normalize: Normalise each layer's frames first (s3prl's option; not in the benchmark).
    """

    def __init__(self, num_layers: int, width: int, normalize: bool = False) -> None:
        super().__init__()
        self.num_layers, self.width, self.normalize = num_layers, width, normalize
        if num_layers > 1:
            self.weights = nn.Parameter(torch.zeros(num_layers))

    def forward(self, layers: Tensor) -> Tensor:
        """Sum layers (B, T, L * D) to features (B, T, D)."""
        apart = layers.unflatten(-1, (self.num_layers, self.width))
        if self.normalize:
            apart = nn.functional.layer_norm(apart, (self.width,))
        if self.num_layers == 1:
            return apart.squeeze(-2)
        return torch.einsum("btld,l->btd", apart, self.shares())

    def shares(self) -> Tensor:
        """What each layer weighs (L,): all of them together 1."""
        if self.num_layers == 1:
            return torch.ones(1)
        return torch.softmax(self.weights, 0)
