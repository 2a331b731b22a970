"""``results.json``: what was scored, how, by which code, on which machine.

Every scoring stage writes one; reports and paper tables read them and nothing else.
"""

import json
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from codec_ssl.data.tables import write_atomic
from codec_ssl.errors import DataError

FILE_NAME = "results.json"
# Entry of ``Result.scored``: the score on a valid set, by which one of a run's layers is chosen.
CHOSEN_BY = "valid_score"
# Entry of ``Result.scored``: the bootstrap's values; of two systems on the same set they are pairs.
DRAWS = "draws"
_SCHEMA = 1
_MOVED = re.compile(r"\.old-\d+$")
_PACKAGES = ("codec_ssl", "espnet", "torch", "numpy", "faiss-cpu", "scipy", "transformers", "jiwer")


@dataclass(frozen=True)
class Result:
    """One number.

    Attributes:
        metric: Machine name, such as ``phone_accuracy`` or ``wer``.
        value: The number.
        unit: ``fraction``, ``percent``, ``kbps``, ``hours`` …
        scored: What was scored: system, layer, task, split, counts, ``recipe`` and ``config``.
        interval: 95 % interval (low, high), if one was computed.
    """

    metric: str
    value: float
    unit: str
    scored: dict[str, Any] = field(default_factory=dict)
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class ResultFile:
    """One scoring run: its numbers and its provenance.

    Attributes:
        results: The numbers.
        seconds: How long the run took.
        command: The command line that made them.
        notes: What a reader should know, such as skipped tasks.
        git: ``revision`` and ``dirty``; both None outside a git checkout.
        versions: Python's and the main packages' versions.
        machine: System, processor, cores and accelerator.
        written: UTC time, ISO 8601.
    """

    results: list[Result]
    seconds: float
    command: str
    notes: list[str]
    git: dict[str, Any]
    versions: dict[str, str]
    machine: dict[str, Any]
    written: str


def write_results(
    path: str | Path,
    results: Sequence[Result],
    seconds: float,
    *,
    notes: Sequence[str] = (),
    command: str | None = None,
) -> ResultFile:
    """Write a results file atomically.

    Args:
        path: The file, by habit called ``results.json``.
        results: The numbers.
        seconds: How long the scoring took.
        notes: What a reader should know.
        command: The command line; this process's own where None.
    """
    contents = ResultFile(
        results=list(results),
        seconds=round(seconds, 3),
        command=shlex.join(sys.orig_argv) if command is None else command,
        notes=list(notes),
        git=git_state(),
        versions=_versions(),
        machine=_machine(),
        written=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"schema": _SCHEMA, **asdict(contents)}, indent=1, ensure_ascii=False)
    write_atomic(path, text + "\n")
    return contents


def read_results(path: str | Path) -> ResultFile:
    """Read a results file.

    Raises:
        DataError: If it is missing, damaged or of another schema.
    """
    try:
        contents = json.loads(Path(path).read_text(encoding="utf-8"))
        schema = contents.pop("schema")
        if schema != _SCHEMA:
            raise DataError(f"{path}: expected schema {_SCHEMA}, found {schema}", stage="probe")
        results = [_result(record) for record in contents.pop("results")]
        return ResultFile(results=results, **contents)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}", stage="probe") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a results file: {error}", stage="probe") from error


def find_files(root: str | Path, name: str) -> list[Path]:
    """Files of a name below a folder, without those of outputs that a recipe moved aside."""
    found = sorted(Path(root).rglob(name))
    return [path for path in found if not any(map(_MOVED.search, path.relative_to(root).parts))]


def find_results(roots: Sequence[str | Path]) -> Iterator[tuple[Path, ResultFile]]:
    """Every ``results.json`` under the roots, sorted by path."""
    for root in roots:
        for path in find_files(root, FILE_NAME):
            yield path, read_results(path)


def git_state() -> dict[str, Any]:
    """Revision of the checkout that this package runs from, and whether it has local changes."""
    revision = _git("rev-parse", "HEAD")
    if revision is None:
        return {"revision": None, "dirty": None}
    return {"revision": revision, "dirty": bool(_git("status", "--porcelain"))}


def _result(record: dict[str, Any]) -> Result:
    interval = record.pop("interval")
    return Result(**record, interval=None if interval is None else tuple(interval))


def _git(*arguments: str) -> str | None:
    folder = Path(__file__).resolve().parent
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        # No git, or not a checkout: the record says None, which is the truth.
        return None
    return done.stdout.strip()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    installed = {dist.name.lower().replace("-", "_") for dist in metadata.distributions()}
    for name in _PACKAGES:
        if name.replace("-", "_") in installed:
            found[name] = metadata.version(name)
    return found


def _machine() -> dict[str, Any]:
    torch = sys.modules.get("torch")
    has_gpu = torch is not None and torch.cuda.is_available()
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "accelerator": torch.cuda.get_device_name() if has_gpu else None,
    }


def _processor() -> str:
    """Name of the processor, which ``platform.processor`` leaves empty on Linux."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()
