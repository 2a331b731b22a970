#!/usr/bin/env bash
# Runs a data dir command in this repository's environment: data_dir.sh COMMAND [arguments].
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && cd "$(pwd -P)/.." && pwd)
python=${CODEC_SSL_VENV:-${root}/.venv}/bin/python
if [ ! -x "${python}" ]; then
    python=python3
fi
exec "${python}" -m codec_ssl.bin.data_dir "$@"
