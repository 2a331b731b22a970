#!/usr/bin/env bash
# Speech from units on @corpus@. Every option of voc.sh may be set here or given on the command line (--help lists them).
set -euo pipefail
cd "$(dirname "$0")"

# --size ci            the smallest configs (conf/ci), to see in minutes that everything runs
# --tokenizers LIST    with --encoder and --tok_exp: tokenizers that a tok1 recipe has trained; NAME=DIR: any; else --tok_recipe trains them
# --tokens NAME=DIR    token stores that are there; --codec NAME: streams of a codec
# --f0 true            quantized F0, for several speakers; conf/train_unit_hifigan.yaml: speakers: table
# --convert true       voice conversion between the speakers of the training
bash ./voc.sh --tok_recipe ../../mini/tok1/run.sh "$@"
