#!/usr/bin/env bash
# Tokenizers of speech representations on LibriSpeech: RepCodec's Tables 1, 2a to 2c, 5, 7 to 9 and 11 (with ../asr2).
#   bash run.sh --ngpu 1                                            layer 18 of data2vec large: k-means, VQ, RepCodec
#   bash run.sh --ngpu 1 --encoder hubert_base                      any other encoder of conf/encoders
#   bash run.sh --ngpu 1 --layer_weights FILE                       a linear combination of its layers
#   bash run.sh --ngpu 1 --tokenizers repcodec_2rvq                 two residual codebooks, Table 2b
#   bash run.sh --ngpu 1 --train_set train-960 --tokenizers repcodec_960h   Tables 2a and 9
# Any option of tok.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

bash ./tok.sh --encoder data2vec_large --nj 8 --train_set train-clean-100 --valid_set dev-clean \
    --token_sets "train-960 dev-clean test-clean test-other" --eval_sets dev-clean \
    --tokenizers kmeans_sklearn,vq,repcodec "$@"
