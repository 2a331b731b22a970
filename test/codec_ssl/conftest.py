"""What tests share: command lines to run, processes to kill, and experiments to compare."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from processes import exit_code, fork


@pytest.fixture(scope="module")
def call() -> Callable[..., None]:
    """Run a command line."""

    def command(module: ModuleType, *options: Any) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["command", *map(str, options)])
            module.main()

    return command


@pytest.fixture
def forked() -> Callable[..., int]:
    """Run a function in a child process; its exit code, negative for the signal that killed it."""
    return lambda function, *args, **kwargs: exit_code(fork(function, *args, **kwargs))


@pytest.fixture(scope="module")
def in_parallel() -> Callable[..., list[int]]:
    """Run functions in child processes at once; their exit codes."""
    return lambda *functions: [exit_code(child) for child in [fork(f) for f in functions]]


@pytest.fixture
def same_run() -> Callable[[Path, Path], None]:
    """Compare two experiments: parameters, optimizers, schedules and curves, bit for bit."""
    import torch  # most tests of this folder do without

    def compare(left: Path, right: Path) -> None:
        a, b = (
            torch.load(folder / "checkpoint.pth", weights_only=True) for folder in (left, right)
        )
        for part in ("model", "optimizers", "schedulers"):
            torch.testing.assert_close(a[part], b[part], rtol=0, atol=0, equal_nan=True)
        assert a["reporter"]["epoch"] == b["reporter"]["epoch"]
        assert curves(left) == curves(right)

    return compare


def curves(folder: Path) -> list[Any]:
    """History without what depends on the clock."""

    def plain(stats: dict[str, float]) -> dict[str, float]:
        clock = ("time", "per_sec", "share")
        return {k: v for k, v in stats.items() if not k.endswith(clock)}

    history = json.loads((folder / "history.json").read_text())
    return [(e["epoch"], plain(e["train"]), plain(e["valid"])) for e in history]
