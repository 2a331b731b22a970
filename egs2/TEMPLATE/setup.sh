#!/usr/bin/env bash
# Makes the folder of a new recipe: bash egs2/TEMPLATE/setup.sh <corpus>/<task>   (for example mycorpus/ssl1)
# It gets links to the shared stages, a commented run.sh, configs, and where the task begins with audio a local/data.sh
# that takes a folder of it.
set -euo pipefail
template=$(cd "$(dirname "$0")" && pwd)
egs=$(dirname "${template}")

usage() { echo "usage: bash egs2/TEMPLATE/setup.sh <corpus>/<task>; tasks: $(cd "${template}" && echo */ | tr -d /)" >&2; exit 1; }
[ $# -eq 1 ] || usage
corpus=${1%%/*} task=${1#*/}
[ "${corpus}" != "$1" ] && [ -n "${corpus}" ] && [ -n "${task}" ] && [ "${task}" = "${task%%/*}" ] || usage
[ -d "${template}/${task}" ] || usage
recipe=${egs}/${corpus}/${task}
if [ -e "${recipe}/run.sh" ]; then echo "error: ${recipe}/run.sh exists already; nothing was changed" >&2; exit 1; fi

mkdir -p "${recipe}/local" "${recipe}/conf"
for script in "${template}/${task}"/*.sh; do ln -sfn "../../TEMPLATE/${task}/$(basename "${script}")" "${recipe}/"; done
for shared in path.sh cmd.sh; do ln -sfn "../../TEMPLATE/${shared}" "${recipe}/${shared}"; done
cp -rL "${template}/${task}/new/." "${recipe}/"
if [ -d "${egs}/mini/${task}/conf" ]; then cp -r "${egs}/mini/${task}/conf/." "${recipe}/conf/"; fi
find "${recipe}/run.sh" "${recipe}/README.md" "${recipe}/local" -type f -exec sed -i "s/@corpus@/${corpus}/g" {} +
echo "made ${recipe}"
if [ -f "${recipe}/local/data.sh" ]; then
    echo "  put your corpus's folder, or your own reader, into local/data.sh"
    echo "  bash egs2/${corpus}/${task}/run.sh --audio_dir DIR    runs it on a folder of audio"
else
    echo "  bash egs2/${corpus}/${task}/run.sh --tokens DIR --datadir DIR    runs it on units and transcripts that are there"
fi
echo "  bash egs2/${corpus}/${task}/run.sh --dry_run true     shows the plan"
