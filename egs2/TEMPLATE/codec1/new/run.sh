#!/usr/bin/env bash
# A neural codec on @corpus@. Every option of codec.sh may be set here or given on the command line (--help lists them).
set -euo pipefail
cd "$(dirname "$0")"

# --train_config FILE       conf/train_soundstream.yaml is a small one; the papers' are in egs2/mls/codec1/conf
# --codec NAME              score a codec that is there, of conf/codecs or an experiment
# --size ci                 the smallest configs (conf/ci), to see in minutes that everything runs
bash ./codec.sh "$@"
