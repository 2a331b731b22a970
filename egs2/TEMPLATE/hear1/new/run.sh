#!/usr/bin/env bash
# Frozen encoders on the labels of @corpus@. Every option of hear.sh may be set here or given on the command line (--help lists them).
set -euo pipefail
cd "$(dirname "$0")"

# --encoders NAME=ENCODER,...  experiments of ours, names of conf/encoders, hub ids; without it, ../mae1 trains an EnCodecMAE
# --tasks "label=NAME ..."     any label of the data dirs, or YAML files like those of conf/hear
# --references logmel          without a codec; with --codec also latent
bash ./hear.sh --tasks label=label "$@"
