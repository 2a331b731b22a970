"""Promises of tools/install.sh, tested with interpreters and a uv that only pretend."""

import os
import runpy
import shutil
import signal
import subprocess
import time
from pathlib import Path
from unittest import mock

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]

# A Python: answers the questions of install.sh and runs check_install.py as told.
PYTHON = """#!/bin/bash
case "$*" in
    *version_info*) {works} ;;
    *sys.executable*) echo "$0" ;;
    *find_spec*) cat "$(dirname "$0")/torch" 2>/dev/null; true ;;
    *check_install.py) echo checked >> "$CALLS"; exit "${{CHECK_CODE:-0}}" ;;
    *) exit 9 ;;
esac
"""

UV = """#!/bin/bash
echo "uv $*" >> "$CALLS"
case "$1" in
    --version) exit 0 ;;
    venv) venv=${@: -1}; python=${@: -2:1}
        mkdir -p "$venv/bin"; cp "$python" "$venv/bin/python"; touch "$venv/pyvenv.cfg" ;;
    pip) sleep "${UV_SECONDS:-0}"; exit "${UV_CODE:-0}" ;;
esac
"""


def make_program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def make_python(path: Path, *, suitable: bool = True) -> Path:
    return make_program(path, PYTHON.format(works="exit 0" if suitable else "exit 1"))


# All that there is on PATH besides.
TOOLS = (
    *("awk", "bash", "cat", "cp", "dirname", "env", "flock", "head", "ls", "mkdir", "mv", "paste"),
    *("printf", "readlink", "rm", "sha256sum", "sleep", "sort", "touch"),
)


class Machine:
    """A clone of the project on a machine of our making."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "a clone"
        self.bin, self.pyenv, self.home = folder / "bin", folder / "my pyenv", folder / "home"
        self.calls = folder / "calls"
        self.venv = self.root / ".venv"
        (self.root / "tools").mkdir(parents=True)
        self.home.mkdir()
        for name in ("install.sh", "requirements.txt", "overrides.txt", "check_install.py"):
            shutil.copy(ROOT / "tools" / name, self.root / "tools" / name)
        (self.root / "setup.py").write_text("# a package\n")
        for tool in TOOLS:
            make_program(self.bin / tool, f'#!/bin/bash\nexec {shutil.which(tool)} "$@"\n')

    def env(self, **extra: str) -> dict[str, str]:
        return {
            "PATH": str(self.bin),
            "HOME": str(self.home),
            "PYENV_ROOT": str(self.pyenv),
            "CALLS": str(self.calls),
            **extra,
        }

    def command(self, *words: str) -> list[str]:
        return ["/bin/bash", str(self.root / "tools/install.sh"), *words]

    def install(self, *words: str, **env: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(*words),
            cwd=self.home,
            env=self.env(**env),
            capture_output=True,
            text=True,
            check=False,
        )

    def called(self) -> list[str]:
        text = self.calls.read_text() if self.calls.exists() else ""
        self.calls.write_text("")
        return [line for line in text.splitlines() if line != "uv --version"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def ready(machine: Machine) -> Machine:
    """A machine with uv and Python 3.12."""
    make_python(machine.bin / "python3.12")
    make_program(machine.bin / "uv", UV)
    return machine


def test_python_named_by_the_user_comes_first(machine):
    mine = make_python(machine.home / "my python")
    make_python(machine.bin / "python3.12")
    found = machine.install("--find-python", PYTHON=str(mine))
    assert found.stdout == f"{mine}\n"


def test_unsuitable_python_of_the_user_is_said_and_another_found(machine):
    mine = make_python(machine.home / "python", suitable=False)
    other = make_python(machine.bin / "python3.13")
    found = machine.install("--find-python", PYTHON=str(mine))
    assert found.stdout == f"{other}\n"
    assert "is no working Python 3.12 or 3.13" in found.stderr


def test_a_shim_that_fails_is_passed_over(machine):
    shims = machine.home / "shims"
    make_python(shims / "python3.12", suitable=False)
    real = make_python(machine.bin / "python3.12")
    found = machine.install("--find-python", PATH=f"{shims}:{machine.bin}")
    assert found.stdout == f"{real}\n"


def test_python3_counts_when_it_is_of_a_suitable_version(machine):
    make_python(machine.bin / "python3.13", suitable=False)
    python3 = make_python(machine.bin / "python3")
    assert machine.install("--find-python").stdout == f"{python3}\n"


def test_newest_suitable_pyenv_version_is_found(machine):
    make_python(machine.bin / "python3", suitable=False)
    for version in ("3.11.7", "3.12.9", "3.12.10", "3.13.0"):
        make_python(machine.pyenv / "versions" / version / "bin/python")
    found = machine.install("--find-python")
    assert found.stdout == f"{machine.pyenv}/versions/3.12.10/bin/python\n"


def test_pyenv_in_the_home_folder_needs_no_variable(machine):
    make_python(machine.home / ".pyenv/versions/3.13.0/bin/python")
    env = machine.env()
    del env["PYENV_ROOT"]
    found = subprocess.run(
        machine.command("--find-python"), env=env, capture_output=True, text=True, check=False
    )
    assert found.stdout == f"{machine.home}/.pyenv/versions/3.13.0/bin/python\n"


def test_without_any_python_it_says_so(machine):
    found = machine.install("--find-python")
    assert found.returncode == 1
    assert "no Python 3.12 or 3.13" in found.stderr
    assert "neither uv nor python3 is on PATH" in machine.install().stderr


def test_without_any_python_uv_is_asked_for_one(machine):
    make_program(machine.bin / "uv", UV.replace('cp "$python"', "exit 2; cp"))
    result = machine.install()
    assert result.returncode == 1
    assert "--python 3.12 " in machine.called()[0]
    assert "no environment could be made with Python 3.12 or 3.13" in result.stderr


def test_install_makes_checks_and_then_has_nothing_to_do(ready):
    first = ready.install()
    assert first.returncode == 0, first.stderr
    venv, packages, package, checked = ready.called()
    assert venv.startswith("uv venv") and venv.endswith(str(ready.venv))
    assert "--override overrides.txt" in packages and "--requirement requirements.txt" in packages
    assert "--excludes" not in packages and "--reinstall" not in packages
    assert "--no-deps" in package and "--editable ." in package
    assert checked == "checked"
    start = time.monotonic()
    again = ready.install("--quiet")
    assert time.monotonic() - start < 1
    assert (again.returncode, again.stdout, again.stderr, ready.called()) == (0, "", "", [])
    assert "nothing to do" in ready.install().stderr


@pytest.mark.parametrize(
    "name", ["tools/requirements.txt", "tools/overrides.txt", "tools/check_install.py", "setup.py"]
)
def test_a_changed_file_installs_and_checks_again(ready, name):
    ready.install()
    ready.called()
    with (ready.root / name).open("a") as file:
        file.write("# changed\n")
    assert ready.install("--quiet").returncode == 0
    calls = ready.called()
    assert not [call for call in calls if call.startswith("uv venv")]
    assert calls[-1] == "checked"


def test_failed_check_fails_and_is_repeated(ready):
    failed = ready.install(CHECK_CODE="1")
    assert failed.returncode == 1
    assert "the check failed" in failed.stderr
    ready.called()
    assert ready.install().returncode == 0
    assert ready.called()[-1] == "checked"


def test_failed_download_fails_and_is_repeated(ready):
    failed = ready.install(UV_CODE="2")
    assert failed.returncode == 1
    assert "could not be installed" in failed.stderr
    assert ready.install().returncode == 0


def test_after_a_kill_the_next_run_repairs(ready):
    process = subprocess.Popen(
        ready.command(), env=ready.env(UV_SECONDS="2"), start_new_session=True
    )
    end = time.monotonic() + 10
    while not (ready.calls.exists() and "uv pip" in ready.calls.read_text()):
        assert time.monotonic() < end
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    ready.called()
    assert ready.install().returncode == 0
    calls = ready.called()
    assert not [call for call in calls if call.startswith("uv venv")]
    assert "--reinstall" in calls[0]
    assert calls[-1] == "checked"


def test_kill_before_the_environment_has_an_interpreter(ready):
    (ready.venv / ".codec_ssl").mkdir(parents=True)
    (ready.venv / "bin").mkdir()
    assert ready.install().returncode == 0
    assert ready.called()[0].startswith("uv venv --quiet --allow-existing")


def test_two_at_once_do_the_work_once(ready):
    env = ready.env(UV_SECONDS="0.5")
    both = [
        subprocess.Popen(ready.command(), env=env, stderr=subprocess.PIPE, text=True) for _ in "12"
    ]
    said = [process.communicate(timeout=30)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert ready.called().count("checked") == 1
    assert sum("waiting for it" in text for text in said) == 1


@pytest.mark.parametrize("torch", [True, False])
def test_torch_of_the_users_environment_is_kept(ready, torch):
    mine = ready.home / "my env"
    make_python(mine / "bin/python")
    if torch:
        (mine / "bin/torch").write_text("torch\n")
    for _ in range(2):  # also when requirements change later
        assert ready.install(CODEC_SSL_VENV=str(mine)).returncode == 0
        packages = next(call for call in ready.called() if "--requirement" in call)
        assert ("--excludes" in packages) == torch
        if torch:
            assert (mine / ".codec_ssl/excludes").read_text() == "torch\n"
        with (ready.root / "tools/requirements.txt").open("a") as file:
            file.write("# changed\n")
        (mine / "bin/torch").write_text("torch\n")
    assert not ready.venv.exists()


def test_environment_of_another_python_is_refused(ready):
    make_python(ready.venv / "bin/python", suitable=False)
    result = ready.install()
    assert result.returncode == 1
    assert "is not of Python 3.12 or 3.13" in result.stderr


def test_folder_that_is_no_environment_is_left_alone(ready):
    ready.venv.mkdir()
    (ready.venv / "thesis.tex").write_text("")
    result = ready.install()
    assert result.returncode == 1
    assert "is no Python environment; nothing was changed" in result.stderr
    assert [path.name for path in ready.venv.iterdir()] == ["thesis.tex"]


@pytest.fixture
def declared() -> dict[str, list[str]]:
    """What setup.py declares for the package to run, and for its tests."""
    with mock.patch("setuptools.setup") as setup:
        runpy.run_path(str(ROOT / "setup.py"))
    extras = setup.call_args.kwargs["extras_require"]
    optional = [line for line in extras["all"] if line not in extras["dev"]]
    return {"used": setup.call_args.kwargs["install_requires"] + optional, "dev": extras["dev"]}


def test_everything_declared_is_pinned_within_its_range(declared):
    pins = {}
    for line in (ROOT / "tools/requirements.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, version = line.partition("==")
            pins[canonicalize_name(name)] = version
    for line in declared["used"] + declared["dev"]:
        requirement = Requirement(line)
        version = pins.get(canonicalize_name(requirement.name))
        assert version, f"{line} has no pin"
        assert requirement.specifier.contains(version), f"{line} against {version}"


def test_everything_declared_is_exercised(declared):
    checks = runpy.run_path(str(ROOT / "tools/check_install.py"))["CHECKS"]
    assert {Requirement(line).name for line in declared["used"]} <= set(checks)
