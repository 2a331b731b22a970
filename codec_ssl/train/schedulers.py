"""Learning-rate schedules that ESPnet lacks; its ``tristagelr`` is DinoSR's tri-stage."""

import torch
from espnet2.schedulers.abs_scheduler import AbsBatchStepScheduler
from torch.optim.lr_scheduler import LRScheduler

NAME = "polynomialdecaylr"


class PolynomialDecayLR(LRScheduler, AbsBatchStepScheduler):
    """Linear warmup to the optimizer's rate, then polynomial decay; HuBERT's schedule with power 1.

    The rate of update n (from 1) is ``lr * n / warmup_steps`` up to the warmup's end, then
    ``end + (lr - end) * (1 - (n - warmup) / (max - warmup)) ** power``, and ``end`` after
    ``max_steps``.

    Args:
        optimizer: Its ``lr`` is the peak.
        warmup_steps: Updates of the warmup.
        max_steps: Updates until the end of the decay.
        end_lr: Rate at the end.
        power: 1 for a straight line.
        last_epoch: Updates done; torch's name for it.

    Raises:
        ValueError: The warmup is longer than the whole schedule.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        warmup_steps: int = 32000,
        max_steps: int = 400000,
        end_lr: float = 0.0,
        power: float = 1.0,
        last_epoch: int = -1,
    ) -> None:
        if not 0 <= warmup_steps < max_steps:
            raise ValueError(f"warmup_steps {warmup_steps} must be below max_steps {max_steps}")
        self.warmup_steps = warmup_steps
        self.max_steps = max_steps
        self.end_lr = end_lr
        self.power = power
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        """Rates of the next update, one a parameter group."""
        update = min(self.last_epoch + 1, self.max_steps)
        if update <= self.warmup_steps:
            return [lr * update / self.warmup_steps for lr in self.base_lrs]
        rest = 1 - (update - self.warmup_steps) / (self.max_steps - self.warmup_steps)
        return [self.end_lr + (lr - self.end_lr) * rest**self.power for lr in self.base_lrs]


def register(scheduler_classes: dict[str, type]) -> None:
    """Add the schedule to ESPnet's table."""
    scheduler_classes.setdefault(NAME, PolynomialDecayLR)
