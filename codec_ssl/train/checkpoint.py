"""Checkpoint files: are they whole, write them whole, and load weights without losing a key.

Nothing here needs ESPnet's trainer, so that inference can use it. The layout of an experiment
directory is ESPnet's: ``config.yaml``, ``{n}epoch.pth``, ``latest.pth``, ``*.best.pth``.
"""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from codec_ssl.errors import CheckpointError

_SHOWN_KEYS = 8


def is_whole(path: str | Path) -> bool:
    """Whether a file is a complete ``torch.save`` archive: central directory there, CRCs right."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile, EOFError):
        return False


def sync(path: str | Path) -> None:
    """Wait until a file or a directory is on the disk, so that it survives a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def save_whole(content: Any, path: Path) -> None:
    """``torch.save`` so that the file is there whole or not at all."""
    temporary = path.with_name(f".{path.name}.tmp")
    torch.save(content, temporary)
    sync(temporary)
    os.replace(temporary, path)
    sync(path.parent)


def relink(link: Path, target: str) -> None:
    """Point a symbolic link at a file beside it, by one rename."""
    temporary = link.with_name(f".{link.name}.tmp")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    os.replace(temporary, link)


def read(path: Path, mapped: bool = False) -> Any:
    """Load a checkpoint file on the CPU; nothing in it is executed.

    Args:
        path: The file.
        mapped: Leave tensors in the file until they are used.

    Raises:
        CheckpointError: The file is missing, not whole, or holds more than plain data.
    """
    if not path.exists():
        raise CheckpointError(f"{path}: no such file", stage="pretrain")
    if not is_whole(path):
        raise CheckpointError(
            f"{path}: {path.stat().st_size} bytes that are not a whole checkpoint", stage="pretrain"
        )
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:
        raise CheckpointError(f"{path}: not loadable as plain tensors: {error}") from error


def load_weights(
    exp_dir: str | Path, which: str | int = "latest", prefix: str = ""
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Load the configuration and the weights of an experiment.

    Args:
        exp_dir: Experiment directory.
        which: ``latest``, ``best`` (by the first criterion on the validation set), an epoch, or
            the stem of a file such as ``valid.acc_masked.best``.
        prefix: Keep only keys that start so, without it: ``codec2vec.`` gives the plain model.

    Returns:
        The content of ``config.yaml``, and the state dict on the CPU.

    Raises:
        CheckpointError: Something is missing or damaged, or no key has the prefix.
    """
    folder = Path(exp_dir)
    config = read_config(folder)
    path = _weights_path(folder, which, config)
    state = read(path)
    chosen = {key.removeprefix(prefix): v for key, v in state.items() if key.startswith(prefix)}
    if not chosen:
        raise CheckpointError(f"{path}: no weight starts with {prefix!r}; first: {_some(state)}")
    return config, chosen


def read_config(exp_dir: str | Path) -> dict[str, Any]:
    """Read ``config.yaml`` of an experiment.

    Raises:
        CheckpointError: It isn't there.
    """
    path = Path(exp_dir) / "config.yaml"
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file, so this is no experiment", stage="pretrain")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def load_state_strict(model: nn.Module, state: Mapping[str, Any], source: str = "weights") -> None:
    """Load a state dict of which every key must fit; ESPnet's own loading forgives all of them.

    Args:
        model: What to load into.
        state: The weights.
        source: Where they are from, for the message.

    Raises:
        CheckpointError: Naming missing, unexpected and mis-shaped keys.
    """
    _refuse_differences(model.state_dict(), state, source)
    model.load_state_dict(dict(state), strict=True)


def digest_state(digest: Any, state: Mapping[str, Tensor]) -> None:
    """Put names, shapes and values of weights into a ``hashlib`` digest, whatever their order."""
    for key, value in sorted(state.items()):
        digest.update(f"{key}{tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().float().contiguous().numpy().tobytes())


def check_init_param(model: nn.Module, init_param: str) -> None:
    """Check that ESPnet's ``--init_param path:source:destination:excluded`` fills what it names.

    Args:
        model: The model to be initialised.
        init_param: As on the command line.

    Raises:
        CheckpointError: Naming keys that would silently keep their random values.
    """
    path, source, destination, excluded = [*init_param.split(":"), "", "", ""][:4]
    state = read(Path(path), mapped=True)
    skipped = tuple(prefix for prefix in excluded.split(",") if prefix)
    kept = {key: value for key, value in state.items() if not key.startswith(skipped or "\0")}
    if source:
        inside = f"{source}."
        kept = {k.removeprefix(inside): v for k, v in kept.items() if k.startswith(inside)}
    module = model.get_submodule(destination)
    strip = f"{source}." if source else ""
    wanted = {
        key: value
        for key, value in module.state_dict().items()
        if not (strip + key).startswith(skipped or "\0")
    }
    _refuse_differences(wanted, kept, f"--init_param {init_param}")


def _refuse_differences(wanted: Mapping[str, Any], found: Mapping[str, Any], source: str) -> None:
    missing = [key for key in wanted if key not in found]
    unexpected = [key for key in found if key not in wanted]
    shapes = [
        f"{key} {_shape(found[key])} for {_shape(value)}"
        for key, value in wanted.items()
        if key in found and _shape(found[key]) != _shape(value)
    ]
    problems = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    lines = [f"{len(keys)} {what}: {_some(keys)}" for what, keys in problems.items() if keys]
    if lines:
        raise CheckpointError(f"{source} doesn't fit the model: " + "; ".join(lines))


def _shape(value: Any) -> tuple[int, ...] | None:
    return tuple(value.shape) if isinstance(value, Tensor) else None


def _some(keys: Any) -> str:
    names = list(keys)
    more = f", and {len(names) - _SHOWN_KEYS} more" if len(names) > _SHOWN_KEYS else ""
    return ", ".join(names[:_SHOWN_KEYS]) + more


def _weights_path(folder: Path, which: str | int, config: Mapping[str, Any]) -> Path:
    if which == "best":
        criteria = config.get("best_model_criterion") or []
        names = [f"{phase}.{key}.best.pth" for phase, key, _ in criteria if phase == "valid"]
        found = [folder / name for name in names if (folder / name).exists()]
        if not found:
            raise CheckpointError(f"{folder}: none of {', '.join(names)} is there")
        return found[0]
    stem = f"{which}epoch" if str(which).isdigit() else str(which)
    path = folder / f"{stem}.pth"
    if not path.exists():
        there = sorted(file.stem for file in folder.glob("*.pth"))
        raise CheckpointError(
            f"{path}: no such file; there are: {', '.join(there) or 'none'}", stage="pretrain"
        )
    return path
