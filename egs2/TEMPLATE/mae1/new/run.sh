#!/usr/bin/env bash
# EnCodecMAE on @corpus@. Every option of mae.sh may be set here or given on the command line (--help lists them).
set -euo pipefail
cd "$(dirname "$0")"

# --codec NAME        a codec of conf/codecs (encodec_24k, dac_24k, ...), a checkpoint or an exp dir;
#                     without it, stage 2 trains the small codec of conf/train_codec.yaml
# --expdir exp_mel --codec exp/codec --train_config conf/train_v2_mel.yaml
#                     mel in place of the codec's latents, beside the default run; train_v2_quantized: stored codes alone; train_v1: first version
# --kmeans_clusters N, --kmeans_frames N   of self-training's labels
# --size ci           the smallest configs (conf/ci), to see in minutes that everything runs
bash ./mae.sh --kmeans_clusters 256 --kmeans_frames 50000 "$@"
