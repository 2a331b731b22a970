"""The suite of linear probes: the embedded corpus, its codes, and the probes of every layer."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from codec_ssl.errors import CodecSSLError, ConfigError

SETS = ("train", "valid", "test")
_STAMP = Path(__file__).resolve().parents[2] / "utils" / "stamp.py"
_CURRENT, _TO_DO = 0, 10


def run_probe(
    models: Mapping[str, str],
    tasks: Sequence[str],
    out: Path,
    codec: str | None,
    ngpu: int = 0,
    probe_args: Sequence[str] = (),
) -> None:
    """Probe models that read codes; steps whose inputs have not changed are not done again.

    Args:
        models: Experiment directories by name.
        tasks: Tasks of ``bin/probe.py``.
        out: Gets ``data``, ``dump`` and ``exp/probe``.
        codec: Of the models.
        ngpu: Whether to compute on a GPU.
        probe_args: More options of ``bin/probe.py``.

    Raises:
        ConfigError: No codec was named.
        CodecSSLError: A step failed.
    """
    if not codec:
        raise ConfigError("--suite probe: expected --codec, that of the models' codes, found none")
    device = "cuda" if ngpu else "cpu"
    data, codes, exp = out / "data", out / "dump", out / "exp" / "probe"
    mini = ["prepare_data", "mini", "--out_dir", str(data), "--size", "small"]
    _step(data, mini, [])
    made_of = [codec] if Path(codec).exists() else []
    for name in SETS:
        options = ["--codec", codec, "--data_dir", str(data / name), "--store", str(codes / name)]
        command = ["extract_codes", *options, "--device", device, "--finalize", "true"]
        _step(codes / name, command, [str(data), *made_of])
    sets = {what: ",".join(f"{n}={folder / n}" for n in SETS) for what, folder in
            (("stores", codes), ("data_dirs", data))}  # fmt: skip
    options = [f"--{option}={value}" for option, value in sets.items()]
    options += [f"--exp={name}={path}" for name, path in models.items()]
    options += [f"--tasks={','.join(tasks)}", f"--device={device}", f"--out={exp}", *probe_args]
    _step(exp, ["probe", *options], [*(str(codes / name) for name in SETS), *models.values()])


def _step(out: Path, command: Sequence[str], inputs: Sequence[str]) -> None:
    """Run a command of this package, unless its output is current."""
    told = ["--out", str(out), "--opt", " ".join(command)]
    for path in inputs:
        told += ["--in", path]
    status = _stamp("check", told)
    if status == _CURRENT:
        return
    if status != _TO_DO or _stamp("start", told):
        raise CodecSSLError(f"{out}: expected its inputs {list(inputs)}, found one missing")
    call = [sys.executable, "-m", f"codec_ssl.bin.{command[0]}", *command[1:]]
    if subprocess.run(call, check=False).returncode:
        raise CodecSSLError(f"{out}: {command[0]} failed, see above")
    _stamp("done", told)


def _stamp(verb: str, told: Sequence[str]) -> int:
    return subprocess.run([sys.executable, str(_STAMP), verb, *told], check=False).returncode
