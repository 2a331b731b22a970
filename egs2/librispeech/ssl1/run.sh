#!/usr/bin/env bash
# Codec2Vec on LibriSpeech 960 h with DAC 16 kHz: the rows of the paper's Table I.
#   bash run.sh --ngpu 8                                      reconstruction, then two k-means rounds
#   bash run.sh --ngpu 8 --pretrain false --online true       online clustering
#   bash run.sh --ngpu 8 --pretrain false --external_labels DIR \
#        --cluster_config conf/train_codec2vec_hubert_labels.yaml   HuBERT-iter0 labels (controlled run)
#   bash run.sh --ngpu 8 --codec encodec_16k --expdir exp_encodec --dumpdir dump_encodec   Table III
# Any option of ssl.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

bash ./ssl.sh --codec dac_16k --nj 16 --train_set train-960 --valid_set dev-clean --test_set test-clean \
    --rounds 2 --kmeans_clusters 500 --kmeans_layer 9 --kmeans_frames 17000000 \
    --probe_sets "dev-other dev-clean test-clean" --probe_tasks speaker "$@"
