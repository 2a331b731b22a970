#!/usr/bin/env bash
# Frozen encoders on SUPERB's tasks, on @corpus@. Every option of superb.sh may be set here or given on the command line (--help lists them).
set -euo pipefail
cd "$(dirname "$0")"

# --encoders NAME=ENCODER,...  experiments of ours, names of conf/encoders, hub ids
# --tasks "ks sid"             those that the corpus has labels for
# --references logmel          without a codec; with --codec also codec, with an experiment of ours also untrained
bash ./superb.sh --tasks "ks sid" --references logmel "$@"
