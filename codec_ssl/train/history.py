"""Training curves as data (``history.json``) and as one readable line an epoch."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from codec_ssl.data.tables import write_atomic

Stats = Mapping[str, float]
_LINE = (
    ("loss", "loss", "{:.3f}"),
    ("acc_masked", "acc", "{:.3f}"),
    ("acc", "acc", "{:.3f}"),
    ("perplexity", "ppl", "{:.1f}"),
    ("target_perplexity", "target ppl", "{:.0f}"),
    ("pred_perplexity", "pred ppl", "{:.0f}"),
    ("code_usage", "usage", "{:.2f}"),
    ("mel_loss", "mel", "{:.3f}"),
    ("relative_reconstruction_loss", "recon", "{:.4f}"),
    ("commitment_loss", "commit", "{:.4f}"),
    ("perplexity_1", "ppl", "{:.0f}"),
    ("discriminator_loss", "disc", "{:.3f}"),
    ("grad_norm", "grad", "{:.2f}"),
)


class History:
    """List of ``{"epoch": n, "train": {...}, "valid": {...}}``, on disk after every epoch.

    Args:
        path: The file; read if it is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.epochs: list[dict[str, Any]] = []

    def resume(self, epoch: int) -> None:
        """Read what is on disk, up to and with an epoch; later ones are trained again."""
        recorded = json.loads(self.path.read_text()) if epoch and self.path.exists() else []
        self.epochs = [entry for entry in recorded if entry["epoch"] <= epoch]

    def append(self, epoch: int, train: Stats, valid: Stats) -> None:
        """Add an epoch, in memory; numbers that are not finite become null."""
        self.epochs.append({"epoch": epoch, "train": _plain(train), "valid": _plain(valid)})

    def write(self) -> None:
        """Write the file; a reader sees the old or the new one, never half of it."""
        write_atomic(self.path, json.dumps(self.epochs, indent=1) + "\n")


def describe(epoch: int, max_epoch: int, train: Stats, valid: Stats) -> str:
    """One line: ``epoch 3/20 loss 4.210 acc 0.130 ... frames/s 15k wait 1 % | valid loss 4.3``."""
    words = [f"epoch {epoch}/{max_epoch}", *_values(train)]
    for name, value in train.items():
        if name.endswith("_per_sec"):
            words.append(f"{name.removesuffix('_per_sec')}/s {_thousands(value)}")
    if "data_wait_share" in train:
        words.append(f"wait {100 * train['data_wait_share']:.0f} %")
    return " ".join([*words, "| valid", *_values({k: v for k, v in valid.items() if k in train})])


def _values(stats: Stats) -> list[str]:
    return [
        f"{word} {form.format(stats[key])}"
        for key, word, form in _LINE
        if stats.get(key) is not None
    ]


def _thousands(value: float) -> str:
    return f"{value / 1000:.0f}k" if value >= 10000 else f"{value:.0f}"


def _plain(stats: Stats) -> dict[str, float | None]:
    return {key: float(v) if math.isfinite(v) else None for key, v in stats.items()}
