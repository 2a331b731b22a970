#!/usr/bin/env bash
# Tokenizers at mini scale: k-means, VQ and RepCodec on layer 2 of a Codec2Vec that is trained here first; minutes on a CPU.
#   bash run.sh                             the embedded corpus (synthetic speech, made on the spot)
#   bash run.sh --size ci                   its smallest variant
#   bash run.sh --encoder logmel --layer 0  on log-mel spectra, without Codec2Vec
#   bash run.sh --audio_dir DIR [--manifest TSV] [--align en]   your own recordings
# Any option of tok.sh may follow; --help lists them.
set -euo pipefail
cd "$(dirname "$0")"

bash ./tok.sh --size small --layer 2 --num_clusters 256 --tokenizers kmeans,kmeans_sklearn,vq,repcodec "$@"
