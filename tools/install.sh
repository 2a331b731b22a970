#!/usr/bin/env bash
# Makes the project's Python environment: bash tools/install.sh [--quiet] [--find-python] [--help]
#
#   --quiet        say nothing when there is nothing to do (path.sh of every recipe calls it so)
#   --find-python  only print the Python that a new environment would be made with
#
# The environment is .venv at the root of the repository, or the folder named by CODEC_SSL_VENV. One that exists is
# used as it is: a torch (and torchaudio) found there is kept, whatever its build, and everything else goes beside it.
# Variables:
#   CODEC_SSL_VENV    the environment to make or to use
#   PYTHON            the interpreter for a new one: 3.12 or 3.13; else it is looked for on PATH, among pyenv's
#                     versions, and at last downloaded by uv
#   UV_TORCH_BACKEND  the build of torch to install: cpu, cu128, rocm6.4, ..., or auto to look at the driver;
#                     unset, the package index decides
# Safe to run twice at once, to kill, and to call each time: it takes milliseconds when nothing has changed.
set -euo pipefail
unset PYTHONDONTWRITEBYTECODE  # the check at the end compiles what it imports, for all later processes

root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
tools=${root}/tools
venv=${CODEC_SSL_VENV:-${root}/.venv}
state=${venv}/.codec_ssl   # holds: lock, stamp, torch (kept|ours), installing (while packages are being written)
quiet=false

log() { echo "install.sh: $*" >&2; }
die() { echo "install.sh: error: $*" >&2; exit 1; }
usage() { awk 'NR > 1 && /^#/ { sub(/^# ?/, ""); print; next } NR > 1 { exit }' "$0"; }

# suitable INTERPRETER: true when it runs and is a CPython that the pinned packages have wheels for. It is run, not
# looked at: a pyenv shim lies on PATH for every version, and fails for those that are not selected.
suitable() {
    "$1" -c 'import sys, sysconfig
ok = sys.implementation.name == "cpython" and (3, 12) <= sys.version_info[:2] <= (3, 13)
sys.exit(0 if ok and not sysconfig.get_config_var("Py_GIL_DISABLED") else 1)' >/dev/null 2>&1
}

real_path_of() { "$1" -c 'import sys; print(sys.executable)'; }

find_python() {
    local candidate name
    if [ -n "${PYTHON:-}" ]; then
        if suitable "${PYTHON}"; then real_path_of "${PYTHON}"; return 0; fi
        log "PYTHON=${PYTHON} is no working Python 3.12 or 3.13; looking for another"
    fi
    for name in python3.12 python3.13 python3 python; do
        while IFS= read -r candidate; do
            if suitable "${candidate}"; then real_path_of "${candidate}"; return 0; fi
        done < <(type -ap "${name}" || true)
    done
    for name in 12 13; do
        while IFS= read -r candidate; do
            if suitable "${candidate}"; then echo "${candidate}"; return 0; fi
        done < <(printf '%s\n' "${PYENV_ROOT:-${HOME:-}/.pyenv}/versions/3.${name}."*/bin/python | sort -rV)
    done
    return 1
}

# Prints the path of a uv that works: the one on PATH, or one installed by pip into a folder of its own.
find_uv() {
    local own=${tools}/.uv/venv python
    if uv --version >/dev/null 2>&1; then command -v uv; return 0; fi
    if ! "${own}/bin/uv" --version >/dev/null 2>&1; then
        python=$(find_python) || python=$(command -v python3) \
            || die "neither uv nor python3 is on PATH: install one of them first"
        log "installing uv into ${own}"
        mkdir -p "${tools}/.uv"
        echo '*' > "${tools}/.uv/.gitignore"
        {
            flock 8
            if ! "${own}/bin/uv" --version >/dev/null 2>&1; then
                "${python}" -m venv --clear "${own}" >&2 \
                    || die "${python} cannot make an environment (on Debian: apt-get install python3-venv); or put uv on PATH"
                "${own}/bin/python" -m pip install --quiet --disable-pip-version-check 'uv>=0.9.8' >&2 \
                    || die "pip could not install uv; put uv on PATH and rerun"
            fi
        } 8>"${tools}/.uv/lock"
    fi
    echo "${own}/bin/uv"
}

# What the environment depends on. Another root means another clone, whose package must be put in its place.
fingerprint() {
    echo "root ${root}"
    cd "${root}" && sha256sum tools/requirements.txt tools/overrides.txt tools/check_install.py setup.py
}

is_current() { [ -x "${venv}/bin/python" ] && [ "$(cat "${state}/stamp" 2>/dev/null)" = "$1" ]; }

# Makes the environment where there is none, or where one was cut short, and notes whose torch is in it.
make_environment() {
    local python
    if [ -x "${venv}/bin/python" ]; then
        suitable "${venv}/bin/python" || die "${venv} is not of Python 3.12 or 3.13: delete it, or name another in CODEC_SSL_VENV"
        if [ ! -f "${state}/torch" ]; then
            if [ -n "$(installed_torch)" ]; then echo kept; else echo ours; fi > "${state}/torch"
        fi
        return 0
    fi
    python=$(find_python) || { log "no Python 3.12 or 3.13 found here; uv downloads one"; python=3.12; }
    log "making ${venv} with ${python}"
    echo ours > "${state}/torch"
    "${uv}" venv --quiet --allow-existing --no-project --prompt codec_ssl --python "${python}" "${venv}" \
        || die "no environment could be made with Python 3.12 or 3.13; install one and name it: PYTHON=/path/to/python3.12 bash tools/install.sh"
}

# Prints which of torch and torchaudio the environment can import, a line each.
installed_torch() {
    "${venv}/bin/python" -c 'import importlib.util as u
for name in ("torch", "torchaudio"):
    if u.find_spec(name): print(name)'
}

install_packages() {
    local options=(--quiet --python "${venv}/bin/python" --override overrides.txt)
    if [ "$(cat "${state}/torch")" = kept ]; then
        installed_torch > "${state}/excludes"
        options+=(--excludes "${state}/excludes")
        log "keeping the environment's own $(paste -sd' ' "${state}/excludes")"
    fi
    # A kill may leave a package half written, which its metadata does not show.
    if [ -f "${state}/installing" ]; then options+=(--reinstall); fi
    touch "${state}/installing"
    log "installing the packages of tools/requirements.txt into ${venv} (minutes the first time)"
    (cd "${tools}" && "${uv}" pip install "${options[@]}" --requirement requirements.txt) \
        || die "the packages could not be installed; see above"
    (cd "${root}" && "${uv}" pip install --quiet --python "${venv}/bin/python" --no-deps --no-build-isolation --editable .) \
        || die "the package codec_ssl could not be installed; see above"
    rm "${state}/installing"
}

while [ $# -gt 0 ]; do
    case $1 in
        --quiet) quiet=true ;;
        --find-python) find_python || die "no Python 3.12 or 3.13 on PATH or under pyenv"; exit 0 ;;
        --help|-h) usage; exit 0 ;;
        *) usage >&2; die "unknown option $1" ;;
    esac
    shift
done

wanted=$(fingerprint)
if ! is_current "${wanted}"; then
    if [ -d "${venv}" ] && [ ! -f "${venv}/pyvenv.cfg" ] && [ ! -d "${state}" ] && [ ! -x "${venv}/bin/python" ] \
        && [ -n "$(ls -A "${venv}")" ]; then
        die "${venv} exists and is no Python environment; nothing was changed"
    fi
    mkdir -p "${state}"
    exec 7>"${state}/lock"
    flock --nonblock 7 || { log "another install is at work in ${venv}; waiting for it"; flock 7; }
    if ! is_current "${wanted}"; then   # the one waited for may have done it
        uv=$(find_uv)
        make_environment
        rm -f "${state}/stamp"
        install_packages
        log "checking the packages"
        (cd / && "${venv}/bin/python" "${tools}/check_install.py") >&2 || die "the check failed; see above"
        echo "${wanted}" > "${state}/stamp.new"
        mv "${state}/stamp.new" "${state}/stamp"
        log "${venv} is ready"
        exit 0
    fi
fi
[ "${quiet}" = true ] || log "${venv} is current, nothing to do"
