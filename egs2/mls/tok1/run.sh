#!/usr/bin/env bash
# Tokenizers for English, French and Spanish on layer 11 of mHuBERT, 100 h of each: RepCodec's Tables 2d and 10 (with ../asr2).
#   bash run.sh --ngpu 1
# Any option of tok.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

sets="librispeech_train french_train spanish_train librispeech_dev_clean french_dev spanish_dev"
bash ./tok.sh --encoder mhubert_base --nj 8 --train_set train --valid_set valid \
    --token_sets "${sets} librispeech_test_clean french_test spanish_test" \
    --eval_sets "librispeech_dev_clean french_dev spanish_dev" --tokenizers kmeans_sklearn,vq,repcodec "$@"
