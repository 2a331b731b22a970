#!/usr/bin/env bash
# Checks the project: bash test/run.sh [unit|recipes|all] [arguments of pytest]
#
#   unit     linters, then every test but these
#   recipes  linters, then the recipes planned and run end to end, benchmarks, and trainings that must learn something
#   all      both (the default)
# It installs what is missing first (tools/install.sh). A linter's complaint does not keep the tests from running, but
# fails the whole. For example: bash test/run.sh unit test/utils -k run
set -euo pipefail
root=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.." && pwd)
cd "${root}"

case ${1:-all} in
    unit) marker=(-m "not recipe and not plan") ;;
    recipes) marker=(-m "recipe or plan") ;;
    all) marker=() ;;
    -h|--help) awk 'NR > 1 && /^#/ { sub(/^# ?/, ""); print; next } NR > 1 { exit }' "$0"; exit 0 ;;
    *) echo "test/run.sh: error: '$1' is none of unit, recipes, all" >&2; exit 1 ;;
esac
if [ $# -gt 0 ]; then shift; fi

# Imports of torch and espnet are compiled once, not by each of the many processes of the tests.
unset PYTHONDONTWRITEBYTECODE
export CODEC_SSL_VENV=${CODEC_SSL_VENV:-${root}/.venv}
bash tools/install.sh --quiet
export PATH="${CODEC_SSL_VENV}/bin:${PATH}"
# Two workers share the cores; numbers that a test compares must not depend on how many threads there are.
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

scripts() {
    if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
        git ls-files -z --cached --others --exclude-standard -- '*.sh' .ci/run
    else
        find . -path ./.venv -prune -o -path ./tools/.uv -prune -o -name '*.sh' -print0
    fi
}

status=0
ruff check || status=1
ruff format --check || status=1
scripts | xargs -0 shellcheck || status=1
if [ "${status}" -ne 0 ]; then echo "test/run.sh: the linters complain, see above; the tests follow" >&2; fi

# Files stay on one worker; the order is that of test/conftest.py.
pytest -n 2 --dist loadfile --no-loadscope-reorder "${marker[@]}" "$@" || status=$?
exit "${status}"
