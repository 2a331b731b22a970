#!/usr/bin/env bash
# Decoder-only ASR on LibriSpeech 960 h, on the units of ../tok1: RepCodec's Tables 1, 2a to 2c, 8 and 9.
#   bash run.sh --ngpu 8                                              RepCodec of data2vec large layer 18, made by ../tok1
#   bash run.sh --ngpu 8 --tokens ../tok1/dump/FEATURES/TOKENIZER     any other tokenizer
#   bash run.sh --ngpu 8 --features DIR                               its features themselves, the upper bound
#   bash run.sh --ngpu 8 --train_config conf/train_decoder_only_joint.yaml   p(s,y), Table 8
# Any option of asr.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

bash ./asr.sh --upstream ../tok1/run.sh --upstream_tokens data2vec_large_l18/repcodec --nj 8 --train_set train-960 --valid_set dev-clean \
    --test_set "dev-clean test-clean test-other" --vocab_size 5000 "$@"
