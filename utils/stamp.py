"""Tells whether a stage's output is current, by a hash of the inputs and options that made it.

Usage: stamp.py check|start|done --out DIR [--in PATH ...] [--opt TEXT ...] [--extent TEXT ...]

``--in`` and ``--opt`` say what the output *is*; ``--extent`` says how far it was taken (number of
epochs). When only the extent differs the work goes on where it stopped; when anything else does,
the old output is moved aside, never mixed with new and never deleted.

Exit codes of ``check``: 0 current; 10 to do (reason on stdout); 11 an input is missing (its path).
"""

import argparse
import hashlib
import json
import os
import sys
from pathlib import Path

CURRENT, TO_DO, MISSING = 0, 10, 11
MAX_HASHED_BYTES = 64 << 20


def hash_file(path: Path) -> str:
    """Hash a file's content; of a very large one its size and time, to spare the reading."""
    stat = path.stat()
    if stat.st_size > MAX_HASHED_BYTES:
        return f"{stat.st_size}:{stat.st_mtime_ns}"
    return hashlib.sha256(path.read_bytes()).hexdigest()


def hash_path(path: Path) -> str:
    """Hash an input: a file, a stage's output (by its stamp), or any other folder (by listing)."""
    if path.is_file():
        return hash_file(path)
    stamp = path / ".done"
    if stamp.is_file():
        return hash_file(stamp)
    digest = hashlib.sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        digest.update(f"{file.relative_to(path)}:{file.stat().st_size}\n".encode())
    return digest.hexdigest()


def _name(path: str, out: str) -> str:
    """Name an input by its place beside the output, however it was given: relative or not."""
    return os.path.relpath(os.path.abspath(path), os.path.abspath(out))


def describe(args: argparse.Namespace) -> dict[str, dict[str, str]]:
    """Collect what the output depends on."""
    return {
        "inputs": {_name(path, args.out): hash_path(Path(path)) for path in args.inputs},
        "options": {str(i): text for i, text in enumerate(args.opt)},
        "extent": {str(i): text for i, text in enumerate(args.extent)},
    }


def read_stamp(path: Path) -> dict[str, dict[str, str]] | None:
    """Read a stamp; one cut short by a kill counts as absent."""
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None


def write_stamp(path: Path, content: dict[str, dict[str, str]]) -> None:
    """Write a stamp so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")
    temporary.replace(path)


def difference(
    old: dict[str, dict[str, str]], new: dict[str, dict[str, str]], out: str | Path
) -> str:
    """Say in words what changed between two stamps of an output, or an empty string."""
    changes = []
    for path in sorted({*old["inputs"], *new["inputs"]}):
        if old["inputs"].get(path) != new["inputs"].get(path):
            changes.append(f"input {os.path.relpath(Path(out) / path)} changed")
    for key in sorted({*old["options"], *new["options"]}):
        before, after = old["options"].get(key, ""), new["options"].get(key, "")
        lines = sorted(set(before.splitlines()) ^ set(after.splitlines()))
        if lines:
            changes.append("option changed: " + "; ".join(line.strip() for line in lines[:3]))
    return ", ".join(changes)


def move_aside(out: Path) -> Path:
    """Rename an output that other inputs made, to the first free name."""
    number = 1
    while (aside := out.with_name(f"{out.name}.old-{number}")).exists():
        number += 1
    out.rename(aside)
    return aside


def check(args: argparse.Namespace) -> int:
    """Print why the stage must run, and say by the exit code whether it must."""
    for path in args.inputs:
        if not Path(path).exists():
            print(path)
            return MISSING
    out, new = Path(args.out), describe(args)
    done = read_stamp(out / ".done")
    if done == new:
        return CURRENT
    known = done or read_stamp(out / ".started")
    change = difference(known, new, out) if known else ""
    if known is None:
        print("not made yet" if not out.exists() else "there, but not by this recipe: made again")
    elif change:
        print(change)
    elif done is None:
        print("was cut short, goes on")
    else:
        extent = " ".join(args.extent)
        print(f"goes on to {extent}")
    return TO_DO


def start(args: argparse.Namespace) -> int:
    """Move an output of other inputs aside and note what is being made now."""
    out, new = Path(args.out), describe(args)
    known = read_stamp(out / ".done") or read_stamp(out / ".started")
    if known and difference(known, new, out):
        print(f"kept the earlier {out} as {move_aside(out)}", file=sys.stderr)
    write_stamp(out / ".started", new)
    (out / ".done").unlink(missing_ok=True)
    return CURRENT


def done(args: argparse.Namespace) -> int:
    """Note that the output is complete."""
    out = Path(args.out)
    write_stamp(out / ".done", describe(args))
    (out / ".started").unlink(missing_ok=True)
    return CURRENT


def _joined(words: list[str]) -> list[str]:
    """Put ``=`` between options and values, which may look like options themselves."""
    found, left = [], iter(words)
    for word in left:
        takes_value = word in ("--out", "--in", "--opt", "--extent")
        found.append(f"{word}={next(left, '')}" if takes_value else word)
    return found


def main() -> int:
    """Parse the command line and run one verb."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("verb", choices=("check", "start", "done"))
    parser.add_argument("--out", required=True)
    parser.add_argument("--in", dest="inputs", action="append", default=[])
    parser.add_argument("--opt", action="append", default=[])
    parser.add_argument("--extent", action="append", default=[])
    args = parser.parse_args(_joined(sys.argv[1:]))
    return {"check": check, "start": start, "done": done}[args.verb](args)


if __name__ == "__main__":
    sys.exit(main())
