#!/usr/bin/env bash
# Tokenizers of speech representations on @corpus@. Every option of tok.sh may be set here or given on the command line (--help lists them).
set -euo pipefail
cd "$(dirname "$0")"

# --encoder NAME --layer N  a name of conf/encoders, a hub id or folder of transformers, logmel (layer 0), an experiment of ours;
#                           without it, a Codec2Vec is trained by ../ssl1, where that recipe is there
# --tokenizers LIST         kmeans, kmeans_sklearn, or X with a conf/train_X.yaml
# --size ci                 the smallest configs (conf/ci), to see in minutes that everything runs
bash ./tok.sh --encoder hubert_base --tokenizers kmeans,vq,repcodec "$@"
