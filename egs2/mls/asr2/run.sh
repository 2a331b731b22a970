#!/usr/bin/env bash
# One decoder-only ASR for English (LibriSpeech), French and Spanish (MLS), 100 h each: RepCodec's Tables 2d and 10.
#   bash run.sh --ngpu 8                                            RepCodec of mHuBERT layer 11, made by ../tok1
#   bash run.sh --ngpu 8 --tokens ../tok1/dump/mhubert_base_l11/vq  any other tokenizer
# Any option of asr.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

bash ./asr.sh --upstream ../tok1/run.sh --upstream_tokens mhubert_base_l11/repcodec --nj 8 --vocab_size 10000 --pieces_args "--case lower" \
    --train_set "librispeech_train french_train spanish_train" \
    --valid_set "librispeech_dev_clean french_dev spanish_dev" \
    --test_set "librispeech_dev_clean french_dev spanish_dev librispeech_test_clean french_test spanish_test" "$@"
