"""What every tokenizer promises, and how one is kept on disk.

A saved tokenizer is a folder with ``weights.safetensors`` and ``tokenizer.yaml``. The YAML is
written last and names the weights' fingerprint, so a killed save is never taken for a whole one.

Letters: N frames of all utterances (packed), B utterances, D width, Q token columns.
"""

import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from codec_ssl.data.tables import write_atomic
from codec_ssl.errors import CheckpointError, DataError
from codec_ssl.features.base import Origin

WEIGHTS = "weights.safetensors"
SETTINGS = "tokenizer.yaml"


class Tokenizer(ABC):
    """Features in, tokens out.

    Attributes:
        kind: Name of the method, as stored.
        sizes: Number of tokens of each of the Q columns.
        origin: What it was fitted on, if that was said.
        report: Figures of the fit (inertia, imbalance …), kept with it for the reader.
    """

    kind: ClassVar[str]
    sizes: list[int]
    origin: Origin | None
    report: dict[str, Any]

    @abstractmethod
    def fit(self, stream: Iterable[Tensor]) -> Self:
        """Learn from features that stream by, each item (n, D); memory doesn't grow with them."""

    def prepare(self, features: Tensor, lens: Tensor) -> Tensor:
        """What ``fit`` takes of packed features (N, D) of B utterances: all of it, as it is."""
        return features

    @abstractmethod
    def encode(self, features: Tensor, lens: Tensor) -> Tensor:
        """Tokens (N, Q) int64 of packed features (N, D) whose B lengths sum to N."""

    @abstractmethod
    def decode(self, tokens: Tensor, lens: Tensor) -> Tensor:
        """Features (N, D) float32 that are nearest to the tokens (N, Q) of packed utterances."""

    def vectors(self) -> Tensor:
        """Vectors (Q, K, D) whose sum over the columns stands for a frame."""
        tokens = torch.arange(self.sizes[0])[:, None]
        return self.decode(tokens, torch.tensor([len(tokens)]))[None]

    def reconstruct(self, features: Tensor, lens: Tensor) -> Tensor:
        """What is left of packed features (N, D) after coding: (N, D)."""
        return self.decode(self.encode(features, lens), lens)

    @abstractmethod
    def weights(self) -> dict[str, Tensor]:
        """Everything that was learnt."""

    @abstractmethod
    def settings(self) -> dict[str, Any]:
        """How it was fitted: plain values that fit ``yaml``."""

    @classmethod
    @abstractmethod
    def restore(cls, weights: dict[str, Tensor], settings: dict[str, Any]) -> Self:
        """Rebuild from ``weights()`` and ``settings()``."""

    def check_width(self, features: Tensor, width: int) -> None:
        """Refuse features (N, D) of another width than it was fitted on.

        Raises:
            DataError: Naming both widths.
        """
        if features.ndim != 2 or features.shape[1] != width:
            raise DataError(
                f"expected features (N, D) of width {width}, as the {self.kind} was fitted on,"
                f" found {tuple(features.shape)}",
                stage="labels",
            )

    @property
    def fingerprint(self) -> str:
        """sha256 over the kind, the origin and the weights."""
        digest = hashlib.sha256(self.kind.encode())
        origin = None if self.origin is None else vars(self.origin)
        digest.update(json.dumps(origin, sort_keys=True).encode())
        for name, tensor in sorted(self.weights().items()):
            digest.update(f"{name}{tensor.dtype}{list(tensor.shape)}".encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the folder; readers see the whole of it or none."""
        path = Path(path)
        path.mkdir(parents=True, exist_ok=True)
        (path / SETTINGS).unlink(missing_ok=True)
        temporary = path / f".{WEIGHTS}.{os.getpid()}.tmp"
        save_file({k: v.cpu().contiguous() for k, v in self.weights().items()}, temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path / WEIGHTS)
        record = {
            "kind": self.kind,
            "fingerprint": self.fingerprint,
            "sizes": self.sizes,
            "origin": None if self.origin is None else vars(self.origin),
            "settings": self.settings(),
            "report": self.report,
        }
        write_atomic(path / SETTINGS, yaml.safe_dump(record, sort_keys=False))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a folder that ``save`` wrote.

        Raises:
            CheckpointError: If it is missing, damaged, or of another kind.
        """
        path = Path(path)
        record = read_settings(path)
        if record["kind"] != cls.kind:
            raise CheckpointError(
                f"{path}: expected a {cls.kind} tokenizer, found {record['kind']}", stage="labels"
            )
        try:
            weights = load_file(path / WEIGHTS)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path / WEIGHTS}: {error}", stage="labels") from error
        tokenizer = cls.restore(weights, record["settings"])
        tokenizer.origin = None if record["origin"] is None else Origin(**record["origin"])
        tokenizer.report = record["report"]
        if tokenizer.fingerprint != record["fingerprint"]:
            raise CheckpointError(
                f"{path}: expected weights with fingerprint {record['fingerprint'][:12]},"
                f" found {tokenizer.fingerprint[:12]}",
                stage="labels",
            )
        return tokenizer


def read_settings(path: Path) -> dict[str, Any]:
    """The YAML of a saved tokenizer, with every key that ``save`` writes.

    Raises:
        CheckpointError: If it is missing or damaged.
    """
    try:
        record = yaml.safe_load((path / SETTINGS).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path}: no complete tokenizer ({SETTINGS} is missing)", stage="labels"
        ) from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise CheckpointError(f"{path / SETTINGS}: {error}", stage="labels") from error
    missing = {"kind", "fingerprint", "origin", "settings", "report"} - set(record or {})
    if missing:
        raise CheckpointError(
            f"{path / SETTINGS}: expected the keys {sorted(missing)}, found none of them",
            stage="labels",
        )
    return record
