#!/usr/bin/env bash
# Sourced by every recipe: puts the project's environment on PATH, installing it on first use.
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
export CODEC_SSL_VENV=${CODEC_SSL_VENV:-${root}/.venv}
bash "${root}/tools/install.sh" --quiet
export PATH="${CODEC_SSL_VENV}/bin:${root}/utils:${PATH}"
# Imports of torch and espnet are compiled once, not by each of a recipe's many processes.
unset PYTHONDONTWRITEBYTECODE
export PYTHONIOENCODING=utf-8 PYTHONUNBUFFERED=1 PYTHONHASHSEED=0
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(nproc)}
