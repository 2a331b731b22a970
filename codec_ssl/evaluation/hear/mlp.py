"""HEAR's downstream model: a small network on frozen embeddings, stopped early.

As heareval trains it, but for one thing: its batches always come in the order of its files, since
it asks a list of sets whether it is the word "train"; here they are shuffled.

Letters: U sounds, D width, C classes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

type Init = Literal["xavier_uniform", "xavier_normal"]

_INITS = {
    "xavier_uniform": nn.init.xavier_uniform_,
    "xavier_normal": nn.init.xavier_normal_,
}


@dataclass(frozen=True)
class GridPoint:
    """One choice of hyperparameters.

    Attributes:
        hidden_layers: Number of hidden layers.
        hidden_dim: Their width.
        dropout: Behind each.
        lr: Learning rate of Adam.
        init: How weights are drawn.
    """

    hidden_layers: int
    hidden_dim: int
    dropout: float
    lr: float
    init: Init


@dataclass(frozen=True)
class Schedule:
    """How long is trained.

    Attributes:
        max_epochs: At most.
        check_every: Epochs between two looks at the valid set.
        patience: Looks without a better score before the end.
        batch_size: Sounds a step.
    """

    max_epochs: int = 500
    check_every: int = 3
    patience: int = 20
    batch_size: int = 1024


@dataclass(frozen=True)
class Trained:
    """What training gave.

    Attributes:
        network: With the weights of the best look.
        valid_score: Its score.
        epoch: After which epoch that was.
    """

    network: nn.Sequential
    valid_score: float
    epoch: int


class Material:
    """Sounds on a device.

    Args:
        vectors: (U, D) float32.
        targets: (U,) int64, or (U, C) bool.
        device: Where to compute.
    """

    def __init__(self, vectors: np.ndarray, targets: np.ndarray, device: torch.device) -> None:
        self.vectors = torch.from_numpy(np.ascontiguousarray(vectors)).to(device)
        self.targets = torch.from_numpy(targets).to(device)
        if self.targets.ndim == 2:
            self.targets = self.targets.float()

    def __len__(self) -> int:
        return len(self.vectors)


def build(width: int, num_classes: int, point: GridPoint) -> nn.Sequential:
    """The network, from embeddings (U, D) to logits (U, C).

    Each hidden layer is linear, then batch norm, dropout and ReLU; the first layer's weights are
    drawn for a linear input, the others' for ReLU.
    """
    layers: list[nn.Module] = []
    gain = "linear"
    for _ in range(point.hidden_layers):
        layers += [
            _linear(width, point.hidden_dim, point.init, gain),
            nn.BatchNorm1d(point.hidden_dim),
            nn.Dropout(point.dropout),
            nn.ReLU(),
        ]
        width, gain = point.hidden_dim, "relu"
    return nn.Sequential(*layers, _linear(width, num_classes, point.init, gain))


def _linear(width: int, out: int, init: Init, gain: str) -> nn.Linear:
    layer = nn.Linear(width, out)
    _INITS[init](layer.weight, gain=nn.init.calculate_gain(gain))
    return layer


def train(
    train_set: Material,
    valid_set: Material,
    num_classes: int,
    point: GridPoint,
    schedule: Schedule,
    score: Callable[[np.ndarray], float],
    seed: int,
) -> Trained:
    """Train until the score on the valid set stops rising.

    Args:
        train_set: To fit.
        valid_set: To choose the epoch.
        num_classes: C.
        point: Hyperparameters.
        schedule: How long.
        score: From logits (U, C) of the valid set to a number that is to be high.
        seed: Of the weights, the order and the dropout.
    """
    device = train_set.vectors.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        network = build(train_set.vectors.shape[1], num_classes, point).to(device)
        optimizer = torch.optim.Adam(network.parameters(), lr=point.lr)
        best = Trained(network, -np.inf, 0)
        state, worse = _copy(network), 0
        for epoch in range(1, schedule.max_epochs + 1):
            _epoch(network, optimizer, train_set, schedule.batch_size)
            if epoch % schedule.check_every:
                continue
            found = score(predict(network, valid_set))
            if found > best.valid_score:
                best, state, worse = Trained(network, found, epoch), _copy(network), 0
            else:
                worse += 1
            if worse >= schedule.patience:
                break
    if best.epoch:  # else there were fewer epochs than one look needs: the last weights
        network.load_state_dict(state)
    return Trained(network.eval(), best.valid_score, best.epoch or schedule.max_epochs)


@torch.no_grad()
def predict(network: nn.Sequential, sounds: Material) -> np.ndarray:
    """Logits (U, C) float32."""
    network.eval()
    return torch.cat([network(rows) for rows in sounds.vectors.split(1 << 14)]).cpu().numpy()


def _epoch(
    network: nn.Sequential, optimizer: torch.optim.Optimizer, sounds: Material, batch_size: int
) -> None:
    network.train()
    order = torch.randperm(len(sounds)).to(sounds.vectors.device)
    for rows in order.split(batch_size):
        # Batch norm of one sound is not defined.
        if len(rows) > 1:
            optimizer.zero_grad()
            _loss(network(sounds.vectors[rows]), sounds.targets[rows]).backward()
            optimizer.step()


def _loss(logits: Tensor, targets: Tensor) -> Tensor:
    if targets.ndim == 2:
        return nn.functional.binary_cross_entropy_with_logits(logits, targets)
    return nn.functional.cross_entropy(logits, targets)


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}
