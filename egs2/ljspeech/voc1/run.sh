#!/usr/bin/env bash
# Speech from units on LJSpeech: a HiFi-GAN with durations on k-means and RepCodec tokens (RepCodec, Tables 3 and 4).
#   bash run.sh --ngpu 1 --local_data_opts "--corpus DIR"                       HuBERT large, tokenizers of ../../librispeech/tok1
#   bash run.sh --ngpu 1 --local_data_opts "--corpus DIR" --encoder data2vec_large       another column of Table 3
#   bash run.sh --ngpu 1 --local_data_opts "--corpus DIR" --score_args "--whisper openai/whisper-large-v2"
#   bash run.sh --ngpu 1 --local_data_opts "--corpus DIR --lists DIR"           with the published lists of the sets
# Any option of voc.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

bash ./voc.sh --nj 8 --tok_exp ../../librispeech/tok1/exp --tokenizers kmeans_sklearn,repcodec --encoder hubert_large \
    --train_set ljspeech_train --valid_set ljspeech_valid --test_set ljspeech_test --predict_durations true \
    --codecs "encodec_24k_1cb encodec_24k_2cb" "$@"
