"""A training on two processes of this machine, and what each of them holds in the end."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def two_ranks(
    task: Any, cmd: list[str], folder: Path, stat: str = "loss"
) -> list[Callable[[], None]]:
    """Two functions to be run at once, a process each; ``read_ranks`` says what came out.

    Args:
        task: An ESPnet task of ours.
        cmd: Its command line, for one process.
        folder: Where each rank leaves its model and the training losses of the epochs.
        stat: What the loss is called.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    dist = f"""--dist_world_size 2 --dist_master_addr localhost --dist_master_port {port}
        --dist_backend gloo --multiprocessing_distributed false"""

    def rank(number: int) -> Callable[[], None]:
        def train() -> None:
            finish = task.trainer.validate_one_epoch.__func__

            def validate(cls, model, options, **kwargs):
                finish(cls, model=model, options=options, **kwargs)
                losses = [epoch["train"][stat] for epoch in options.guard.history.epochs]
                content = {"losses": losses, "model": model.module.state_dict()}
                torch.save(content, folder / f"rank{number}.pth")

            task.trainer.validate_one_epoch = classmethod(validate)
            task.main(cmd=[*cmd, *dist.split(), "--dist_rank", str(number)])

        return train

    return [rank(0), rank(1)]


def read_ranks(folder: Path) -> list[dict[str, Any]]:
    """Losses and model of each rank."""
    return [torch.load(folder / f"rank{number}.pth", weights_only=True) for number in (0, 1)]
