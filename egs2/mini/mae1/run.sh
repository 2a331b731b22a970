#!/usr/bin/env bash
# EnCodecMAE at mini scale: codec, masked autoencoder, k-means labels of its encoder, self-training on them; minutes on a CPU.
#   bash run.sh                             the embedded corpus (synthetic speech, made on the spot)
#   bash run.sh --size ci                   its smallest variant
#   bash run.sh --audio_dir DIR [--manifest TSV]   your own recordings: speech, music, any sounds
#   bash run.sh --expdir exp_v1 --codec exp/codec --train_config conf/train_v1.yaml   the paper's first version, with the codes of the run above;
#                                           train_v2_mel: mel in; train_v2_quantized: stored codes in, without audio
# Any option of mae.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

clusters=256
case " $* " in *" --size ci "* | *" --size=ci "*) clusters=32 ;; esac
bash ./mae.sh --size small --kmeans_clusters "${clusters}" --kmeans_frames 50000 "$@"
