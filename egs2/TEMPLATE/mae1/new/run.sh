#!/usr/bin/env bash
# EnCodecMAE on @corpus@. Every option of mae.sh may be set here or given on the command line (--help lists them).
set -euo pipefail
cd "$(dirname "$0")"

# --codec NAME        a codec of conf/codecs (encodec_24k, dac_24k, ...), a checkpoint or an exp dir;
#                     without it, stage 2 trains the small codec of conf/train_codec.yaml
# --train_config conf/train_v2_mel.yaml   mel in place of the codec's latents; train_v2_quantized: stored codes alone; train_v1: first version
# --kmeans_layer N    last layer of the encoder that the config names, with --kmeans_clusters and --kmeans_frames
# --size ci           the smallest configs (conf/ci), to see in minutes that everything runs; their encoder has 2 layers
bash ./mae.sh --kmeans_layer 4 --kmeans_clusters 256 --kmeans_frames 50000 "$@"
