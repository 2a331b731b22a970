#!/usr/bin/env bash
# Codec2Vec on @corpus@. Every option of ssl.sh may be set here or given on the command line (--help lists them).
set -euo pipefail
cd "$(dirname "$0")"

# --size ci           the smallest configs (conf/ci), to see in minutes that everything runs
# --codec NAME        a codec of conf/codecs (dac_16k, encodec_24k, ...), a checkpoint or an exp dir;
#                     without it, stage 2 trains the small codec of conf/train_codec.yaml
# --rounds N          k-means rounds after the first, with --kmeans_clusters and --kmeans_layer
# --probe_tasks LIST  phone needs phones.ctm in the data dirs; any other X needs a file utt2X
bash ./ssl.sh --rounds 1 --kmeans_clusters 100 --kmeans_layer 2 --probe_tasks speaker "$@"
