"""A teacher that is the moving average of a student (DinoSR, data2vec)."""

import copy
from collections.abc import Collection
from typing import Any

import torch
from torch import nn


class EMATeacher(nn.Module):
    """Keeps a float32 moving average of a student; never trained, always in eval mode.

    The weights are taken from the student at the first training step, not when the object is
    made: a trainer may load pretrained weights into the student in between.

    Args:
        student: Module to follow; copied, not kept.
        decay: Decay at the first update (DinoSR 0.999).
        end_decay: Decay from ``anneal_updates`` on, reached linearly (0.9999).
        anneal_updates: Updates until then (30 000).
        freeze_update: From this update on the teacher stays as it is (200 001); None: never.
        copied: Names of children of the student that are copied without averaging.
    """

    def __init__(
        self,
        student: nn.Module,
        decay: float = 0.999,
        end_decay: float = 0.9999,
        anneal_updates: int = 30_000,
        freeze_update: int | None = 200_001,
        copied: Collection[str] = (),
    ) -> None:
        super().__init__()
        self.module = copy.deepcopy(student).float().requires_grad_(False)
        self.start_decay = decay
        self.end_decay = end_decay
        self.anneal_updates = anneal_updates
        self.freeze_update = freeze_update
        self.copied = tuple(copied)
        # -1 until the weights were taken. The number is also kept on the host, since reading a
        # device buffer at every step would make the host wait.
        self.register_buffer("updates", torch.tensor(-1))
        self.num_updates = -1
        self.register_load_state_dict_post_hook(_read_updates)
        self.train(False)

    def train(self, mode: bool = True) -> "EMATeacher":
        """Stay in eval mode whatever the parent module does."""
        return super().train(False)

    def decay(self, update: int) -> float:
        """Decay of the given update, the first being 1."""
        if self.is_frozen(update):
            return 1.0
        share = min(update / self.anneal_updates, 1.0) if self.anneal_updates else 1.0
        return self.start_decay + share * (self.end_decay - self.start_decay)

    def is_frozen(self, update: int) -> bool:
        """Whether the teacher no longer follows the student at this update."""
        return self.freeze_update is not None and update >= self.freeze_update

    @torch.no_grad()
    def start(self, student: nn.Module) -> None:
        """Take the student's weights, unless that was done before."""
        if self.num_updates < 0:
            self._copy(student, [name for name, _ in student.named_parameters()])
            self._count(0)

    @torch.no_grad()
    def update(self, student: nn.Module, number: int | None = None) -> None:
        """Follow the student by one optimizer step.

        Args:
            student: The student after the step.
            number: Of this step, from 1; None is one more than at the last call.
        """
        self.start(student)
        self._count(self.num_updates + 1 if number is None else number)
        decay = self.decay(self.num_updates)
        if decay == 1.0:
            return
        names = [name for name, _ in student.named_parameters()]
        averaged = [name for name in names if name.split(".")[0] not in self.copied]
        mine, theirs = dict(self.module.named_parameters()), dict(student.named_parameters())
        torch._foreach_lerp_(
            [mine[name] for name in averaged],
            [theirs[name].detach().float() for name in averaged],
            1.0 - decay,
        )
        self._copy(student, [name for name in names if name not in averaged])

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run the teacher without gradient."""
        with torch.no_grad():
            return self.module(*args, **kwargs)

    def _copy(self, student: nn.Module, names: list[str]) -> None:
        mine, theirs = dict(self.module.named_parameters()), dict(student.named_parameters())
        for name in names:
            mine[name].copy_(theirs[name])

    def _count(self, updates: int) -> None:
        self.num_updates = updates
        self.updates.fill_(updates)


def _read_updates(module: EMATeacher, _: object) -> None:
    """Read the number of updates back from a loaded state dict."""
    module.num_updates = int(module.updates)
